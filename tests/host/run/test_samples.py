import gzip
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from shotveil.host.run.samples import load_samples
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.mnist import load_mnist

X = np.arange(6, dtype=np.float32).reshape(3, 2)
ROWS = "a,b,kind\n" + "".join(f"{a},{b},{'xyx'[i]}\n" for i, (a, b) in enumerate(X.tolist()))


@pytest.fixture
def folder(tmp_path):
    """The same samples in every format."""
    import pyarrow
    from pyarrow import parquet

    np.savez(tmp_path / "a.npz", x=X, y=list("xyx"))
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.csv").write_text(ROWS)
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(ROWS.replace(",", "\t").encode()))
    table = pyarrow.table({"a": X[:, 0], "b": X[:, 1], "kind": list("xyx")})
    parquet.write_table(table, tmp_path / "a.parquet")
    header = struct.pack(">HBB2I", 0, 13, 2, 3, 2)
    (tmp_path / "a.idx2-float").write_bytes(header + X.astype(">f4").tobytes())
    return tmp_path


def test_every_format_gives_the_same_samples(folder):
    for name, label in (
        ("a.npz", None), ("a.npy", None), ("a.csv", "kind"), ("a.tsv.gz", "kind"),
        ("a.parquet", "kind"), ("a.idx2-float", None),
    ):  # fmt: skip
        found = load_samples(folder / name, label=label)
        np.testing.assert_array_equal(found.inputs, X, err_msg=name)
        has_labels = name not in ("a.npy", "a.idx2-float")
        assert (found.labels is not None) == has_labels
        assert not has_labels or found.labels.tolist() == list("xyx")


def test_the_shipped_images_stand_in_for_nothing():
    images, labels = load_mnist()
    found = load_samples()
    np.testing.assert_array_equal(found.inputs, images)
    np.testing.assert_array_equal(found.labels, labels)


def test_a_folder_with_both_splits(folder, tmp_path):
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "train.csv").write_text(ROWS)
    with pytest.raises(RangeError, match="both holds no test; allowed: one file or folder test"):
        load_samples(tmp_path / "both", "test", "kind")
    (tmp_path / "both" / "test.csv").write_text("a,b,kind\n7,8,y\n")
    assert load_samples(tmp_path / "both", "train", "kind").inputs.shape == (3, 2)
    assert load_samples(tmp_path / "both", "test", "kind").inputs.tolist() == [[7, 8]]
    (tmp_path / "both" / "test.npz").write_bytes(b"")
    with pytest.raises(RangeError, match=r"holds test\.csv and test\.npz"):
        load_samples(tmp_path / "both", "test", "kind")


def test_a_folder_with_pictures_of_both_splits(tmp_path):
    for place, value in (("train/4", 0), ("train/7", 255), ("test/7", 51)):
        (tmp_path / place).mkdir(parents=True)
        Image.fromarray(np.full((2, 3), value, np.uint8)).save(tmp_path / place / "a.png")
    x, y = load_samples(tmp_path, "train")
    assert (x.shape, x[:, 0, 0].tolist(), y.tolist()) == ((2, 2, 3), [0, 1], [4, 7])
    assert load_samples(tmp_path, "test").labels.tolist() == [7]


@pytest.mark.parametrize(
    ("name", "label", "message"),
    [
        ("none.npz", None, "none.npz is not found; allowed: .npz, .npy"),
        ("a.xls", None, "ends in '.xls'"),
        ("empty", None, "holds nothing that is known"),
        ("a.npz", "kind", "has no columns, so none is called 'kind'"),
        ("empty", "kind", "is a folder without columns"),
        ("a.csv", "colour", "has no column 'colour'"),
        ("a.csv", None, "could not convert string 'x'"),
    ],
)
def test_what_is_no_data_is_refused(folder, name, label, message):
    (folder / "a.xls").write_bytes(b"")
    (folder / "empty").mkdir()
    with pytest.raises(RangeError, match=message):
        load_samples(folder / name, label=label)
    with pytest.raises(RangeError, match="split = 'rest'; allowed: train, test"):
        load_samples(folder / name, "rest")


@pytest.mark.parametrize(("package", "name"), [("pyarrow", "a.parquet"), ("PIL.Image", "p")])
def test_says_which_extra_is_missing(folder, package, name, monkeypatch):
    (folder / "p" / "class").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=r"shotveil\[data\]"):
        load_samples(folder / name)
