"""What `holevo` supposes, tested: X and P alike, and no component amplified."""

import math

import numpy as np
import pytest

from shotveil.host.verification.assumptions import (
    TOGETHER,
    Components,
    FineSums,
    GroupSums,
    assumption_evidence,
    component_groups,
    quadrature_evidence,
    rise_evidence,
)
from shotveil.host.verification.evidence import HonestNoise, excess_evidence
from shotveil.host.verification.monitor import ClientMonitor, Verdict
from shotveil.models.link.encoding import EncodedRows
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import homodyne, transmit, vacuum

LINK, MODES = Link(1.3, 6.0), 30
DECLARED = HonestNoise.declared(LINK, MODES)
LIMIT = math.log(1e6)


def layer(seed=1, strong=6.0):
    """Rows of which one component has far more energy than the others."""
    rng = np.random.default_rng(seed)
    light = vacuum((60, MODES), rng, 6.0)
    direction = vacuum((MODES,), rng)
    direction /= np.linalg.norm(direction)
    light += strong * vacuum((60, 1), rng, 6.0) * direction
    return EncodedRows(light.real.copy(), light.imag.copy(), 1.0), direction


def sums_of(rows, components, rng, images=20, gain=0.0, direction=None, in_p=0.0):
    """Fine sums of rows that an honest client saw, whose components then grew or got noise in P."""
    sent = rows.x + 1j * rows.p
    often, records = np.zeros((2, rows.rows)), np.zeros((2, *sent.shape))
    parts = [[], []]
    for _ in range(images):
        xi = vacuum((MODES,), rng)
        light = transmit(LINK, sent, xi / np.linalg.norm(xi), rng).returned
        if direction is not None:
            light += gain * (light @ direction.conj())[:, None] * direction
        light += 1j * math.sqrt(in_p) * rng.standard_normal(light.shape)
        measure_p = rng.random(rows.rows) < 0.5
        y = homodyne(LINK, light, measure_p, rng)
        for k, chosen in enumerate((~measure_p, measure_p)):
            often[k] += chosen
            records[k] += y * chosen[:, None]
            parts[k].append(((rows.p if k else rows.x)[chosen], y[chosen]))
    x, p = (SymbolStatistics.of(*map(np.concatenate, zip(*each, strict=True))) for each in parts)
    return FineSums.of_both(x, p, components.sums(np.arange(rows.rows), often, records))


def test_groups_add_up_to_the_whole_and_know_their_slopes():
    rows, direction = layer()
    components = Components(rows)
    sums = sums_of(rows, components, np.random.default_rng(2), gain=0.2, direction=direction)
    last = component_groups(MODES).index((0, 24))
    assert 0.95 * sums.qq < sums.groups.sq[last] < sums.qq
    assert 0.95 * sums.qy < sums.groups.sy[last] < sums.qy
    slopes = sums.groups.sy / sums.groups.sq
    assert slopes[0] == pytest.approx(1.2, abs=0.02)
    assert slopes[1:5] == pytest.approx([1] * 4, abs=0.1)


def test_the_sums_of_some_rows_are_those_of_these_rows():
    rows, _ = layer()
    components, some = Components(rows), np.array([3, 40, 7])
    often = np.array([[1.0, 0, 2], [0, 1.0, 1]])
    records = np.random.default_rng(3).normal(size=(2, 3, MODES)) * (often > 0)[..., None]
    found = components.sums(some, often, records)
    q = np.stack([rows.x[some], rows.p[some]])
    amplitudes = rows.x + 1j * rows.p
    _, _, adjoint = np.linalg.svd(amplitudes)
    for place, (first, stop) in enumerate(component_groups(MODES)):
        part = (amplitudes @ adjoint[first:stop].conj().T @ adjoint[first:stop])[some]
        quadratures = np.stack([part.real, part.imag])
        weighed = often[..., None] * quadratures
        assert found.ss[place] == pytest.approx(np.sum(weighed * quadratures))
        assert found.sq[place] == pytest.approx(np.sum(weighed * q))
        assert found.sy[place] == pytest.approx(np.sum(quadratures * records))


