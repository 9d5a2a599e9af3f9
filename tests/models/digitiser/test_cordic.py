"""CORDIC against complex exponentials and arctan2."""

import math
from fractions import Fraction

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import to_float
from shotveil.models.digitiser import cordic
from shotveil.models.digitiser.spec import DigitiserSpec

SPEC = DigitiserSpec()


def test_rotation_and_angle():
    rng = np.random.default_rng(7)
    x, y = rng.integers(-60000, 60000, (2, 50_000))
    angle = rng.integers(-32768, 32768, 50_000)
    u, v, limited = cordic.rotate(SPEC, x, y, angle)
    turned = (x + 1j * y) * np.exp(2j * np.pi * angle / 65536)
    good = ~limited
    # Last iteration's angle 2^−15 of a vector of 85,000, roundings of 16 iterations in guard bits,
    # one bit dropped in front of the product.
    assert np.abs((u + 1j * v - turned)[good]).max() < 85_000 * 2**-15 + 16 / 16 + 2
    # The mean error of each quadrature stays below a hundredth of an LSB.
    assert abs((u - turned.real)[good].mean()) < 0.01 + 3 / np.sqrt(50_000)
    beyond = np.maximum(abs(turned.real), abs(turned.imag)) > SPEC.symbol.highest + 5
    assert limited.any()
    assert np.all(limited[beyond])
    big = np.hypot(x, y) > 3000
    found = cordic.arctangent(SPEC, x[big], y[big])
    difference = (found - np.arctan2(y, x)[big] * 65536 / (2 * np.pi) + 32768) % 65536 - 32768
    assert np.abs(difference).max() < 3
    assert cordic.arctangent(SPEC, np.array([-5000]), np.array([0]))[0] in (-32768, 32767)


def test_phase_that_is_given_is_found():
    x = to_float(cordic.arctangent(SPEC, 10000, 10000), SPEC.symbol)
    assert x * 2**11 == 65536 / 8


def test_tables_by_their_formulas():
    unit = 2**20 / (2 * math.pi)
    assert cordic.angles(SPEC) == [round(math.atan(2.0**-k) * unit) for k in range(16)]
    assert len(cordic.angles(DigitiserSpec(iterations=9))) == 9
    growth = math.prod(math.sqrt(1 + 4.0**-k) for k in range(16))
    assert growth == pytest.approx(1.646760258121)
    assert cordic.inverse_gain(SPEC) == round(2**17 / growth) == 79594
    assert cordic.gain(SPEC) == pytest.approx(growth * 79594 / 2**17, rel=1e-12)
    assert cordic.gain(DigitiserSpec(iterations=8)) == pytest.approx(1, abs=2**-17)


def test_quarter_turns_are_exact_but_for_the_gain():
    """Sixteen iterations about 0 leave less than an LSB on a short vector."""
    for turns, (u, v) in enumerate([(1600, 400), (-400, 1600), (-1600, -400), (400, -1600)]):
        for angle in (turns << 14, (turns - 4) << 14):
            x, y, limited = cordic.rotate(SPEC, [1600], [400], [angle])
            assert not limited[0]
            assert abs(x[0] - u) <= 1 and abs(y[0] - v) <= 1


