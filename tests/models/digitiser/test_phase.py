"""The phase of the pilots against their phasors, and what is turned by it."""

import numpy as np
import pytest

from shotveil.models.digitiser import cordic, phase
from shotveil.models.digitiser.phase import Phases
from shotveil.models.digitiser.spec import (
    SIGNAL_RECORD,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)

SPEC = DigitiserSpec()
ONE = DigitiserSpec(quadratures=1)
TURN = 1 << 16


def pilots(psi, amplitude=20000):
    """Pilots of a frame, turned by phases `psi` in units of 2^−16 turn; shape (2, n).

    They are 1 + i, 1 − i, −1 − i, −1 + i, and so on.
    """
    sent = np.resize([1 + 1j, 1 - 1j, -1 - 1j, -1 + 1j], len(psi))
    light = amplitude * sent * np.exp(2j * np.pi * np.asarray(psi) / TURN)
    return np.stack([np.rint(light.real), np.rint(light.imag)]).astype(np.int64)


def tracked(psi, good=None, state=None, shift=3, record=SIGNAL_RECORD, numbers=None):
    n = len(psi)
    state = state or phase.PhaseState()
    settings = DigitiserSettings(phase_shift=shift, record=record)
    numbers = np.arange(n) if numbers is None else numbers
    good = np.ones(n, bool) if good is None else np.array(good)
    out = phase.model(SPEC, settings, state, pilots(psi), numbers, good, np.zeros(n, bool))
    return out, state


def test_wrap_is_half_open():
    assert [phase.wrap(SPEC, a) for a in (0, 32767, 32768, -32768, -32769, 70000)] == [
        0, 32767, -32768, -32768, 32767, 70000 - 65536,
    ]  # fmt: skip


def test_theta_is_the_mean_of_the_first_pilots_and_then_follows():
    psi = np.array([8000, 8100, 8040, 7900, 8000, 8000, 9000, 9000, 9000, 9000])
    (_, _, found), state = tracked(psi, shift=2)
    theta, due = 0, []
    for k, p in enumerate(psi):
        theta += (p - theta) / (1, 2, 4, 4, 4, 4, 4, 4, 4, 4)[k]
        due.append(theta)
    # Angles are good to 3 units. Rounding costs up to half a unit each time, which is forgotten.
    np.testing.assert_allclose(found.angle, due, atol=5)
    assert state.seen == 10 and state.theta == found.angle[-1]
    assert not found.bad.any()


@pytest.mark.parametrize("shift", [3, 7])
def test_theta_is_on_average_where_noisy_pilots_are(shift):
    """A shift that rounds down would leave it 2^(shift − 1) units below: 6 mrad at 7."""
    rng = np.random.default_rng(shift)
    psi = 5000 + np.rint(300 * rng.standard_normal(30_000)).astype(np.int64)
    (_, _, found), _ = tracked(psi, shift=shift)
    settled = found.angle[1000:]
    # So many pilots know the phase to 300/√29,000, and an angle of the CORDIC to a unit.
    assert abs(settled.mean() - psi[1000:].mean()) < 3


def test_bad_pilots_and_calibration_records_move_nothing():
    (_, _, found), state = tracked([4000, -9000, 4000], good=[True, False, True])
    assert found.bad.tolist() == [False, True, False]
    assert found.angle[0] == found.angle[1] and abs(found.angle[2] - 4000) <= 3
    assert state.seen == 2
    start = phase.PhaseState(theta=123, seen=5)
    (_, _, found), state = tracked([4000, 5000], state=start, record=VACUUM_RECORD)
    assert found.angle.tolist() == [123, 123] and (state.theta, state.seen) == (123, 5)


def test_light_that_does_not_turn_with_the_pilots_moves_the_phase_of_no_four():
    """What leaks through the modulator adds to a pilot what it takes from its opposite."""
    leak = np.array([[300], [-700]])
    numbers = np.arange(4)
    sent = pilots(np.zeros(4)) + leak
    angles = []
    for k in range(4):
        state = phase.PhaseState()
        settings = DigitiserSettings(phase_shift=0)
        phase.model(
            SPEC, settings, state, sent[:, k : k + 1], numbers[k : k + 1],
            np.ones(1, bool), np.zeros(1, bool),
        )  # fmt: skip
        angles.append(state.theta)
    assert max(np.abs(angles)) > 100 and abs(np.mean(angles)) < 5


def test_the_count_of_pilots_stops_at_its_end():
    _, state = tracked([0, 0], state=phase.PhaseState(seen=254), shift=7)
    assert state.seen == 255


