"""Samples from tables: columns of numbers, of which one may hold the labels.

`read_csv` reads them from text. Other formats of tables end in `table_samples` too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile, require_text, shown
from shotveil.models.networks.samples import Array, Samples, samples_of

LABEL_NAMES = ("label", "class", "target", "y")
_DELIMITERS = (",", ";", "\t")
_LINE = 1 << 24  # bytes of one line; a million columns of numbers have fewer
_MOST_LABELS = 1 << 24  # different labels that float32 tells apart


def read_csv(path: Path, label: str | None = None) -> Samples:
    """Return the samples in a text of one line for each, with commas, semicolons or tabs between.

    label: Name of the column with the labels; for a file without a header its number, from 1 on.
        None takes the column that is called label, class, target or y, if there is one.

    The first line is a header unless it holds numbers only. All other columns are inputs, float32.
    A gzipped file is unpacked. Raises `RangeError` for a file that is no such table, cells without
    a number, several columns of one name, and a column of labels that is not there.
    """
    file = ForeignFile("CSV file", path)
    with file.gunzipped(whole=True) as (stream, most):
        lines = _lines(file, stream, most)
        first = next(lines, "")
        cut = max(_DELIMITERS, key=first.count)
        begun = next(csv.reader([first], delimiter=cut), [])
        numbers = [_is_number(cell) for cell in begun]
        if not begun:
            raise file.refused("is empty", "a table")
        if any(numbers) and not all(numbers):
            raise file.refused(
                f"starts with a line that mixes names and numbers, {shown(first.strip())}",
                "a header of names, or no header and numbers only",
            )
        if all(numbers):
            names = [str(number) for number in range(1, len(begun) + 1)]
            lines = _again(first, lines)
        else:
            names = [cell.strip() for cell in begun]
            if not (second := next(lines, "")):
                raise file.refused("has no line below its header", "at least one")
            lines = _again(second, lines)
        at = label_column(file, names, label)
        codes: dict[str, int] = {}

        def code(text: str) -> int:
            return codes.setdefault(text.strip(), len(codes))

        try:
            values = np.loadtxt(
                lines,
                np.float32,
                comments=None,
                delimiter=cut,
                quotechar='"',
                ndmin=2,
                converters=None if at is None else {at: code},
                encoding=None,
            )
        except RangeError:
            raise
        except ValueError as error:
            raise file.refused(f"is no table of numbers: {_counted(error)}", "numbers") from None
    if values.shape[1] != len(names):
        raise file.refused(
            f"has {len(names)} columns in its header and {values.shape[1]} below", "the same number"
        )
    if at is None:
        return samples_of(file, values, None)
    if len(codes) > _MOST_LABELS:
        raise file.refused(f"has {len(codes):,} different labels", f"at most {_MOST_LABELS:,}")
    labels = from_text(list(codes))[values[:, at].astype(np.int64)]
    return samples_of(file, np.delete(values, at, axis=1), labels)


def label_column(file: ForeignFile, names: Sequence[str], label: str | None) -> int | None:
    """Return the place of the column with the labels, or None where there is none.

    Raises `RangeError` for a column without a name or several of one name, for a `label` that is
    not there, and for several columns that could be meant.
    """
    for number, name in enumerate(names, 1):
        try:
            require_text(f"name of column {number}", name)
        except RangeError as error:
            raise RangeError(f"{file.what} {file.path}: {error}") from None
    if twice := [name for name in names if names.count(name) > 1] if _repeated(names) else []:
        raise file.refused(f"has several columns {shown(twice[0])}", "a name for each")
    if label is None:
        found = [i for i, name in enumerate(names) if name.lower() in LABEL_NAMES]
        if len(found) > 1:
            said = " and ".join(shown(names[i]) for i in found)
            raise file.refused(f"has columns {said}", "one, or --label to choose")
        return found[0] if found else None
    if label not in names:
        few = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise file.refused(f"has no column {shown(label)}", few)
    return names.index(label)


def from_text(texts: list[str]) -> Array:
    """Return texts as whole numbers if all of them are, as numbers if all are, else as texts.

    Whole numbers that 64 bits cannot hold stay texts, since as numbers some could become equal.
    """
    for kind in (np.int64, np.float64):
        try:
            return np.array([kind(text) for text in texts])
        except ValueError:
            pass
        except OverflowError:
            break
    return np.array(texts, dtype=np.str_)


def _repeated(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _lines(file: ForeignFile, stream: BinaryIO, most: int) -> Iterator[str]:
    """Give the lines that are not blank, and refuse a file that unpacks to more than it may."""
    read = 0
    while line := stream.readline(_LINE + 1):
        read += len(line)
        if len(line) > _LINE:
            raise file.refused(f"has a line of more than {_LINE:,} bytes", f"at most {_LINE:,}")
        if read > most:
            raise file.refused(f"unpacks to more than {most:,} bytes", f"at most {most:,}")
        text = file.decoded(line)
        if "\0" in text:
            raise file.refused("holds a null character", "a text")
        # Some programs end a line by a carriage return alone.
        yield from (part for part in text.rstrip("\r\n").split("\r") if part.strip())


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _counted(error: ValueError) -> str:
    """Return what NumPy says of a table, without its advice, and with rows counted from 1."""
    said = str(error).split(";")[0].rstrip(".").replace("\n", " ")[:300]
    if said.startswith("could not convert"):  # NumPy counts these from 0, and others from 1
        said = re.sub(r"at row (\d+)", lambda row: f"at row {int(row[1]) + 1}", said)
    return f"{said} (rows count from 1 below the header)"


def numbers_or_names(values: NDArray[np.generic]) -> Array:
    """Return a column of labels as an array of numbers or of texts."""
    return values if values.dtype.kind in "fiub" else from_text([str(v) for v in values.tolist()])
