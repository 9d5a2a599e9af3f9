import gzip
from pathlib import Path

import numpy as np
import pytest

from shotveil.models.common import foreign
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.tables import from_text, read_csv


@pytest.fixture
def read(tmp_path):
    def read(text, label=None, encoding="utf-8"):
        (tmp_path / "a.csv").write_bytes(text.encode(encoding))
        return read_csv(tmp_path / "a.csv", label)

    return read


@pytest.mark.parametrize("cut", [",", ";", "\t"])
def test_a_table_with_a_header(read, cut):
    text = 'a,"the class",b\n1, x ,2\n\n-3.5e0,"y",4\r\n'.replace(",", cut)
    x, y = read(text, "the class")
    assert x.tolist() == [[1, 2], [-3.5, 4]] and x.dtype == np.float32
    assert y.tolist() == ["x", "y"]


def test_the_column_of_labels_is_found_by_its_name(read):
    for name in ("label", "Class", "target", "y"):
        x, y = read(f"{name},b\n7,2\n-1,4\n", None)
        assert (x.tolist(), y.tolist()) == ([[2], [4]], [7, -1])
    assert read("a,b\n1,2\n").labels is None
    with pytest.raises(RangeError, match="has columns 'y' and 'class'; allowed: one, or --label"):
        read("y,class,a\n1,2,3\n")
    assert read("y,class,a\n1,2,3\n", "y").inputs.tolist() == [[2, 3]]
    with pytest.raises(RangeError, match="has no column 'c'; allowed: a, b"):
        read("a,b\n1,2\n", "c")


def test_a_table_without_a_header(read):
    assert read("1,2\n3,4\n").inputs.tolist() == [[1, 2], [3, 4]]
    x, y = read("1,2\n3,4.5\n", "2")
    assert (x.tolist(), y.tolist()) == ([[1], [3]], [2, 4.5])


def test_a_gzipped_table_with_the_mark_of_editors(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("\ufeffa,y\n1,ä\n2,β\n".encode()))
    x, y = read_csv(tmp_path / "a.csv.gz")
    assert (x.tolist(), y.tolist()) == ([[1], [2]], ["ä", "β"])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("a,b\n", "no line below its header"),
        ("5.1,setosa\n4.9,setosa\n", "mixes names and numbers"),
        ("a,b\n1,2\n3,\n", "could not convert string '' to float32 at row 2, column 2"),
        ("a,b\n1,2\n3,red\n", "'red' to float32 at row 2, column 2"),
        ("a,b\n1,2\n3,4,5\n", "columns changed from 2 to 3 at row 2"),
        ("a,b\n1,2,3\n", "has 2 columns in its header and 3 below"),
        ("a,b\n1,nan\n", "holds nan among the inputs of sample 1"),
        ("a,b\n1,1e99\n", "holds inf among the inputs"),
        (",a\n0,1\n", "name of column 1 = '' has 0 letters"),
        ("a,a\n0,1\n", "has several columns 'a'"),
        ("a,b\n1,2\0\n", "null character"),
        ("a,b\n1;2\n", "could not convert|columns changed|in its header"),
        ("a,y\n1,\x1b[31m\n", "label = .* cannot be shown"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(read, text, message):
    with pytest.raises(RangeError, match=message) as error:
        read(text)
    assert "a.csv" in str(error.value) and "\n" not in str(error.value)


def test_other_encodings_and_bombs_are_refused(read, tmp_path, monkeypatch):
    with pytest.raises(RangeError, match="0xe4 at byte 0, which is no UTF-8"):
        read("ä,b\n1,2\n", encoding="latin-1")
    monkeypatch.setattr(foreign, "MIB", 100)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10_000))
    with pytest.raises(RangeError, match="unpacks to 40,004 bytes"):
        read_csv(Path(tmp_path / "b.csv.gz"))
    monkeypatch.setattr("shotveil.models.networks.tables._LINE", 99)
    with pytest.raises(RangeError, match="line of more than 99 bytes"):
        read("a" * 200)


def test_texts_become_numbers_where_all_of_them_are():
    assert from_text(["1", "-2"]).dtype == np.int64
    assert from_text(["1", "2.5"]).dtype == np.float64
    assert from_text(["1", "a"]).tolist() == ["1", "a"]
