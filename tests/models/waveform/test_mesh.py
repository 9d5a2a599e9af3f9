import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.drive.spec import Arm
from shotveil.models.link.encoding import directions
from shotveil.models.link.symbols import vacuum
from shotveil.models.waveform.mesh import QUARTER, Mesh, angle_table, angles_of, at_electrodes


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


def test_electrodes_turn_voltages_into_angles():
    arms = (Arm(half_wave=0.8, bias=0.1), Arm(half_wave=0.5, bias=-0.2))
    angles = at_electrodes([[0.1, 0.9], [0.3, -0.2]], arms)
    np.testing.assert_allclose(angles, [[0, QUARTER], [QUARTER, 0]])


def test_an_angle_that_the_format_just_misses_is_the_largest():
    xi = np.array([1j, 0.0])  # φ = π/2 and θ = π/2
    table = angle_table(xi, Q(1, 15))
    assert table[:, 0].tolist() == [32767, 32767]
    np.testing.assert_allclose(angles_of(xi)[:, 0], [1, 1])
    assert angle_table(np.array([-1.0]), Q(1, 15)).tolist() == [[-32767], [0]]


@pytest.mark.parametrize("at_once", [1, 3])
def test_frames_are_the_same_in_whatever_groups(at_once, monkeypatch):
    rng = np.random.default_rng(6)
    angles = rng.uniform(-1, 1, (2, 9)) * QUARTER
    mesh, light, port = Mesh(angles, angles + 0.01), vacuum((9, 20), rng), vacuum((20,), rng)
    one, others = mesh.gather(light, port)
    back = mesh.spread(one, others)
    monkeypatch.setattr("shotveil.models.waveform.mesh.FRAMES_AT_ONCE", at_once)
    again = mesh.gather(light, port)
    np.testing.assert_array_equal(again[0], one)
    np.testing.assert_array_equal(again[1], others)
    np.testing.assert_array_equal(mesh.spread(one, others), back)


def test_splitters_by_their_definition():
    """One after the other, as the module's first lines have it; and backwards through the other."""
    rng = np.random.default_rng(7)
    gather, spread = rng.uniform(-1, 1, (2, 2, 5)) * QUARTER
    light, port = vacuum((5, 3), rng), vacuum((3,), rng)
    s, rest = port.copy(), light.copy()
    for k in range(5):
        c, t = np.cos(gather[0, k]), np.sin(gather[0, k]) * np.exp(-1j * gather[1, k])
        s, rest[k] = c * s + t * light[k], c * light[k] - t.conj() * s
    mesh = Mesh(gather, spread)
    one, others = mesh.gather(light, port)
    np.testing.assert_allclose(one, s, atol=1e-12)
    np.testing.assert_allclose(others, rest, atol=1e-12)
    for k in reversed(range(5)):
        c, t = np.cos(spread[0, k]), np.sin(spread[0, k]) * np.exp(-1j * spread[1, k])
        s, rest[k] = c * s - t * rest[k], c * rest[k] + t.conj() * s
    np.testing.assert_allclose(mesh.spread(one, others), rest, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 3), (6,), (1, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(RangeError, match="gather has shape"):
        Mesh(np.zeros(shape), np.zeros(shape))
