import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from shotveil.host.run.parquet import read_parquet
from shotveil.models.common.checks import RangeError


@pytest.fixture
def read(tmp_path):
    def read(columns, label=None, **how):
        parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet", **how)
        return read_parquet(tmp_path / "a.parquet", label)

    return read


def test_columns_of_numbers_and_one_of_labels(read):
    columns = {"a": [1, 2], "target": [True, False], "b": np.array([0.5, -1], np.float32)}
    x, y = read(columns)
    assert x.tolist() == [[1, 0.5], [2, -1]] and x.dtype == np.float32
    assert y.tolist() == [True, False]
    names = pyarrow.array(["red", "blue"]).dictionary_encode()
    assert read({"a": [1, 2], "b": names}, "b").labels.tolist() == ["red", "blue"]
    assert read({"a": [1, 2]}).labels is None
    many = {"a": np.arange(25_000), "y": np.arange(25_000) % 3}
    x, y = read(many, row_group_size=7_000)
    assert (x[:, 0] == np.arange(25_000)).all() and (y == np.arange(25_000) % 3).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": ["x"]}, "holds 'a' of type string; allowed: columns of numbers"),
        ({"a": [1, None]}, "lacks 1 values of 'a'"),
        ({"a": [1.0, np.nan]}, "holds nan among the inputs of sample 2"),
        ({"a": np.array([], int)}, "holds no row"),
        ({"y": [1, 2], "label": [1, 2]}, "has columns 'y' and 'label'"),
        # 80 million times the same number are a few bytes in the file.
        ({"a": np.zeros(80_000_000, np.int8)}, "unpacks to 320,000,000 bytes"),
    ],
)
def test_what_makes_no_sense_is_refused(read, columns, message):
    with pytest.raises(RangeError, match=message):
        read(columns)


def test_damage_is_refused(read, tmp_path):
    read({"a": np.arange(1000)})
    whole = (tmp_path / "a.parquet").read_bytes()
    for data in (b"", b"nonsense", whole[:-9], whole[: len(whole) // 2]):
        (tmp_path / "b.parquet").write_bytes(data)
        with pytest.raises(RangeError, match="damaged or no Parquet"):
            read_parquet(tmp_path / "b.parquet")
