"""The user's cache folder, for results that could be computed again but take time.

It lies outside the package, because the package may be read-only and is shared by all users.
"""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from shotveil.models.common.checks import RangeError

VARIABLE = "SHOTVEIL_CACHE"


def cache_path(*parts: str) -> Path:
    """Return a path in the cache, whether or not it exists.

    The cache is the folder that the environment variable SHOTVEIL_CACHE names, or else `shotveil`
    in the user's cache folder of the system, which is `~/.cache` on Linux.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute().joinpath(*parts)
    return user_cache_path("shotveil", appauthor=False).joinpath(*parts)


def cache_folder(*parts: str) -> Path:
    """Return a folder in the cache, and create it if it is missing.

    Raises `RangeError` where it cannot be created or is not writable.
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
