import gzip
import struct

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.arrays import (
    read_idx_folder,
    read_idx_inputs,
    read_npy,
    read_npz,
)

X = np.arange(24.0).reshape(3, 2, 4)


def idx(array):
    codes = {"uint8": 8, "float32": 13}
    header = struct.pack(f">HBB{array.ndim}I", 0, codes[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("inputs, labels", [("x", "y"), ("X", "y")])
def test_an_archive_of_all_samples(tmp_path, inputs, labels):
    np.savez(tmp_path / "a.npz", **{inputs: X, labels: ["a", "b", "a"]})
    for split in ("train", "test"):
        x, y = read_npz(tmp_path / "a.npz", split)
        np.testing.assert_array_equal(x, X)
        assert y.tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_test", "y_test"),
              ("train_images", "train_labels", "test_images", "test_labels")]
)  # fmt: skip
def test_an_archive_of_both_splits(tmp_path, names):
    arrays = (X, np.arange(3), X[:1], np.array([[5]], ">i4"))
    np.savez_compressed(tmp_path / "a.npz", **dict(zip(names, arrays, strict=True)))
    assert read_npz(tmp_path / "a.npz", "train").labels.tolist() == [0, 1, 2]
    assert read_npz(tmp_path / "a.npz", "test").labels.tolist() == [5]


def test_other_archives_are_refused(tmp_path):
    for arrays, message in (
        ({"z": X}, "holds 'z'; allowed: x and y, or x_test and y_test"),
        ({"x": X, "y": [1, 2]}, "2 labels for 3 inputs"),
        ({"x": np.array(["a"])}, "holds x of type 'str'"),
        ({"x": X, "y": np.array([{}] * 3)}, "holds y of type 'object'"),
    ):
        np.savez(tmp_path / "b.npz", **arrays)
        with pytest.raises(RangeError, match=message):
            read_npz(tmp_path / "b.npz", "test")
    (tmp_path / "c.npz").write_bytes(b"nonsense")
    with pytest.raises(RangeError, match="no archive"):
        read_npz(tmp_path / "c.npz", "test")


def test_an_array_without_labels(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(X.astype(">f4")))
    x, y = read_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(x, X)
    assert y is None and x.dtype == np.dtype("float32")
    whole = (tmp_path / "a.npy").read_bytes()
    for data, message in (
        (whole[:-1], "bytes; allowed: .* as its shape"),
        (whole[:3], "damaged or no .npy"),
        (b"nonsense" * 9, "damaged or no .npy"),
        # A header of more than there is must not make memory for it.
        (whole.replace(b"(3, 2, 4)", b"(3, 2,4" + b"0" * 12 + b")"), "as its shape"),
    ):
        (tmp_path / "b.npy").write_bytes(data)
        with pytest.raises(RangeError, match=message):
            read_npy(tmp_path / "b.npy")
    np.save(tmp_path / "d.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(RangeError, match="type 'object'"):
        read_npy(tmp_path / "d.npy")


def test_a_folder_of_idx_files_of_any_shape(tmp_path):
    pixels = np.array([[[0, 255, 51]]] * 4, np.uint8)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array([0, 31, 2, 3], np.uint8)))
    x, y = read_idx_folder(tmp_path, "train")
    assert x.shape == (4, 1, 3) and y.tolist() == [0, 31, 2, 3]
    np.testing.assert_allclose(x[0, 0], [0, 1, 0.2], rtol=1e-6)
    with pytest.raises(RangeError, match="holds no such file; allowed: one file t10k-images or"):
        read_idx_folder(tmp_path, "test")
    # Relatives of MNIST have names of their own in front, and other types of numbers.
    (tmp_path / "kin-test-images-idx2-float").write_bytes(idx(np.full((2, 3), 7, np.float32)))
    with pytest.raises(RangeError, match="holds kin-test-images-idx2-float and no labels"):
        read_idx_folder(tmp_path, "test")
    (tmp_path / "kin-test-labels-idx1-ubyte").write_bytes(idx(np.array([1, 0], np.uint8)))
    assert read_idx_folder(tmp_path, "test").inputs.tolist() == [[7] * 3] * 2
    (tmp_path / "t10k-images-idx2-float").write_bytes(b"")
    with pytest.raises(RangeError, match="holds kin-test-images-idx2-float, t10k-images"):
        read_idx_folder(tmp_path, "test")


def test_one_idx_file_has_no_labels(tmp_path):
    (tmp_path / "a.idx").write_bytes(idx(np.ones((2, 3), np.float32)))
    x, y = read_idx_inputs(tmp_path / "a.idx")
    assert x.tolist() == [[1] * 3] * 2 and y is None
