"""MNIST: 28×28 grey images of handwritten digits, from IDX files or from those that ship here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.idx import read_idx

DATA_FOLDER = Path(__file__).with_name("data")
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
SIDE = 28
CLASSES = 10


def load_mnist(
    folder: str | Path | None = None, split: Literal["train", "test"] = "test"
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return (images, labels) of one split: float32 (n, 784) in [0, 1] and uint8 (n,) in 0…9.

    `folder` holds the IDX files under their usual names, with or without `.gz`; None means the
    10,000 test images that ship with Shotveil, so it has no training split. Pixels are the stored
    bytes over 255, in row-major order.

    Raises `RangeError` when a file is missing, damaged or not MNIST, or when images and labels do
    not belong together.

    >>> images, labels = load_mnist()
    >>> images.shape, labels[:3].tolist()
    ((10000, 784), [7, 2, 1])
    """
    if split not in FILES:
        raise RangeError(f"split = {split!r}; allowed: {', '.join(FILES)}")
    if folder is None and split != "test":
        raise RangeError(
            f"split = {split!r} does not ship with Shotveil; name a folder with MNIST's IDX files"
        )
    folder = DATA_FOLDER if folder is None else Path(folder)
    images_path, labels_path = (_find(folder, name) for name in FILES[split])

    images = read_idx(images_path)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise RangeError(
            f"{images_path} holds {images.dtype} of shape {images.shape}; "
            f"allowed: uint8 of shape (n, {SIDE}, {SIDE})"
        )
    labels = read_idx(labels_path)
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise RangeError(
            f"{labels_path} holds {labels.dtype} of shape {labels.shape}; allowed: uint8 of (n,)"
        )
    if len(images) != len(labels):
        raise RangeError(
            f"{images_path} holds {len(images)} images but {labels_path} {len(labels)} labels"
        )
    if len(labels) == 0:
        raise RangeError(f"{images_path} holds 0 images; allowed: at least 1")
    if labels.max() >= CLASSES:
        raise RangeError(f"{labels_path} holds label {labels.max()}; allowed: 0 to {CLASSES - 1}")
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255), labels


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise RangeError(f"folder {folder} holds neither {name} nor {name}.gz")
