"""Atomic writing of files: an interruption never leaves half a file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from shotveil.models.common.checks import RangeError


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to a temporary file, flush it to disk, and rename it to `path`.

    An interruption leaves the old file, or none if there was none. Missing folders are made. A link
    stays one, and so does what is no file, such as /dev/null or a pipe: that is written to. Raises
    `RangeError` when the file cannot be written.
    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(content)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise RangeError(f"file {path} cannot be written: {error.strerror}") from None
    finally:  # runs after Ctrl-C too; after success the temporary file is gone already
        with suppress(OSError):
            temporary.unlink()
