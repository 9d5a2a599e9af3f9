"""Files that are there whole or not at all, whatever interrupts their writing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from shotveil.models.common.checks import RangeError


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) beside `path`, flush it to disk, then rename it in one step.

    An interruption leaves the old file, or none. Makes missing folders. Raises `RangeError` when
    the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RangeError(f"file {path} cannot be written: {error.strerror}") from None
    finally:  # after Ctrl-C too; gone already where all went well
        with suppress(OSError):
            temporary.unlink()
