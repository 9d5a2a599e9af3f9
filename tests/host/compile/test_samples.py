"""Inputs and labels from NumPy files."""

import numpy as np
import pytest

from shotveil.host.compile.samples import load_samples
from shotveil.models.common.checks import RangeError

X = np.arange(12.0).reshape(3, 4)


def test_inputs_with_and_without_labels(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=["a", "b", "a"])
    x, y = load_samples(tmp_path / "a.npz")
    np.testing.assert_array_equal(x, X)
    assert y.tolist() == ["a", "b", "a"]
    np.save(tmp_path / "a.npy", X)
    x, y = load_samples(tmp_path / "a.npy")
    assert y is None and x.shape == (3, 4)


def test_what_makes_no_sense_is_refused(tmp_path):
    for arrays, message in (
        ({"x": X, "y": [1, 2]}, "2 labels for 3 inputs"),
        ({"z": X}, "hold z; allowed: x and y"),
        ({"x": np.array(["a"])}, "allowed: numbers"),
        ({"x": np.ones(3)}, r"shape \(3,\); allowed: numbers \(n, …\)"),
    ):
        np.savez(tmp_path / "b.npz", **arrays)
        with pytest.raises(RangeError, match=message):
            load_samples(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"nonsense")
    with pytest.raises(RangeError, match="cannot be read"):
        load_samples(tmp_path / "c.npz")
    np.save(tmp_path / "d.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(RangeError, match="cannot be read"):
        load_samples(tmp_path / "d.npy")
    with pytest.raises(RangeError, match="not found"):
        load_samples(tmp_path / "e.npy")
