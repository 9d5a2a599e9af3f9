"""A file or folder of any format that is known as samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shotveil.host.run.parquet import read_parquet
from shotveil.host.run.pictures import read_pictures
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile, shown
from shotveil.models.networks.arrays import (
    idx_names,
    read_idx_folder,
    read_idx_inputs,
    read_npy,
    read_npz,
)
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.samples import SPLITS, Samples, Split
from shotveil.models.networks.tables import read_csv

_TABLES: dict[str, Callable[[Path, str | None], Samples]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".csv.gz": read_csv,
    ".tsv.gz": read_csv,
    ".parquet": read_parquet,
    ".pq": read_parquet,
}
_ALLOWED = (
    ".npz, .npy, .csv, .tsv, .parquet, IDX, or a folder of IDX files, of pictures in a folder for "
    "each class, or of train and test"
)


def load_samples(
    path: str | Path | None = None, split: Split = "test", label: str | None = None
) -> Samples:
    """Return the samples of one split in a file or folder; None means the shipped MNIST images.

    split: "train" or "test". A folder with `train` and `test`, as folders or as files, has both;
        so have MNIST's IDX files, and archives of NumPy that name them. Other files hold the same
        samples for either.
    label: Name of a table's column with the labels; `read_csv` says what None means.

    Raises `RangeError` for what is not there, cannot be read, or has no `label`, and
    `ModuleNotFoundError` where the format needs an extra.

    >>> inputs, labels = load_samples()
    >>> inputs.shape, labels[:3].tolist()
    ((10000, 784), [7, 2, 1])
    """
    if split not in SPLITS:
        raise RangeError(f"split = {split!r}; allowed: {', '.join(SPLITS)}")
    if path is None:
        return Samples(*load_mnist(None, split))
    file = ForeignFile("data", Path(path))
    if file.path.is_dir() and (own := _part(file, split)) is not None:
        file = ForeignFile("data", own)
    if file.path.is_dir():
        return _of_folder(file, split, label)
    if not file.path.exists():
        raise file.refused("is not found", _ALLOWED)
    return _of_file(file, split, label)


def _entries(file: ForeignFile) -> list[Path]:
    try:
        return sorted(file.path.iterdir())
    except OSError as error:
        raise file.refused(f"cannot be read: {error.strerror}", "a folder to look into") from None


def _part(file: ForeignFile, split: Split) -> Path | None:
    """Return the file or folder of a split, or None for a folder without splits."""
    parts = {each: [e for e in _entries(file) if e.name.split(".")[0] == each] for each in SPLITS}
    if not any(parts.values()):
        return None
    if len(found := parts[split]) != 1:
        named = " and ".join(e.name for e in found) or f"no {split}"
        raise file.refused(f"holds {named}", f"one file or folder {split}")
    return found[0]


def _of_file(file: ForeignFile, split: Split, label: str | None) -> Samples:
    path = file.path
    name = path.name.lower()
    for suffix, read in _TABLES.items():
        if name.endswith(suffix):
            return read(path, label)
    if label is not None:
        raise file.refused(
            f"has no columns, so none is called {shown(label)}", "--label with .csv or .parquet"
        )
    if name.endswith(".npz"):
        return read_npz(path, split)
    if name.endswith(".npy"):
        return read_npy(path)
    if "idx" in name:
        return read_idx_inputs(path)
    raise file.refused(f"ends in {shown(path.suffix)}", _ALLOWED)


def _of_folder(file: ForeignFile, split: Split, label: str | None) -> Samples:
    if label is not None:
        raise file.refused("is a folder without columns", "--label with .csv or .parquet")
    if idx_names(file.path):
        return read_idx_folder(file.path, split)
    if any(e.is_dir() and not e.name.startswith(".") for e in _entries(file)):
        return read_pictures(file.path)
    raise file.refused("holds nothing that is known", _ALLOWED)
