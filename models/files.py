"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from models.checks import RangeError


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write `data` beside `path`, then rename, which replaces a file in one step.

    An interruption leaves the old file, or none. Raises `RangeError` when it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise RangeError(f"file {path} cannot be written: {error.strerror}") from None
    finally:  # after Ctrl-C too; gone already where all went well
        with suppress(OSError):
            temporary.unlink()
