"""Sums of simulated sessions, and when verification refuses them."""

import math

import numpy as np
import pytest

from shotveil.host.adversaries.detection import (
    Noticed,
    Record,
    drawn,
    evidence_of,
    judged,
    looks,
    sampled,
    session_sums,
)
from shotveil.host.verification.evidence import HonestNoise
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

DECLARED = HonestNoise.declared(Link(1.3, 6.0), 50)
HONEST = Record(DECLARED, DECLARED)


def test_looks_are_a_tenth_apart_and_end_at_the_last_image():
    assert looks(1) == [1] and looks(12) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert looks(30)[-4:] == [21, 24, 27, 30]


def test_sums_are_those_of_rows_drawn_one_by_one():
    rng, rows, sessions = np.random.default_rng(1), 40, 4000
    record = Record(DECLARED, DECLARED, extra=0.5, touched=0.25)
    found = session_sums(rng, DECLARED, record, 12.0, rows, sessions)
    assert np.mean(found.qq) == pytest.approx(12 * 50 * rows, rel=0.01)
    assert np.mean(found.qy / found.qq) == pytest.approx(DECLARED.slope, abs=1e-3)
    noise = found.yy - found.qy**2 / found.qq
    expected = rows * (50 * (DECLARED.white + 0.125) + DECLARED.spike) - DECLARED.white
    assert np.mean(noise) == pytest.approx(expected, rel=0.01)
    assert session_sums(rng, DECLARED, record, 12.0, 0, 2).count.tolist() == [0, 0]


def test_honest_sessions_are_not_refused():
    sums = drawn(HONEST, 12.0, 100, 300, 200, np.random.default_rng(2))
    assert np.isinf(judged(sums, DECLARED, 200, 1e-6).images).all()


def test_what_is_noticed_is_told_by_the_test_that_did():
    noisy = HonestNoise(50, DECLARED.slope, DECLARED.white + 0.1, DECLARED.spike)
    lossy = HonestNoise(50, DECLARED.slope * 0.98, DECLARED.white, DECLARED.spike)
    quiet = HonestNoise(50, DECLARED.slope, DECLARED.white, 0.0)
    doubled = HonestNoise(50, DECLARED.slope, DECLARED.white, 2 * DECLARED.spike)
    energies = np.r_[300.0, np.full(49, 6.0)]
    slopes = DECLARED.slope * np.r_[1.02, np.full(49, 0.98)]
    for record, by in (
        (Record(noisy, noisy), "excess noise"),
        (Record(lossy, lossy), "loss"),
        (Record(quiet, doubled), "one quadrature"),
        (Record(DECLARED, DECLARED, energies=energies, slopes=slopes), "amplified components"),
    ):
        sums = drawn(record, 12.0, 200, 2000, 10, np.random.default_rng(3))
        found = judged(sums, DECLARED, 10, 1e-6)
        assert np.isfinite(found.images).all() and found.by == by


def test_honest_components_are_no_evidence():
    energies = 12.0 * np.linspace(3, 0.1, 50)
    record = Record(DECLARED, DECLARED, energies=energies, slopes=np.full(50, DECLARED.slope))
    for _, sums, groups in drawn(record, 12.0, 100, 40, 100, np.random.default_rng(4)):
        evidence = evidence_of(DECLARED, sums, groups)
        assert evidence["amplified components"].shape == (100,)
        assert max(float(each.max()) for each in evidence.values()) < math.log(5e6)


def test_sampled_sessions_add_up_image_by_image():
    one = SymbolStatistics(3, 2.0, 1.0, 1.0)
    found = [(images, x.count.tolist(), groups) for images, (x, _), groups in sampled(
        lambda: (one, one), 2, 2
    )]  # fmt: skip
    assert found == [(1, [3, 3], None), (2, [6, 6], None)]


def test_nobody_who_is_never_noticed_has_a_test():
    never = judged(iter([]), DECLARED, 3, 1e-6)
    assert isinstance(never, Noticed) and np.isinf(never.images).all() and never.by == "no test"
