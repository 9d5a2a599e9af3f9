"""The user's cache: what can be made again, and is kept so that it need not be.

It lies outside the package, which may be read-only and is shared by all users of a machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from shotveil.models.common.checks import RangeError

VARIABLE = "SHOTVEIL_CACHE"


def cache_path(*parts: str) -> Path:
    """A place in the cache, whether there is something or not.

    The cache is the folder that the environment variable SHOTVEIL_CACHE names, else `shotveil` in
    the system's own place for caches of this user, which is `~/.cache` on Linux.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute().joinpath(*parts)
    return user_cache_path("shotveil", appauthor=False).joinpath(*parts)


def cache_folder(*parts: str) -> Path:
    """The folder at a place in the cache, made if it is missing.

    Raises `RangeError` where it cannot be made, or where nothing can be written into it.
    """
    folder = cache_path(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(folder, os.W_OK | os.X_OK) else "it is read-only"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is not None:
        raise RangeError(
            f"cache folder {folder} cannot be written to: {reason}; "
            f"set {VARIABLE} to a folder that can"
        )
    return folder
