"""The bound on copies that went through different channels: never below what either rule allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shotveil.host.leakage.composition import LOST, ChannelClass, channel_class, composed_leakage
from shotveil.host.leakage.weights import holevo_per_mode, weight_leakage, weight_leakage_after
from shotveil.models.common.checks import RangeError

V_A = 12.0
channels = st.builds(ChannelClass, st.floats(0, 1), st.floats(0, 3))
copies = st.lists(st.tuples(channels, st.integers(0, 1000)), min_size=1, max_size=5)


def composed(pairs):
    modulation = V_A * np.array([k for _, k in pairs], dtype=float)
    return float(composed_leakage([channel for channel, _ in pairs], modulation))


@pytest.mark.parametrize("channel", [(1.0, 0.00118), (0.9, 0.02), (0.0, 0.0)])
@pytest.mark.parametrize("number", [0, 1, 10, 1000])
def test_one_channel_composes_by_chi_of_k(channel, number):
    assert composed([(ChannelClass(*channel), number)]) == pytest.approx(
        float(weight_leakage_after(number, V_A, *channel)), rel=1e-12
    )


def test_the_documented_figures_for_k_copies():
    for number, bits in ((1, 0.065), (10, 0.43), (100, 1.92), (1000, 4.77)):
        assert 2 * composed([(ChannelClass(1.0, 0.00118), number)]) == pytest.approx(bits, abs=5e-3)


@given(copies)
def test_it_exceeds_neither_the_joint_nor_the_sum_rule(pairs):
    total = sum(k for _, k in pairs) * V_A
    worst = min(c.transmittance for c, _ in pairs), max(c.excess_noise for c, _ in pairs)
    joint = float(weight_leakage(1 + total, *worst))
    added = sum(float(weight_leakage_after(k, V_A, *c)) for c, k in pairs)
    assert composed(pairs) <= min(joint, added) * (1 + 1e-12)


@given(copies, channels, st.integers(1, 1000))
def test_it_grows_with_every_copy_and_does_not_depend_on_order(pairs, channel, number):
    bits = composed(pairs)
    assert composed(pairs[::-1]) == pytest.approx(bits, rel=1e-12, abs=1e-300)
    more = composed([*pairs, (channel, number)])
    assert more >= bits * (1 - 1e-12)
    # Never less than any one group leaks by itself.
    assert more >= float(weight_leakage_after(number, V_A, *channel)) * (1 - 1e-12)


def test_many_classes_are_merged_without_losing_any_leakage():
    rng = np.random.default_rng(3)
    pairs = [
        (ChannelClass(float(t), float(e)), int(k))
        for t, e, k in zip(
            rng.uniform(0.9, 1, 60), rng.exponential(0.01, 60), rng.integers(1, 50, 60), strict=True
        )
    ]
    few = composed(pairs)
    for subset in (pairs[:10], pairs[20:31], pairs[-8:]):
        assert few >= composed(subset)
    total = sum(k for _, k in pairs) * V_A
    worst = min(c.transmittance for c, _ in pairs), max(c.excess_noise for c, _ in pairs)
    assert few <= float(weight_leakage(1 + total, *worst)) * (1 + 1e-12)


def test_one_lost_copy_does_not_spoil_the_rest():
    good, lost = (ChannelClass(1.0, 1e-3), 1000), (LOST, 1)
    assert composed([good, lost]) == pytest.approx(composed([good]) + composed([lost]))


def test_chi_is_concave_in_the_modulation_variance():
    """So rows sent a different number of times leak no more than their mean count says."""
    v = np.geomspace(1e-6, 1e7, 2000)
    for transmittance in (0, 0.3, 0.9, 0.999, 1):
        for excess in (0, 1e-5, 1e-2, 1):
            slope = np.diff(holevo_per_mode(1 + v, transmittance, excess)) / np.diff(v)
            assert (np.diff(slope) <= 1e-9 * slope[1:]).all()


@given(st.floats(-1, 2), st.floats(-1, 5))
def test_a_class_is_never_better_than_its_channel(transmittance, excess):
    rounded = channel_class(transmittance, excess)
    if rounded == LOST:
        assert transmittance <= 0.26  # 1 − T rounds up to 1
        return
    physical = min(transmittance, 1.0), max(excess, 0.0)
    assert rounded.transmittance <= physical[0] + 1e-15
    assert rounded.excess_noise >= physical[1]
    assert 1 - rounded.transmittance <= max((1 - physical[0]) * 1.34, 1e-7) + 1e-15
    assert rounded.excess_noise <= max(physical[1] * 1.34, 1e-7)


def test_bad_input_is_refused():
    with pytest.raises(RangeError, match="modulation"):
        composed_leakage([LOST], np.array([-1.0]))
    with pytest.raises(RangeError, match="modulation has 2 rows"):
        composed_leakage([LOST], np.zeros(2))
    with pytest.raises(RangeError, match="transmittance = nan"):
        channel_class(float("nan"), 0.0)
