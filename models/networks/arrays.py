"""Samples from files of arrays: NumPy's `.npz` and `.npy`, and IDX, the format of MNIST.

Nothing here is turned into other numbers, except that bytes of IDX files, which are pixels, become
0 to 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.foreign import ForeignFile
from shotveil.models.networks.idx import read_idx
from shotveil.models.networks.samples import Samples, Split, samples_of

_TYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)
# Names of inputs and labels: for one split, as Keras and MedMNIST have them, then for all samples.
_OF_SPLIT = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
_OF_ALL = (("x", "y"), ("X", "y"))
_IDX_PREFIX = {"train": ("train",), "test": ("t10k", "test")}


def read_npz(path: Path, split: Split) -> Samples:
    """Return the samples in a NumPy archive.

    They are the arrays `x` (or `X`) and `y`; or `x_train`, `y_train`, `x_test` and `y_test`; or
    `train_images`, `train_labels`, `test_images` and `test_labels`, of which `split` says which.
    The labels may be missing. Raises `RangeError` for an archive without such arrays, a damaged
    one, one with pickles, and what `samples_of` refuses.
    """
    file = ForeignFile("data file", path)
    with file.npz() as archive:
        for inputs, labels in (
            *((x.format(split), y.format(split)) for x, y in _OF_SPLIT),
            *_OF_ALL,
        ):
            if inputs in archive:
                x = archive.array(inputs, _TYPES, None)
                y = archive.array(labels, (*_TYPES, "str"), None) if labels in archive else None
                return samples_of(file, x, y)
        names = ", ".join(map(ascii, archive.names[:8])) or "nothing"
        raise file.refused(f"holds {names}", f"x and y, or x_{split} and y_{split}")


def read_npy(path: Path) -> Samples:
    """Return the inputs in a NumPy file. Raises `RangeError` as `read_npz`."""
    file = ForeignFile("data file", path)
    return samples_of(file, file.npy(_TYPES), None)


def read_idx_inputs(path: Path) -> Samples:
    """Return the inputs in one IDX file, without labels. Raises `RangeError` as `read_idx`."""
    return samples_of(ForeignFile("IDX file", path), _pixels(read_idx(path)), None)


def idx_names(folder: Path) -> list[str]:
    """Return the names of all IDX files of images in a folder."""
    return sorted(path.name for path in folder.glob("*-images*idx*") if path.is_file())


def read_idx_folder(folder: Path, split: Split) -> Samples:
    """Return the samples in a folder of IDX files, such as those of MNIST and its relatives.

    Images are in a file such as `train-images-idx3-ubyte`, or `t10k-images-idx3-ubyte` and
    `test-…` for the test split, and labels in one of the same beginning, such as
    `train-labels-idx1-ubyte`. Names may have something in front of that, and `.gz` behind it.
    Raises `RangeError` where there is not exactly one such pair.
    """
    file = ForeignFile("folder", folder)
    starts = [f"{prefix}-images" for prefix in _IDX_PREFIX[split]]
    found = [name for name in idx_names(folder) if any(start in name for start in starts)]
    stems = {name.removesuffix(".gz") for name in found}
    if len(stems) != 1:
        named = ", ".join(sorted(stems)[:4]) if stems else "no such file"
        raise file.refused(
            f"holds {named}", f"one file {' or '.join(starts)}-idx…, with or without .gz"
        )
    # Of a file and its compressed copy, the first is as good and faster.
    images = folder / min(found)
    beginning = images.name.split("-images")[0]
    labels = sorted(folder.glob(f"{beginning}-labels*idx*"))
    if not labels:
        raise file.refused(f"holds {images.name} and no labels", f"a file {beginning}-labels-idx…")
    x = _pixels(read_idx(images))
    return samples_of(ForeignFile("IDX file", images), x, read_idx(labels[0]))


def _pixels(array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.dtype != np.uint8:
        return array
    return array.astype(np.float32) / np.float32(255)
