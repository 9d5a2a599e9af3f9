"""The commands of `shotveil`, one in each file; host/commands/cli.py collects them."""
