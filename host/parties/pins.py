"""What a client knows of servers from the first time that it used them (trust on first use).

A server that once declared a network, its shapes, light and decoys has to declare the same ever
after. Otherwise it could wait until it is trusted and then send brighter light, or another network.
The file belongs to the client alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shotveil.host.protocol import messages_pb2 as pb
from shotveil.models.common.checks import RangeError
from shotveil.models.common.files import write_atomically
from shotveil.models.common.foreign import ForeignFile

WHAT = "file of known servers"


class PinsChanged(RangeError):
    """A server declares something else than when it was first used."""


def declared(welcome: pb.Welcome) -> dict[str, Any]:
    """Return all that a server declares of its network and its light, apart from the session."""
    return {
        "network": welcome.network,
        "digest": welcome.digest,
        "transmittance out": welcome.transmittance_out,
        "decoy rate": welcome.decoy_rate,
        "steps at the client": welcome.planned,
        "layers": [
            {
                "rows": layer.rows,
                "columns": layer.columns,
                "bias": layer.bias,
                "patches": layer.patches,
                "scale": layer.scale,
                "gain": layer.gain,
                "photons": layer.photons,
            }
            for layer in welcome.layers
        ],
    }


class Pins:
    """The servers that a client knows, by address, in the file at `path`.

    Raises `RangeError` for a file that is no such list, or that other users can write or read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        if not path.exists():
            return
        file = ForeignFile(WHAT, path)
        if path.stat().st_mode & 0o077:
            raise file.refused("can be read or written by other users", "mode 600")
        known = file.json()
        if not isinstance(known, dict) or not all(isinstance(one, dict) for one in known.values()):
            raise file.refused("is no list of servers", "what `shotveil ask` wrote")
        self._known = known

    def check(self, address: str, welcome: pb.Welcome, accept: bool = False) -> bool:
        """Compare what the server at `address` declares with what it declared at first.

        accept: Whether to accept, and remember, what it declares now.

        Return whether the server is new, or newly accepted; it is then remembered on disk. Raises
        `PinsChanged` with the old and the new values.
        """
        now = declared(welcome)
        before = self._known.get(address)
        if before == now:
            return False
        if before is not None and not accept:
            changes = "; ".join(
                f"{name} was {ascii(old)[:100]} and is {ascii(new)[:100]}"
                for name, old, new in _changes(before, now)
            )
            raise PinsChanged(
                f"the server at {address} is not as it was when it was first used: "
                f"{changes}; if its owner confirms this, --accept-changes accepts it "
                f"(known servers are in {self._path})"
            )
        self._known[address] = now
        self._save()
        return True

    def _save(self) -> None:
        old = os.umask(0o077)
        try:
            write_atomically(self._path, json.dumps(self._known, indent=1) + "\n")
        finally:
            os.umask(old)


def _changes(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the old and the new value of everything that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            if old.get(key) != new.get(key):
                yield from _changes(old.get(key), new.get(key), f"{key}{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _changes(one, other, f" of layer {number}")
    elif old != new:
        plural = isinstance(old, list) and isinstance(new, list)
        yield ("number of layers", len(old), len(new)) if plural else (name, old, new)