@pytest.mark.parametrize("count", [1, 5, 16, 17, 100])
def test_strong_components_are_alone_and_together(count):
    groups = component_groups(count)
    alone = [(k, k + 1) for k in range(min(16, count))]
    assert groups[: len(alone)] == alone
    assert groups[len(alone) :] == [(0, stop) for stop in TOGETHER if stop <= count]


def test_an_honest_client_is_accepted_and_an_amplified_component_is_not():
    rows, direction = layer()
    components = Components(rows)
    for gain, noticed in ((0.0, False), (0.03, True)):
        found = None
        for seed in range(4):
            rng = np.random.default_rng(seed)
            new = sums_of(rows, components, rng, 40, gain, direction)
            found = new if found is None else found.joined(new)
        assert found is not None
        evidence = assumption_evidence([(DECLARED, found, 0.6)])
        assert (evidence["amplified components"] > LIMIT) == noticed
        assert evidence["one quadrature"] < LIMIT


def test_without_sums_there_are_no_tests_and_a_share_counts_for_components_alone():
    rows, direction = layer()
    sums = sums_of(rows, Components(rows), np.random.default_rng(8), 10, 0.03, direction)
    assert assumption_evidence([]) == {}
    whole, half = (assumption_evidence([(DECLARED, sums, share)]) for share in (1.0, 0.5))
    name = "amplified components"
    assert half[name] == pytest.approx(whole[name] - math.log(2))
    assert half["one quadrature"] == whole["one quadrature"]
    # Two layers of which each has half are together as good as one that has all.
    both = assumption_evidence([(DECLARED, sums, 0.5)] * 2)
    assert both[name] == pytest.approx(whole[name])


def test_noise_in_one_quadrature_is_noticed_where_the_mean_is_as_declared():
    rng = np.random.default_rng(5)
    rows = 30_000

    def sums(noise):
        q = rng.normal(0, 3, (rows, MODES))
        energy = noise * rng.standard_normal((rows, 1)) ** 2
        residual = energy + np.sum(rng.standard_normal((rows, MODES)) ** 2, axis=1)[:, None]
        qq = float(np.sum(q * q))
        return SymbolStatistics(q.size, qq, qq, qq + float(residual.sum()))

    g = LINK.noise_quantum
    x, p = sums(0.0), sums(2 * g)
    assert float(excess_evidence([(DECLARED, x + p)])) < 5
    assert float(quadrature_evidence([(DECLARED, x)], [(DECLARED, p)])) > LIMIT
    x, p = sums(g), sums(g)
    assert float(quadrature_evidence([(DECLARED, x)], [(DECLARED, p)])) < 5


def test_false_alarms_stay_below_their_level():
    """E of honest light has a mean of at most 1: also with all noise along the component."""
    rng = np.random.default_rng(6)
    variance = DECLARED.white + DECLARED.spike
    ss = rng.uniform(0, 1e4, (20_000, 3))
    sy = DECLARED.slope * ss + np.sqrt(variance * ss) * rng.standard_normal(ss.shape)
    evidence = rise_evidence(DECLARED, GroupSums(ss, ss, sy))
    assert evidence.shape == (20_000,)
    assert np.mean(np.exp(np.minimum(evidence, 20))) <= 1.1
    assert np.mean(evidence >= math.log(20)) <= 0.05


def test_a_monitor_judges_fine_sums_as_well():
    rows, direction = layer()
    components = Components(rows)
    monitor = ClientMonitor(LINK, [MODES])
    plain = monitor.judge()
    assert set(plain.evidence) == {"excess noise", "loss", "single modes"}
    rng = np.random.default_rng(7)
    fine = monitor.add(0, sums_of(rows, components, rng), None)
    assert set(fine.evidence) - set(plain.evidence) == {"one quadrature", "amplified components"}
    assert fine.verdict is Verdict.ACCEPT
    assert fine.limit == pytest.approx(plain.limit + math.log(5 / 3))
    for _ in range(20):
        judgement = monitor.add(0, sums_of(rows, components, rng, 20, 0.02, direction), None)
    assert judgement.verdict is Verdict.ABORT
    assert "component" in judgement.reason or "noise" in judgement.reason
    # What they know goes on in the next session.
    again = ClientMonitor(LINK, [MODES], known=monitor.record(0)).judge()
    assert again == judgement