@pytest.mark.parametrize("spec", [SPEC, DigitiserSpec(guard_bits=14, phase_bits=20)])
def test_every_octant_turns_and_shows_its_angle(spec):
    """Narrow in 32 bits, wide in 64: the same arithmetic."""
    turn = 1 << spec.phase_bits
    angle = np.arange(-turn // 2, turn // 2, turn // 64) + 3
    x, y, limited = cordic.rotate(spec, np.full(64, 30000), np.zeros(64, int), angle)
    exact = 30000 * np.exp(2j * np.pi * angle / turn)
    assert not limited.any()
    # The last angle, 2^−15 of the length, and roundings of three bits.
    assert np.abs(x + 1j * y - exact).max() < 30000 * 2.0**-15 + 3
    found = cordic.arctangent(spec, np.rint(exact.real * 2), np.rint(exact.imag * 2))
    # The last iteration's angle, and the vector's rounding: 1/60000 rad.
    assert np.abs(found - angle).max() <= (2.0**-15 + 1.5 / 60000) * turn / (2 * np.pi) + 1


def test_what_the_format_cannot_hold_is_limited_and_marked():
    top = SPEC.symbol.highest
    x = np.arange(top - 40, top + 41)
    for sign in (1, -1):
        u, _, limited = cordic.rotate(SPEC, sign * x, 0 * x, 0 * x)
        # The rotation is good to 3 LSB, and saturates just where its result does not fit.
        assert not limited[: 40 - 3].any() and limited[40 + 4 :].all()
        assert np.all(u[limited] == (top if sign > 0 else -top - 1))
        assert np.abs(sign * u - np.minimum(x, top)).max() <= 3
    # 45° make a longer second quadrature alone.
    u, v, limited = cordic.rotate(SPEC, [top, -top], [top, -top], [8192, 8192])
    assert limited.all() and v.tolist() == [top, -top - 1]
    assert np.abs(u).max() <= 3


def turned(spec, x, y, a):
    """A rotation in plain integers, and whether it does not fit."""
    turns = round_half_up(a, spec.phase_bits - 2)
    z = (a - (turns << (spec.phase_bits - 2))) << 4
    x, y = x << spec.guard_bits, y << spec.guard_bits
    for _ in range(turns % 4):
        x, y = -y, x
    for k, angle in enumerate(cordic.angles(spec)):
        sign = 1 if z >= 0 else -1
        x, y, z = x - sign * (y >> k), y + sign * (x >> k), z - sign * angle
    # A multiplier has room for one bit less than the symbol; Python rounds half to even.
    pair = [round(Fraction(round(Fraction(w, 2 << spec.guard_bits)) * cordic.inverse_gain(spec),
                           1 << 16)) for w in (x, y)]  # fmt: skip
    ends = spec.symbol.lowest, spec.symbol.highest
    held = [min(max(w, ends[0]), ends[1]) for w in pair]
    return *held, held != pair


def angle_of(spec, x, y):
    """An angle in plain integers."""
    z = 0 if x >= 0 else 1 << (spec.phase_bits + 3)
    x, y = (abs(x) << spec.guard_bits), (y if x >= 0 else -y) << spec.guard_bits
    for k, angle in enumerate(cordic.angles(spec)):
        sign = -1 if y >= 0 else 1
        x, y, z = x - sign * (y >> k), y + sign * (x >> k), z - sign * angle
    half = 1 << (spec.phase_bits - 1)
    return (round(Fraction(z, 16)) + half) % (2 * half) - half


def round_half_up(value, bits):
    return (value + (1 << (bits - 1))) >> bits


@pytest.mark.parametrize("spec", [SPEC, DigitiserSpec(guard_bits=14, phase_bits=20, iterations=11)])
def test_every_bit_is_that_of_plain_integers(spec):
    rng = np.random.default_rng(11)
    x, y = rng.integers(-60000, 60000, (2, 400))
    angle = rng.integers(-(1 << (spec.phase_bits - 1)), 1 << (spec.phase_bits - 1), 400)
    angle[:9] = (np.arange(9) - 4) << (spec.phase_bits - 3)  # every eighth of a turn
    given = [v.tolist() for v in (x, y, angle)]
    out = [v.tolist() for v in cordic.rotate(spec, x, y, angle)]
    assert list(zip(*out, strict=True)) == [turned(spec, *v) for v in zip(*given, strict=True)]
    x[:4], y[:4] = [0, 0, 500, -500], [500, -500, 0, 0]
    due = [angle_of(spec, int(a), int(b)) for a, b in zip(x, y, strict=True)]
    assert cordic.arctangent(spec, x, y).tolist() == due
