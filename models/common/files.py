"""Atomic writing of files: an interruption never leaves half a file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from shotveil.models.common.checks import RangeError


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to a temporary file, flush it to disk, and rename it to `path`.

    An interruption leaves the old file, or none if there was none. Missing folders are made. Raises
    `RangeError` when the file cannot be written.
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
    finally:  # runs after Ctrl-C too; after success the temporary file is gone already
        with suppress(OSError):
            temporary.unlink()
