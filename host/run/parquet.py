"""Samples from Parquet files, the typed tables of analysis tools. They need the extra `data`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from shotveil.host.extras import import_extra
from shotveil.models.common.foreign import ForeignFile, shown, unpacked_limit
from shotveil.models.networks.samples import Samples, samples_of
from shotveil.models.networks.tables import label_column, numbers_or_names

_ROWS = 10_000  # read at a time
_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name


def read_parquet(path: Path, label: str | None = None) -> Samples:
    """Return the samples in a Parquet file; every column but that of the labels is an input.

    label: Name of the column with the labels, as for `read_csv`.

    Raises `RangeError` for a file that is damaged or unpacks to more than its size allows, columns
    of other types than numbers, and missing values, and `ModuleNotFoundError` without pyarrow.
    """
    pyarrow = import_extra("pyarrow", "data")
    parquet = import_extra("pyarrow.parquet", "data")
    file = ForeignFile("Parquet file", path)
    with file.open() as stream:
        limit = unpacked_limit(path.stat().st_size)
        try:
            table = parquet.ParquetFile(
                stream, thrift_string_size_limit=1 << 24, thrift_container_size_limit=1 << 20
            )
            names = list(table.schema_arrow.names)
            at = label_column(file, names, label)
            if index := [name for name in names if _INDEX.fullmatch(name)]:
                raise file.refused(
                    f"holds {shown(index[0])}, an index of pandas", "columns of data (index=False)"
                )
            for name, kind in zip(names, table.schema_arrow.types, strict=True):
                if names.index(name) != at and not _is_number(pyarrow, kind):
                    raise file.refused(f"holds {shown(name)} of type {kind}", "columns of numbers")
            # Repeated values take next to no room in a file, so rows count as what they become.
            needed = 4 * table.metadata.num_rows * len(names)
            if needed > limit:
                raise file.refused(f"unpacks to {needed:,} bytes", f"at most {limit:,}")
            parts, labels, rows = [], [], 0
            for batch in table.iter_batches(_ROWS, use_threads=False):
                rows += len(batch)
                if rows > table.metadata.num_rows:
                    raise file.refused(f"holds more than {table.metadata.num_rows:,} rows", "these")
                columns = [_values(file, n, c) for n, c in zip(names, batch.columns, strict=True)]
                if at is not None:
                    labels.append(columns.pop(at))
                parts.append(np.column_stack([c.astype(np.float32) for c in columns]))
        except (pyarrow.ArrowException, OSError) as error:
            said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise file.refused(f"is damaged or no Parquet: {said}", "a whole file") from None
    if not parts:
        raise file.refused("holds no row", "at least one")
    found = None if at is None else numbers_or_names(np.concatenate(labels))
    return samples_of(file, np.concatenate(parts), found)


def _is_number(pyarrow: Any, kind: Any) -> bool:
    types = pyarrow.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _values(file: ForeignFile, name: str, column: Any) -> Any:
    if column.null_count:
        raise file.refused(f"lacks {column.null_count:,} values of {shown(name)}", "none missing")
    return column.to_numpy(zero_copy_only=False)
