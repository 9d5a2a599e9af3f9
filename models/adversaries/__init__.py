"""Parties that do not keep to the protocol, one a file, and what they learn.

Each is described by an `Adversary` (`adversary.py`) and acts in one of three seats: on the fibre
(`channels.py`), with the client's optics (`clients.py`), or as the server (`servers.py`). How to
add one: `docs/extending.md`.
"""
