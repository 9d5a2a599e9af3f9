"""Sums against plain sums, and their widths."""

import numpy as np
import pytest

from shotveil.models.digitiser import accumulators, chain
from shotveil.models.digitiser.accumulators import Sums
from shotveil.models.digitiser.spec import PILOT, ROW, DigitiserSettings, DigitiserSpec
from shotveil.models.signal.frame import FrameLayout

SPEC = DigitiserSpec()


def test_sums_hold_a_billion_symbols():
    largest = (1 << (SPEC.symbol.width - 1)) ** 2
    assert 10**9 * largest < 2**63
    assert 10**9 * (1 << (SPEC.reference.width - 1)) ** 2 < 2**63
    assert 10**9 * (1 << (SPEC.symbol.width - 1)) * (1 << (SPEC.reference.width - 1)) < 2**63


def test_sums_are_the_sums():
    rng = np.random.default_rng(8)
    settings = DigitiserSettings(layout=FrameLayout(preamble=16, row=112, pilot_spacing=16))
    steps = chain.plan(settings)
    n = 3 * len(steps.kind)
    value = rng.integers(-60000, 60000, (2, n))
    q = rng.integers(-30000, 30000, (2, n))
    kind, index, segment = (np.tile(v, 3) for v in (steps.kind, steps.index, steps.segment))
    last = np.tile(np.arange(len(steps.kind)) == len(steps.kind) - 1, 3)
    bad = rng.random(n) < 0.1
    sums = accumulators.model(SPEC, settings, value, q, kind, index, segment, bad, last)
    where = (kind == 1) & (segment == 2) & ~bad
    named = dict(zip(accumulators.NAMES, sums.session[2], strict=True))
    assert named["qxp"] == np.sum(q[0, where] * value[1, where])
    assert named["count"] == where.sum()
    assert named["bad"] == np.sum((kind == 1) & (segment == 2) & bad)
    assert sums.modes[5, 0] == np.sum((value[:, (index == 5) & ~bad & (kind == 1)]) ** 2)


@pytest.mark.parametrize("record", [0, 1, 2])
@pytest.mark.parametrize("skips", [False, True])
def test_each_symbol_is_counted_once_in_its_word(record, skips):
    """Against a loop over symbols in plain integers; the last frame is not complete."""
    rng = np.random.default_rng(9)
    layout = FrameLayout(preamble=16, row=112, pilot_spacing=16)
    settings = DigitiserSettings(layout=layout, record=record, mode_shift=1)
    steps = chain.plan(settings)
    length = len(steps.kind)
    n = 2 * length + 50
    value = rng.integers(-60000, 60000, (2, n))
    q = rng.integers(-30000, 30000, (2, n))
    kind, index, segment = (np.tile(v, 3)[:n] for v in (steps.kind, steps.index, steps.segment))
    last = np.arange(n) % length == length - 1
    bad = rng.random(n) < 0.1
    skip = (np.arange(n) < length) & skips
    sums = accumulators.model(SPEC, settings, value, q, kind, index, segment, bad, last, skip)
    frames, modes = np.zeros((2, SPEC.words, 16), object), np.zeros((SPEC.modes, 4), object)
    for k in range(2 * length):
        x, p, a, b = (int(v) for v in (*value[:, k], *q[:, k]))
        word = {0: int(segment[k]), 1: SPEC.segments + 1, 2: SPEC.segments + 2}[record]
        if record == 0 and kind[k] != ROW:
            word = SPEC.segments if kind[k] == PILOT else SPEC.segments + 1
        if skip[k] and record == 0:
            continue
        terms = [x, p, a * x, a * p, x * x, p * p, x * p, 1]
        named = dict(zip(("x", "p", "qxx", "qxp", "xx", "pp", "xp", "count"), terms, strict=True))
        named |= {"qx": a, "qp": b, "qpx": b * x, "qpp": b * p}
        named |= {"qxqx": a * a, "qpqp": b * b, "qxqp": a * b, "bad": 0}
        if bad[k]:
            named = dict.fromkeys(named, 0) | {"bad": 1}
        frames[k // length, word] += [named[name] for name in accumulators.NAMES]
        if kind[k] == ROW and record == 0 and not bad[k]:
            terms = [x * x + p * p, a * x + b * p, a * p - b * x, a * a + b * b]
            modes[index[k] >> 1] += terms
    assert sums.frames.tolist() == frames.tolist()
    assert sums.session.tolist() == frames.sum(axis=0).tolist()
    assert sums.modes.tolist() == modes.tolist()


def test_without_a_whole_frame_there_is_nothing():
    none = np.zeros(5, np.int64)
    sums = accumulators.model(
        SPEC, DigitiserSettings(), np.ones((2, 5), np.int64), np.ones((2, 5), np.int64),
        none + ROW, none, none, none > 0, none > 0,
    )  # fmt: skip
    assert sums.frames.shape == (0, SPEC.words, 16)
    assert not sums.session.any() and not sums.modes.any()


def test_values_cannot_be_changed_once_they_are_checked():
    assert Sums.__dataclass_params__.frozen
