import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.features import FrontEnd, learn_front_end, load_front_end
from shotveil.models.networks.mnist import load_mnist


@pytest.fixture(scope="module")
def images():
    return load_mnist()[0][:200]


@pytest.fixture(scope="module")
def front_end(images):
    return learn_front_end(images, patch=6, dictionary=5, stride=2, pool=3)


def slowly(front_end, image):
    """The features of one image by the formulas of the module's docstring, patch by patch."""
    p, cells = front_end.patch, front_end.pool
    square = image.reshape(28, 28).astype(float)
    starts = range(0, 28 - p + 1, front_end.stride)
    places = len(starts)
    edges = [i * places // cells for i in range(cells)]
    k = front_end.filters.shape[1]
    sums = np.zeros((cells, cells, 2 * k))
    for i, down in enumerate(starts):
        for j, across in enumerate(starts):
            patch = square[down : down + p, across : across + p].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + 0.01)
            r = patch @ front_end.filters - front_end.offset
            both = np.maximum(np.concatenate([r, -r]) - front_end.threshold, 0)
            cell = [sum(e <= x for e in edges) - 1 for x in (i, j)]
            sums[cell[0], cell[1]] += both
    return (np.sqrt(sums).ravel() - front_end.mean) / front_end.spread


def test_features_are_those_of_the_formulas(front_end, images):
    found = front_end(images[:3])
    assert found.shape == (3, front_end.features)
    for image, row in zip(images[:3], found, strict=True):
        np.testing.assert_allclose(row, slowly(front_end, image), atol=2e-3)


def test_number_of_threads_changes_nothing(front_end, images):
    assert (front_end(images, threads=1) == front_end(images, threads=3)).all()


def test_features_have_mean_0_and_spread_below_1(front_end, images):
    found = front_end(images)
    assert abs(found.mean(axis=0)).max() < 1e-3
    assert 0.5 < found.std(axis=0).mean() < 1


def test_file_and_operation_give_the_same_front_end(front_end, images, tmp_path):
    front_end.save(tmp_path / "a.features")
    again = load_front_end(tmp_path / "a.features")
    assert again.digest == front_end.digest
    assert again.about == front_end.about
    assert (again(images) == front_end(images)).all()
    (through,) = front_end.operation.run(images)
    assert (through == front_end(images)).all()


def test_digest_depends_on_settings_and_arrays(front_end):
    parts = {name: getattr(front_end, name) for name in FrontEnd.__dataclass_fields__}
    digests = {front_end.digest}
    for change in ({"threshold": 0.7}, {"offset": front_end.offset + 1}, {"mean": -parts["mean"]}):
        digests.add(FrontEnd(**parts | change).digest)
    assert len(digests) == 4


def test_refuses_what_does_not_fit(front_end, images, tmp_path):
    with pytest.raises(RangeError, match=r"allowed: \(n, 784\)"):
        front_end(images[:, :100])
    with pytest.raises(RangeError, match="side²"):
        learn_front_end(images[:, :100][:, :99])
    with pytest.raises(RangeError, match="contrast"):
        learn_front_end(np.zeros((5, 64)), patch=3, dictionary=2, pool=2)
    (tmp_path / "bad").write_bytes(b"PK nothing")
    with pytest.raises(RangeError, match="no archive"):
        load_front_end(tmp_path / "bad")
    with pytest.raises(RangeError, match="not found"):
        load_front_end(tmp_path / "none")
