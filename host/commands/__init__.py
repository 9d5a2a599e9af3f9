"""One file for each command of `shotveil`; host/commands/cli.py gathers them."""
