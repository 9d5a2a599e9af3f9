"""Samples from folders of pictures: one folder for each class. They need the extra `data`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile, require_text, shown, unpacked_limit
from shotveil.models.networks.samples import Samples, samples_of
from shotveil.models.networks.tables import from_text

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF")
_LARGEST = {"1": 1, "L": 255, "P": 255, "RGB": 255, "I;16": 65535}
_EACH = 1 << 18  # bytes of a picture that may be there for its file alone, however small that is


def read_pictures(folder: Path) -> Samples:
    """Return the pictures in the subfolders of a folder, in order of their paths.

    The names of the subfolders are the labels, as whole numbers where all of them are. Inputs are
    float32 from 0 to 1, (n, height, width) of grey pictures and (n, 3, height, width) of coloured
    ones, upright as their EXIF data say. Names with a leading dot are left out; any other file has
    to be a picture.

    Raises `RangeError` for pictures that are damaged, of different sizes or colours, transparent,
    animated, or that unpack to more than their files allow, and `ModuleNotFoundError` without
    Pillow.
    """
    image = import_extra("PIL.Image", "data")
    gate = ForeignFile("folder", folder)
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_shown(path)]
    for path in classes:
        try:
            require_text("name of a class", path.name)
        except RangeError as error:
            raise RangeError(f"folder {folder}: {error}") from None
    files = [
        (number, path)
        for number, one in enumerate(classes)
        for path in sorted(one.iterdir())
        if _is_shown(path)
    ]
    if not files:
        raise gate.refused("holds no picture", "a folder of pictures for each class")
    limit = unpacked_limit(0) + sum(8 * path.stat().st_size + _EACH for _, path in files)
    pictures: NDArray[np.float32] | None = None
    for place, (_, path) in enumerate(files):
        file = ForeignFile("picture", path)
        if path.suffix.lower() not in SUFFIXES:
            raise file.refused(f"ends in {shown(path.suffix)}", ", ".join(SUFFIXES))
        values = _picture(image, file)
        if pictures is None:
            needed = values.size * len(files)
            if needed > limit:
                raise gate.refused(f"unpacks to {needed:,} bytes", f"at most {limit:,}")
            pictures = np.empty((len(files), *values.shape), np.float32)
        if values.shape != pictures.shape[1:]:
            raise file.refused(
                f"has shape {values.shape}",
                f"{pictures.shape[1:]}, as the first picture {files[0][1]} has",
            )
        pictures[place] = values
    assert pictures is not None
    names = from_text([path.name for path in classes])
    return samples_of(gate, pictures, names[np.array([number for number, _ in files])])


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _picture(image: Any, file: ForeignFile) -> NDArray[np.float32]:
    """Return one picture, (height, width) or (3, height, width), from 0 to 1."""
    with file.open() as stream:
        size = file.path.stat().st_size
        try:
            with (
                warnings.catch_warnings(action="ignore"),
                image.open(stream, "r", _FORMATS) as seen,
            ):
                mode, animated = seen.mode, getattr(seen, "is_animated", False)
                if mode not in _LARGEST or "transparency" in seen.info or animated:
                    said = "is animated" if animated else f"has the mode {mode}"
                    if mode in _LARGEST and not animated:
                        said = "is transparent"
                    raise file.refused(said, "grey or coloured, without transparency or animation")
                needed = seen.width * seen.height * (3 if mode in ("RGB", "P") else 1)
                if needed > unpacked_limit(size):
                    raise file.refused(
                        f"unpacks to {needed:,} bytes", f"at most {unpacked_limit(size):,}"
                    )
                # Cameras store a picture as it was taken, and how to turn it to be seen upright.
                upright = import_extra("PIL.ImageOps", "data").exif_transpose(seen)
                pixels = np.asarray(upright.convert("RGB") if mode == "P" else upright)
        except (RangeError, MemoryError):
            raise
        except Exception as error:  # damaged bytes make Pillow raise half a dozen types
            said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise file.refused(f"is damaged or no picture: {said}", "a whole one") from None
    values = pixels.astype(np.float32) / np.float32(_LARGEST[mode])
    return values if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))
