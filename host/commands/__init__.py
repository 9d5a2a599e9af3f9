"""One file for each command of `shotveil`; host/cli.py gathers them."""
