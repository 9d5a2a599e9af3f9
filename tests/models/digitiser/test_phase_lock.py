"""The loop that holds the local oscillator's phase."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import phase_lock
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSpec

ONE = DigitiserSpec(quadratures=1)


def test_loop_settles_from_any_phase():
    loop = phase_lock.PhaseLockSettings(ki=20000, kp=0)
    for start in range(-32768, 32768, 4096):
        state = phase_lock.PhaseLockState()
        phase, locked = start, False
        for _ in range(50):
            moved = phase_lock.step(ONE, loop, state, phase, False)
            assert moved is not None
            code, locked = moved
            phase = (start - code * 65536 // loop.span + 32768) % 65536 - 32768
        assert locked
        assert abs(phase) <= 2 * 65536 / loop.span


def test_gears_average_until_the_register_is_reached():
    """The first frame sets the phase, later ones count as in a mean; a bad frame begins again."""
    loop, state = phase_lock.PhaseLockSettings(ki=1 << 8, kp=1 << 15), phase_lock.PhaseLockState()

    def moved(angle):
        before = state.integral
        assert phase_lock.step(ONE, loop, state, angle, False) is not None
        return (state.integral - before) / 65536

    for part in [1, 1 / 2, *[1 / 4] * 2, *[1 / 8] * 4]:
        assert moved(4096) == pytest.approx(4096 * part, rel=3e-3)
    for _ in range(300):
        moved(0)
    # The register's gain in the end, and the proportional part with it.
    code, _ = phase_lock.step(ONE, loop, state, 4096, False)
    phase = state.integral + loop.kp * 4096
    assert code == (((phase & 0xFFFFFFFF) >> 16) * loop.span) >> 16
    assert moved(4096) == 16
    assert phase_lock.step(ONE, loop, state, 0, True) is None
    assert moved(4096) == pytest.approx(4096, rel=3e-3)


def test_bad_frames_do_not_move_the_loop():
    state = phase_lock.PhaseLockState(integral=5, steady=8)
    assert phase_lock.step(ONE, phase_lock.PhaseLockSettings(), state, 30000, True) is None
    assert (state.integral, state.steady) == (5, 0)


def test_step_by_its_formula():
    loop = phase_lock.PhaseLockSettings(ki=3000, kp=500, setpoint=-700, window=900, span=5000)
    state = phase_lock.PhaseLockState(integral=0xFFFFF000, steady=7, seen=255)
    code, locked = phase_lock.step(ONE, loop, state, 200, False)
    assert state.integral == (0xFFFFF000 + 3000 * 900) % 2**32
    phase = (state.integral + 500 * 900) % 2**32 >> 16
    assert (code, locked) == (phase * 5000 >> 16, True)
    assert (state.steady, state.seen) == (8, 255)
    _, locked = phase_lock.step(ONE, loop, state, 200, False)
    assert locked and state.steady == 8
    # One unit beyond the window, the lock is lost; half a turn away is −½.
    _, locked = phase_lock.step(ONE, loop, state, 201, False)
    assert not locked and state.steady == 0
    before = state.integral
    phase_lock.step(ONE, loop, state, 32768 - 700, False)
    assert state.integral == (before - 3000 * 32768) % 2**32


def test_the_coarse_gain_stands_in_until_it_is_no_larger():
    """65535 shifted by the bits of the count; where it equals ki the register holds, with kp."""
    for seen, ki, kp in ((0, 65535, 0), (1, 32767, 0), (3, 16383, 0), (4, 8191, 40), (9, 8191, 40)):
        loop = phase_lock.PhaseLockSettings(ki=8191, kp=40, span=1 << 13)
        state = phase_lock.PhaseLockState(seen=seen)
        code, _ = phase_lock.step(ONE, loop, state, 1000, False)
        assert state.integral == ki * 1000
        assert code == (ki * 1000 + kp * 1000 >> 16) * 8192 >> 16
        assert state.seen == seen + 1


def test_a_sequence_gives_codes_of_its_good_frames():
    loop = phase_lock.PhaseLockSettings()
    angle = np.array([100, 30000, 100, 90, 80, 70, 60, 50, 40, 30, 20])
    bad = np.zeros(11, bool)
    bad[1] = True
    codes, locked = phase_lock.model(ONE, loop, angle, bad)
    state = phase_lock.PhaseLockState()
    due = [phase_lock.step(ONE, loop, state, int(a), bool(b))
           for a, b in zip(angle, bad, strict=True)]  # fmt: skip
    assert list(zip(codes.tolist(), locked.tolist(), strict=True)) == [p for p in due if p]
    assert len(codes) == 10
    # Eight good frames in a row behind the bad one.
    assert locked.tolist() == [False] * 8 + [True] * 2


def test_defaults_are_ten_degrees_and_an_eighth():
    loop = phase_lock.PhaseLockSettings()
    assert loop.ki / 2**16 == 1 / 8 and loop.kp == loop.setpoint == 0
    assert loop.window == int(10 / 360 * 65536) and loop.span == 8192


@pytest.mark.parametrize(
    "name, low, high",
    [
        ("ki", 0, 65535),
        ("kp", 0, 65535),
        ("setpoint", -32768, 32767),
        ("window", 1, 32767),
        ("span", 2, 16383),
    ],
)
def test_registers_have_ends(name, low, high):
    for value in (low, high):
        phase_lock.PhaseLockSettings(**{name: value}).validate(ONE)
    for value in (low - 1, high + 1, low + 0.5):
        with pytest.raises(RangeError, match=f"{name} = "):
            phase_lock.PhaseLockSettings(**{name: value}).validate(ONE)


def test_values_cannot_be_changed_once_they_are_checked():
    assert PhaseLockSettings.__dataclass_params__.frozen
