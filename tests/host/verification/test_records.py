"""What is kept of a client's light: as bytes and back, and names in which all terms take part."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.verification.assumptions import FineSums, GroupSums
from shotveil.host.verification.evidence import HonestNoise
from shotveil.host.verification.records import Period, period_name
from shotveil.models.common.checks import RangeError
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

NOISE = HonestNoise(5, 0.9, 1.1, 0.3)


def test_a_period_is_its_bytes():
    rng = np.random.default_rng(1)
    q, y = rng.normal(size=(2, 7, 5))
    each = SymbolStatistics.of(q, y, axis=0)
    period = Period(NOISE, 3, each.pooled(), each)
    data = period.to_bytes()
    assert len(data) == 8 * (5 + 4 + 4 * 5)
    again = Period.from_bytes(data)
    assert (again.noise, again.place) == (NOISE, 3)
    for old, new in ((period.weights, again.weights), (period.decoys, again.decoys)):
        for name, values in vars(old).items():
            np.testing.assert_array_equal(vars(new)[name], values)
    assert again.to_bytes() == data
    assert Period.from_bytes(Period(NOISE, 1).to_bytes()).decoys.count.tolist() == [0] * 5


def test_finer_sums_are_added_up_and_kept():
    rng = np.random.default_rng(2)

    def fine():
        x, p = (SymbolStatistics.of(*rng.normal(size=(2, 9))) for _ in range(2))
        return FineSums.of_both(x, p, GroupSums(*rng.uniform(size=(3, 6))))

    first, second, coarse = fine(), fine(), SymbolStatistics(1, 1.0, 0.5, 2.0)
    period = Period(NOISE, 1)
    for sums in (first, coarse, second):
        period.add_weights(sums)
    both = first + second
    assert period.weights == both + coarse
    again = Period.from_bytes(period.to_bytes())
    assert again.weights == period.weights and again.to_bytes() == period.to_bytes()
    assert again.fine is not None and period.fine is not None
    assert again.fine.qq == pytest.approx(both.qq)
    assert (again.fine.x, again.fine.p) == (first.x + second.x, first.p + second.p)
    for name, values in vars(first.groups).items():
        expected = values + vars(second.groups)[name]
        np.testing.assert_array_equal(vars(again.fine.groups)[name], expected)


def test_the_shares_of_all_periods_sum_to_one():
    shares = [Period(NOISE, place).share for place in range(1, 2001)]
    assert 0.999 < sum(shares) < 1


@pytest.mark.parametrize("size", [0, 8 * 8, 8 * 9, 8 * 13 + 1])
def test_other_bytes_are_refused(size):
    with pytest.raises(RangeError, match="record of evidence has"):
        Period.from_bytes(bytes(size))


def test_every_term_of_the_light_has_part_in_the_name():
    link = Link(1.3, 6.0)
    others = [
        (link, 4, "ab", 0),
        (link, 5, "cd", 0),
        (link, 5, "ab", 1),
        (replace(link, gain=1.2), 5, "ab", 0),
        (replace(link, photons=6.1), 5, "ab", 0),
        (replace(link, transmittance_back=0.9), 5, "ab", 0),
        (replace(link, excess_noise=1e-3), 5, "ab", 0),
        (replace(link, phase_error=1e-3), 5, "ab", 0),
        (replace(link, server_detector=Detector(0.9)), 5, "ab", 0),
        (replace(link, server_detector=Detector(1.0, 1e-3)), 5, "ab", 0),
    ]
    names = {period_name(network, layer, of, modes) for of, modes, network, layer in others}
    own = period_name("ab", 0, link, 5)
    assert len(names) == len(others) and own not in names
    assert own == period_name("ab", 0, Link(1.3, 6.0), 5)
