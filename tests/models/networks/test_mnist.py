import gzip
import hashlib
import struct

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.mnist import DATA_FOLDER, FILES, load_mnist


def write(folder, split="train", images=None, labels=None, suffix=""):
    images = np.zeros((4, 28, 28), np.uint8) if images is None else images
    labels = np.arange(4, dtype=np.uint8) if labels is None else labels
    for name, array in zip(FILES[split], (images, labels), strict=True):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        pack = gzip.compress if suffix else bytes
        (folder / (name + suffix)).write_bytes(pack(header + array.tobytes()))


def test_shipped_images_are_the_published_ones():
    images, labels = load_mnist(None, "test")
    assert images.shape == (10_000, 784) and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1
    assert labels.dtype == np.uint8
    # Labels per class, and the first ten, as anybody who knows MNIST knows them.
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # MD5 of the published files without gzip, whose own header depends on who packed it.
    for name, published in zip(
        FILES["test"],
        ("2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
        strict=True,
    ):
        content = gzip.decompress((DATA_FOLDER / f"{name}.gz").read_bytes())
        assert hashlib.md5(content).hexdigest() == published


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_reads_a_folder(tmp_path, split, suffix):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (3, 28, 28), dtype=np.uint8)
    labels = np.array([9, 0, 4], np.uint8)
    write(tmp_path, split, images, labels, suffix)
    x, y = load_mnist(tmp_path, split)
    np.testing.assert_array_equal(np.rint(x * 255), images.reshape(3, 784))
    np.testing.assert_array_equal(y, labels)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": np.arange(3, dtype=np.uint8)}, "holds 4 images but .* 3 labels"),
        ({"labels": np.array([0, 1, 2, 10], np.uint8)}, r"holds label 10; allowed: 0 to 9"),
        ({"labels": np.zeros((4, 1), np.uint8)}, r"shape \(4, 1\); allowed: uint8 of \(n,\)"),
        ({"images": np.zeros((4, 27, 28), np.uint8)}, r"shape \(4, 27, 28\); allowed"),
        (
            {"images": np.zeros((0, 28, 28), np.uint8), "labels": np.zeros(0, np.uint8)},
            "holds 0 images",
        ),
    ],
)
def test_refuses_what_is_not_mnist(tmp_path, change, message):
    write(tmp_path, **change)
    with pytest.raises(RangeError, match=message):
        load_mnist(tmp_path, "train")


def test_refuses_a_truncated_file(tmp_path):
    write(tmp_path)
    path = tmp_path / FILES["train"][0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RangeError, match="truncated"):
        load_mnist(tmp_path, "train")


def test_names_what_is_missing(tmp_path):
    with pytest.raises(RangeError, match=r"holds neither train-images-idx3-ubyte nor"):
        load_mnist(tmp_path, "train")
    with pytest.raises(RangeError, match="does not ship"):
        load_mnist(None, "train")
    with pytest.raises(RangeError, match=r"split = 'validation'; allowed: train, test"):
        load_mnist(None, "validation")