def test_theta_goes_round_the_circle():
    (_, _, found), _ = tracked([32700, -32700], state=phase.PhaseState(), shift=0)
    assert abs(found.angle[0] - 32700) <= 3 and abs(found.angle[1] + 32700) <= 3
    (_, _, found), _ = tracked([-32700], state=phase.PhaseState(theta=32700, seen=2), shift=1)
    # Half way on the short side: past the seam.
    assert abs(phase.wrap(SPEC, int(found.angle[0]) - 32768)) <= 4


def test_symbols_are_turned_by_the_pilots_before_them():
    n = 7
    numbers = np.array([-1, 0, -1, -1, 1, -1, -1])
    psi = np.array([0, 5000, 5000, 5000, -3000, -3000, -3000])
    value = np.array([[9000.0] * n, [2000.0] * n])
    light = (value[0] + 1j * value[1]) * np.exp(2j * np.pi * psi / TURN)
    seen = np.stack([np.rint(light.real), np.rint(light.imag)]).astype(np.int64)
    seen[:, 1] = pilots([5000])[:, 0]
    seen[:, 4] = pilots([0, -3000])[:, 1]
    state = phase.PhaseState()
    settings = DigitiserSettings(phase_shift=0)
    good, last = np.ones(n, bool), np.zeros(n, bool)
    out, limited, found = phase.model(SPEC, settings, state, seen, numbers, good, last)
    assert not limited.any() and found.angle.shape == (2,)
    # Angles to 3 units of 9.6e-5 rad on a length of 9220, and roundings.
    plain = [0, 2, 3, 5, 6]
    assert np.abs(out[:, plain] - value[:, plain]).max() <= 9220 * 3 * 2 * np.pi / TURN + 2
    # A pilot is turned before it is used.
    first, second = (o[0] + 1j * o[1] for o in (out[:, [1]], out[:, [4]]))
    assert np.angle(first * np.exp(-1j * np.pi / 4))[0] * TURN / 2 / np.pi == (
        pytest.approx(5000, abs=4)
    )
    assert np.angle(second * np.exp(1j * np.pi / 4))[0] * TURN / 2 / np.pi == (
        pytest.approx(-8000, abs=4)
    )


def test_what_saturates_on_the_way_round_is_marked():
    value = np.array([[65000, 65000], [65000, 0]])
    state = phase.PhaseState(theta=8192, seen=9)
    yes = np.ones(2, bool)
    _, limited, _ = phase.model(
        SPEC, DigitiserSettings(), state, value, np.array([-1, -1]), yes, ~yes
    )
    assert limited.tolist() == [True, False]


@pytest.mark.parametrize("phi", range(-32000, 32000, 8000))
def test_homodyne_sees_the_phase_of_a_frame_on_the_full_circle(phi):
    """Two frames and the start of a third: even pilots √2·A·cos(φ + 45°), odd ones φ − 45°."""
    turned = 2 * np.pi * phi / TURN
    pair = 30000 * np.cos([turned + np.pi / 4, turned - np.pi / 4])
    numbers = np.array([-1, 0, 1, -1, 2, 3, -1, -1, 0, 1, 2, 3, -1, 0])
    last = np.zeros(14, bool)
    last[[6, 12]] = True
    side = np.where(numbers % 4 < 2, 1, -1)  # pilots 2 and 3 are the opposite of 0 and 1
    value = np.where(numbers >= 0, side * np.rint(pair)[numbers % 2], 5000).astype(np.int64)[None]
    good = np.ones(14, bool)
    good[[0, 9]] = False  # a symbol of the row may be bad, a pilot may not
    out, limited, found = phase.model(
        ONE, DigitiserSettings(), phase.PhaseState(), value, numbers, good, last
    )
    np.testing.assert_array_equal(out, value)
    assert limited.shape == (14,) and not limited.any()
    assert found.bad.tolist() == [False, True]
    # A sixteenth of the sums is kept: 2·√2·2·30000/√2/16 = 5300, and 1.4 of floors on it.
    error = (found.angle - phi + TURN // 2) % TURN - TURN // 2
    assert found.angle.shape == (2,) and np.abs(error).max() <= 1.5 / 5300 * TURN / 2 / np.pi + 3
    even, odd = (2 * int(v) for v in np.rint(pair))
    assert found.angle[0] == cordic.arctangent(ONE, (even + odd) >> 4, (odd - even) >> 4)


def test_values_cannot_be_changed_once_they_are_checked():
    assert Phases.__dataclass_params__.frozen
