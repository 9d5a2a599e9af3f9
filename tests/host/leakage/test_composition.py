"""The bound on copies that went through different channels: never below what either rule allows."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shotveil.host.leakage.composition import (
    LOST,
    MOST_CLASSES,
    STEPS_PER_DECADE,
    ChannelClass,
    channel_class,
    composed_leakage,
)
from shotveil.host.leakage.majorant import majorant_after
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
        float(majorant_after(number, V_A, *channel)), rel=1e-12
    )


def test_the_documented_figures_for_k_copies():
    for number, bits in ((1, 0.189), (10, 0.606), (100, 1.927), (1000, 4.812)):
        assert 2 * composed([(ChannelClass(1.0, 0.00118), number)]) == pytest.approx(bits, abs=5e-3)


@given(copies)
def test_it_exceeds_neither_the_joint_nor_the_sum_rule(pairs):
    total = sum(k for _, k in pairs) * V_A
    worst = min(c.transmittance for c, _ in pairs), max(c.excess_noise for c, _ in pairs)
    joint = float(majorant_after(1, total, *worst))
    added = sum(float(majorant_after(k, V_A, *c)) for c, k in pairs)
    assert composed(pairs) <= min(joint, added) * (1 + 1e-12)


@given(copies, channels, st.integers(1, 1000))
def test_it_grows_with_every_copy_and_does_not_depend_on_order(pairs, channel, number):
    bits = composed(pairs)
    assert composed(pairs[::-1]) == pytest.approx(bits, rel=1e-12, abs=1e-300)
    more = composed([*pairs, (channel, number)])
    assert more >= bits * (1 - 1e-12)
    # Never less than any one group leaks by itself.
    assert more >= float(majorant_after(number, V_A, *channel)) * (1 - 1e-12)


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
    assert few <= float(majorant_after(1, total, *worst)) * (1 + 1e-12)


def test_one_lost_copy_does_not_spoil_the_rest():
    good, lost = (ChannelClass(1.0, 1e-3), 1000), (LOST, 1)
    assert composed([good, lost]) == pytest.approx(composed([good]) + composed([lost]))


def test_the_bound_is_concave_in_the_modulation_variance_but_for_its_slack():
    """So rows sent a different number of times leak no more than their mean count says."""
    v = np.geomspace(1e-6, 1e7, 2000)
    for transmittance in (0, 0.3, 0.9, 0.999, 1):
        for excess in (0, 1e-5, 1e-2, 1):
            few, many = v[:-200], v[200:]
            halves = majorant_after(1, few, transmittance, excess)
            halves = (halves + majorant_after(1, many, transmittance, excess)) / 2
            middle = majorant_after(1, (few + many) / 2, transmittance, excess)
            assert (halves <= 1.02 * middle).all()


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


def by_hand(pairs):
    """The least over all splits of the ordered channels into groups, each at its worst."""
    return _least(tuple(sorted(pairs, key=lambda pair: (-pair[0][0], pair[0][1]))))


@functools.cache
def _least(ordered):
    if not ordered:
        return 0.0
    found = []
    for first in range(1, len(ordered) + 1):
        group = ordered[:first]
        worst = min(c.transmittance for c, _ in group), max(c.excess_noise for c, _ in group)
        together = float(majorant_after(1, V_A * sum(k for _, k in group), *worst))
        found.append(together + _least(ordered[first:]))
    return min(found)


@given(copies)
def test_it_is_the_least_over_splits_in_order(pairs):
    assert composed(pairs) == pytest.approx(by_hand(pairs), rel=1e-12, abs=1e-300)


def test_rows_are_bounded_one_by_one():
    """(C, ...) modulations: a bound for each element, as if it stood alone."""
    listed = [ChannelClass(0.9, 0.02), LOST, ChannelClass(1.0, 0.001)]
    energy = np.random.default_rng(5).exponential(12, (3, 4, 2))
    bits = composed_leakage(listed, energy)
    assert bits.shape == (4, 2)
    for place in np.ndindex(4, 2):
        alone = composed_leakage(listed, energy[(slice(None), *place)])
        assert bits[place] == pytest.approx(float(alone), rel=1e-12)
    assert composed_leakage([], np.zeros((0, 2))).tolist() == [0, 0]


def test_twelve_classes_are_kept_and_a_thirteenth_joins_its_worse_neighbour():
    assert (MOST_CLASSES, STEPS_PER_DECADE) == (12, 8)
    rng = np.random.default_rng(6)
    # In order: ever less light back, and, but for one, ever more noise.
    listed = [ChannelClass(1 - 0.01 * i, 0.001 * (i + 1)) for i in range(13)]
    listed[5] = ChannelClass(0.95, 0.03)
    counts = rng.integers(5, 60, 13)
    pairs = list(zip(listed, counts, strict=True))
    assert composed(pairs[:12]) == pytest.approx(by_hand(pairs[:12]), rel=1e-12)
    for light in (0, 4, 5, 11):
        lightest = [(c, 1 if i == light else int(k)) for i, (c, k) in enumerate(pairs)]
        (one, a), (other, b) = lightest[light : light + 2]
        worse = ChannelClass(
            min(one.transmittance, other.transmittance), max(one.excess_noise, other.excess_noise)
        )
        joined = [*lightest[:light], (worse, a + b), *lightest[light + 2 :]]
        assert composed(lightest) == pytest.approx(by_hand(joined), rel=1e-12)
    # The worst class has no worse neighbour: it stays, however light it is.
    last = [*pairs[:12], (listed[12], 0)]
    assert composed(last) < by_hand([*pairs[:11], (listed[12], counts[11])])


@pytest.mark.parametrize(
    "channel, expected",
    [
        ((1.0, 0.0), (1.0, 0.0)),
        ((1.2, -0.3), (1.0, 0.0)),
        ((0.9, 1e-3), (0.9, 1e-3)),  # on a step: 1/10 and 1/1000
        ((0.89, 1.01e-3), (1 - 10 ** (-7 / 8), 10 ** (-23 / 8))),
        ((0.5, 0.5), (1 - 10 ** (-2 / 8), 10 ** (-2 / 8))),
        ((0.5, 2.0), (1 - 10 ** (-2 / 8), 10 ** (3 / 8))),
        ((1 - 1e-12, 1e-12), (1 - 1e-7, 1e-7)),  # the finest step there is
        ((0.26, 0.0), (1 - 10 ** (-1 / 8), 0.0)),
        ((0.25, 7.0), LOST),
        ((0.0, 0.0), LOST),
        ((-0.5, 1.0), LOST),
    ],
)
def test_classes_lie_eight_to_the_decade(channel, expected):
    assert channel_class(*channel) == pytest.approx(expected, rel=1e-12)


def test_a_channel_that_is_not_finite_has_no_class():
    for bad in (float("nan"), float("inf")):
        with pytest.raises(RangeError, match="excess noise"):
            channel_class(0.5, bad)
        with pytest.raises(RangeError, match="transmittance"):
            channel_class(bad, 0.0)


@given(copies, st.integers(2, 9))
def test_splitting_a_class_in_two_changes_nothing_and_copies_are_subadditive(pairs, times):
    (channel, number), *rest = pairs
    split = [(channel, number // 2), (channel, number - number // 2), *rest]
    assert composed(split) == pytest.approx(composed(pairs), rel=1e-12, abs=1e-300)
    many = [(channel, times * number) for channel, number in pairs]
    assert composed(many) <= times * composed(pairs) * (1 + 1e-12)


@given(copies, st.floats(0, 1), st.floats(0, 1))
def test_a_worse_channel_never_leaks_less(pairs, loss, noise):
    channel, number = pairs[0]
    worse = ChannelClass(channel.transmittance * (1 - loss), channel.excess_noise + noise)
    alone = [composed([(c, number)]) for c in (channel, worse)]
    assert alone[1] >= alone[0] * (1 - 0.02)  # the slack of the majorant's table


@pytest.mark.parametrize("rows", [1, 3])
def test_the_lightest_class_goes_and_costs_what_its_worse_neighbour_does(rows):
    """One good copy next to five that were lost: it counts as a sixth. The lost ones stay."""
    listed = [*(ChannelClass(1.0, 1e-4 * (i + 1)) for i in range(12)), LOST]
    counts = [100] * 11 + [1, 5]
    bits = composed_leakage(listed, V_A * np.tile(np.array(counts, float)[:, None], rows))
    joined = [*zip(listed[:11], counts[:11], strict=True), (LOST, 6)]
    assert bits == pytest.approx(np.full(rows, by_hand(joined)), rel=1e-12)
    assert bits.min() > by_hand(list(zip(listed, counts, strict=True))) * 1.001
    # With as many classes as are kept, none is joined.
    kept = [*zip(listed[1:12], counts[1:12], strict=True), (LOST, 5)]
    assert composed(kept) == pytest.approx(by_hand(kept), rel=1e-12)
