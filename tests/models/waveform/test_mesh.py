import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.link.encoding import directions
from shotveil.models.link.symbols import vacuum
from shotveil.models.waveform.mesh import QUARTER, Mesh, angle_table, angles_of


@pytest.mark.parametrize("kind", ["any", "first", "last", "positive", "real"])
def test_the_angles_gather_any_direction_and_stay_within_a_quarter_turn(kind):
    rng = np.random.default_rng(1)
    data = rng.normal(size=(1, 30))
    if kind in ("first", "last"):
        data[:] = 0
        data[0, 0 if kind == "first" else -1] = -2.0
    if kind == "positive":
        data = np.abs(data)
    if kind == "real":
        data[:, 1::2] = 0
    (xi,), _ = directions(data)
    angles = angles_of(xi)
    assert np.abs(angles).max() <= 1
    mesh = Mesh(angles * QUARTER, angles * QUARTER)
    np.testing.assert_allclose(mesh.direction, xi, atol=1e-12)
    light = vacuum((len(xi), 5), rng)
    one, _ = mesh.gather(light, np.zeros(5, complex))
    np.testing.assert_allclose(one, xi.conj() @ light, atol=1e-12)


def test_equal_chains_return_all_light_whatever_their_angles():
    rng = np.random.default_rng(2)
    angles = rng.uniform(-1, 1, (2, 12)) * QUARTER
    light, port = vacuum((12, 7), rng), vacuum((7,), rng)
    mesh = Mesh(angles, angles)
    one, others = mesh.gather(light, port)
    total = np.sum(np.abs(others) ** 2, axis=0) + np.abs(one) ** 2
    np.testing.assert_allclose(total, np.sum(np.abs(light) ** 2, axis=0) + np.abs(port) ** 2)
    np.testing.assert_allclose(mesh.spread(one, others), light, atol=1e-12)
    # What mode 1 gains returns along ξ.
    change = mesh.spread(one + 1, others) - light
    np.testing.assert_allclose(change, np.tile(mesh.direction[:, None], 7), atol=1e-12)


def test_chains_that_differ_scatter_light_with_the_square_of_the_error():
    rng = np.random.default_rng(3)
    angles = rng.uniform(0, 0.3, (2, 64)) * QUARTER
    light = vacuum((64, 200), rng)
    scattered = []
    for error in (1e-3, 2e-3):
        errors = np.random.default_rng(4).normal(0, error, angles.shape)
        mesh = Mesh(angles, angles + errors)
        back = mesh.spread(*mesh.gather(light, np.zeros(200, complex)))
        scattered.append(np.mean(np.abs(back - light) ** 2))
    assert scattered[1] / scattered[0] == pytest.approx(4, rel=0.05)


def test_the_table_holds_the_angles_to_half_a_step():
    (xi,), _ = directions(np.random.default_rng(5).normal(size=(1, 60)))
    table = angle_table(xi, Q(1, 15))
    assert table.max() <= 2**15 - 1
    assert np.abs(table / 2**15 - angles_of(xi)).max() <= 2.0**-15


def test_shapes_are_checked():
    with pytest.raises(RangeError, match="spread has shape"):
        Mesh(np.zeros((2, 3)), np.zeros((2, 4)))
