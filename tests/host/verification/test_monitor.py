"""A client's verdict and its certificates, on statistics of simulated light."""

import math
import re

import numpy as np
import pytest

from shotveil.host.leakage.certificate import estimated_channel
from shotveil.host.leakage.composition import LOST, channel_class
from shotveil.host.leakage.weights import weight_leakage
from shotveil.host.verification.confidence import channel_at_any_time, worse
from shotveil.host.verification.evidence import HonestNoise
from shotveil.host.verification.monitor import (
    MORE_LIGHT,
    ClientMonitor,
    MonitorSettings,
    Verdict,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.statistics import SymbolStatistics

LINK, MODES = Link(1.3, 6.0), 100


def record(rng, rows, transmittance=1.0, excess=None):
    excess = LINK.declared_excess_noise(MODES) if excess is None else excess
    q = rng.normal(0, math.sqrt(12), (rows, MODES))
    y = math.sqrt(transmittance) * q + rng.normal(0, math.sqrt(1 + excess), q.shape)
    return SymbolStatistics.of(q, y, axis=0)


def test_an_honest_session_is_accepted_at_every_step():
    rng = np.random.default_rng(1)
    monitor = ClientMonitor(LINK, [MODES])
    for _ in range(50):
        judgement = monitor.add(0, record(rng, 100).pooled(), record(rng, 10))
        assert judgement.verdict is Verdict.ACCEPT
        assert "agrees" in judgement.reason


def test_a_fault_warns_before_it_aborts():
    rng = np.random.default_rng(2)
    monitor = ClientMonitor(LINK, [MODES])
    verdicts = []
    while Verdict.ABORT not in verdicts:
        verdicts.append(monitor.add(0, record(rng, 4, transmittance=0.98).pooled(), None).verdict)
    assert verdicts[0] is Verdict.ACCEPT and Verdict.WARN in verdicts
    assert len(verdicts) < 1000
    assert "less transmittance" in monitor.judge().reason
    # The declaration was refuted, and nothing was certified yet: all is charged as lost.
    assert monitor.channel(0).declared == LOST


def test_certificates_rest_on_the_worse_of_decoys_and_weights():
    """A client that taps weights alone gains nothing, and no more one that taps decoys alone."""
    rng = np.random.default_rng(3)
    delta = 1e-6
    good, bad = (record(rng, 3000, transmittance) for transmittance in (1.0, 0.95))
    for weights, decoys in ((good, bad), (bad, good)):
        monitor = ClientMonitor(LINK, [MODES, MODES], MonitorSettings(failure_probability=delta))
        monitor.add(0, weights.pooled(), decoys)
        limits = [
            channel_at_any_time(s.pooled(), Detector(), MODES, 12.0, delta / 2)
            for s in (weights, decoys)
        ]
        assert monitor.certified(0) == worse(*limits)
        assert monitor.certified(0).transmittance < 0.95
        assert monitor.channel(0).certified == channel_class(*map(float, worse(*limits)))
        assert monitor.channel(1).certified == LOST
    for alone in ((good.pooled(), None), (None, good)):
        monitor = ClientMonitor(LINK, [MODES])
        monitor.add(0, *alone)
        assert monitor.channel(0).certified == LOST, "one kind of light alone certifies nothing"


def test_a_certificate_follows_at_once_where_the_channel_became_worse():
    """A client that behaves until it is trusted does not keep the certificate."""
    rng = np.random.default_rng(4)
    monitor = ClientMonitor(LINK, [MODES])

    def add(rows, transmittance=1.0):
        light = record(rng, rows, transmittance)
        monitor.add(0, light.pooled(), light)

    add(4000)
    first = monitor.new_certificate(0)
    assert first is not None and first.certified.transmittance > 0.98
    add(100)
    assert monitor.new_certificate(0) is None, "hardly more light, and no worse"
    add(400, 0.8)
    worse_now = monitor.new_certificate(0)
    assert worse_now is not None
    assert worse_now.certified.transmittance < first.certified.transmittance
    add(int(4500 * (MORE_LIGHT - 1)) + 1)
    assert monitor.new_certificate(0) is not None, "a quarter more light"
    assert monitor.new_certificate(0) is None


def test_evidence_goes_on_from_its_record():
    """A monitor that begins with records judges as the one that wrote them, bit for bit."""
    rng = np.random.default_rng(5)
    settings = MonitorSettings(failure_probability=1e-3)
    monitor = ClientMonitor(LINK, [MODES, 40], settings, "digest")
    for _ in range(3):
        monitor.add(0, record(rng, 50).pooled(), record(rng, 20))
    kept = monitor.record(0)
    later = ClientMonitor(LINK, [MODES, 40], settings, "digest", kept)
    assert later.judge() == monitor.judge() and later.standing == monitor.standing
    assert later.channel(0) == monitor.channel(0) and later.channel(1) == monitor.channel(1)
    light = record(rng, 50)
    assert later.add(0, light.pooled(), light) == monitor.add(0, light.pooled(), light)


def test_light_under_other_terms_counts_in_the_tests_and_not_in_certificates():
    rng = np.random.default_rng(6)
    monitor = ClientMonitor(LINK, [MODES], network="digest")
    bad = record(rng, 40, transmittance=0.98)
    monitor.add(0, bad.pooled(), bad)
    kept, before = monitor.record(0), monitor.judge().evidence
    assert before["loss"] > 0
    for link, network in ((Link(1.3, 7.0), "digest"), (LINK, "another")):
        other = ClientMonitor(link, [MODES], network=network, known=kept)
        assert other.standing != monitor.standing
        assert other.judge().evidence["loss"] == before["loss"]
        assert other.channel(0).certified == other.channel(0).estimated == LOST
        assert other.period(0).place == 2
    # The modes of the first period have 6/π² of the level.
    extra = math.log(MODES * math.pi**2 / 6)
    assert ClientMonitor(LINK, [MODES]).judge().evidence["single modes"] == pytest.approx(-extra)


@pytest.mark.parametrize("name", ["false_alarm_probability", "failure_probability"])
def test_settings_are_checked(name):
    for value in (0, 1, math.nan):
        with pytest.raises(RangeError, match=name):
            MonitorSettings(**{name: value})
    with pytest.raises(RangeError, match="peak"):
        MonitorSettings(peak=0.1)


@pytest.mark.parametrize("gain", [1.00175, 1.3, 3.4])
@pytest.mark.parametrize("v_a", [0.1, 12.0, 390.0])
def test_queries_of_few_modes_tell_less_in_all(gain, v_a):
    """Noise in m of N modes: what all modes leak together is most where it is flat."""
    g, modes = Link(gain, v_a / 2).noise_quantum, 392
    bits = [m * float(weight_leakage(1 + v_a, 1.0, g / m)) for m in (1, 2, 7, 50, 391, modes)]
    assert (np.diff(bits) > 0).all()


def sums(symbols, slope=1.0, variance=1.0, modes=MODES):
    """Statistics per mode of as many symbols in all, of just this slope and residual variance."""
    count = np.full(modes, symbols // modes)
    count[: symbols % modes] += 1
    return SymbolStatistics(
        count, 12.0 * count, 12.0 * slope * count, (12.0 * slope**2 + variance) * count
    )


def test_decoys_without_light_certify_nothing():
    monitor = ClientMonitor(LINK, [MODES])
    dark = np.full(MODES, 200)
    zero = SymbolStatistics(dark, 0 * dark, 0 * dark, dark)
    monitor.add(0, zero.pooled(), zero)
    assert monitor.channel(0).certified == LOST
    assert monitor.channel(0).estimated == LOST


def given_evidence(monkeypatch, excess, loss, single):
    """What the three tests are to say, whatever returns."""
    place = "shotveil.host.verification.monitor."
    monkeypatch.setattr(place + "excess_evidence", lambda parts: np.float64(excess))
    monkeypatch.setattr(place + "loss_evidence", lambda parts: np.float64(loss))
    monkeypatch.setattr(place + "largest_flatness_evidence", lambda noise, decoys, peak: single)


SETTINGS = MonitorSettings(false_alarm_probability=1e-5, warning_probability=1e-2)
ABORT_AT, WARN_AT = math.log(3e5), math.log(3e2)
LN_MODES = math.log(MODES * math.pi**2 / 6)  # share of a mode of the first of two periods


@pytest.mark.parametrize(
    "excess, loss, single, verdict, reason",
    [
        (ABORT_AT, 0, 0, Verdict.ABORT, r"more excess noise .* 1e-05 at most"),
        (ABORT_AT - 1e-9, 0, 0, Verdict.WARN, r"more excess noise .* 0\.01 at most"),
        (0, ABORT_AT, 0, Verdict.ABORT, r"less transmittance .* 1e-05 at most"),
        (0, WARN_AT, 0, Verdict.WARN, r"less transmittance .* 0\.01 at most"),
        (0, WARN_AT - 1e-9, 0, Verdict.ACCEPT, "agrees"),
        (0, 0, ABORT_AT + LN_MODES + 1e-9, Verdict.ABORT, "single modes"),
        (0, 0, ABORT_AT + LN_MODES - 1e-9, Verdict.WARN, "single modes"),
        (0, 0, WARN_AT + LN_MODES - 1e-9, Verdict.ACCEPT, "agrees"),
        (WARN_AT, ABORT_AT, 0, Verdict.ABORT, "less transmittance"),
        (-5, -5, -5, Verdict.ACCEPT, "agrees"),
    ],
)
def test_each_of_three_tests_has_a_third_of_the_level(
    monkeypatch, excess, loss, single, verdict, reason
):
    """Abort at ln(3/p), warn at ln(3/p_warn); single modes share theirs among all modes."""
    monitor = ClientMonitor(LINK, [MODES, MODES], SETTINGS)
    given_evidence(monkeypatch, excess, loss, single)
    judgement = monitor.add(0, sums(100).pooled(), None)
    assert judgement.verdict is verdict
    assert re.search(reason, judgement.reason)
    assert judgement.limit == ABORT_AT
    assert judgement.evidence == pytest.approx(
        {"excess noise": excess, "loss": loss, "single modes": single - LN_MODES}
    )


def test_nothing_is_found_where_nothing_returned(monkeypatch):
    monitor = ClientMonitor(LINK, [MODES])
    assert monitor.judge().evidence["excess noise"] == monitor.judge().evidence["loss"] == 0
    given_evidence(monkeypatch, 99, 99, 0)
    assert monitor.judge().verdict is Verdict.ACCEPT


def test_a_refusal_stays_and_takes_the_certified_channel_for_the_declared(monkeypatch):
    monitor = ClientMonitor(LINK, [MODES, MODES])
    monitor.add(0, sums(100).pooled(), sums(10_000))
    before = [monitor.channel(i) for i in (0, 1)]
    assert before[0].declared == (1.0, LINK.declared_excess_noise(MODES)) != before[0].certified
    with monkeypatch.context() as patch:
        given_evidence(patch, 99, 0, 0)
        assert monitor.judge().verdict is Verdict.ABORT
        assert [monitor.channel(i) for i in (0, 1)] == before, "a look alone changes nothing"
        monitor.add(1, sums(100).pooled(), None)
    # More light, and all is well again: not for what was sent in this session.
    assert monitor.add(1, sums(100).pooled(), None).verdict is Verdict.ACCEPT
    after = [monitor.channel(i) for i in (0, 1)]
    assert after[0].declared == after[0].certified == before[0].certified
    assert after[1].declared == after[1].certified == LOST
    assert after[0].estimated == before[0].estimated != LOST


def test_what_is_estimated_rests_on_weights_and_decoys_together():
    receiver = Detector(0.7, 0.1)
    monitor = ClientMonitor(Link(1.3, 6.0, server_detector=receiver), [MODES, MODES])
    weights, decoys = sums(500, 0.8, 1.3).pooled(), sums(200, 0.7, 1.1)
    monitor.add(1, weights, decoys)
    expected = estimated_channel(weights + decoys.pooled(), receiver)
    assert monitor.channel(1).estimated == channel_class(*map(float, expected))
    assert monitor.channel(0).estimated == LOST
    # One symbol has no variance; two have.
    one = SymbolStatistics(1, 12.0, 6.0, 6.0)
    monitor.add(0, one, None)
    assert monitor.channel(0).estimated == LOST
    monitor.add(0, one, None)
    assert monitor.channel(0).estimated != LOST


def test_what_is_declared_is_the_links_own():
    link = Link(1.3, 6.0, transmittance_back=0.9, excess_noise=0.01)
    for modes, channel in zip(
        (50, 100), (ClientMonitor(link, [50, 100]).channel(i) for i in (0, 1)), strict=True
    ):
        assert channel.declared == pytest.approx((0.9, 0.6 / 1.3 / modes + 0.01))


def test_the_settings_where_nobody_says_otherwise():
    assert vars(MonitorSettings()) == {
        "false_alarm_probability": 1e-6,
        "warning_probability": 1e-3,
        "failure_probability": 1e-10,
        "peak": 64.0,
    }
    assert MonitorSettings(peak=1.0).peak == 1
    with pytest.raises(RangeError, match="warning_probability"):
        MonitorSettings(warning_probability=1.0)


def test_the_peak_of_the_settings_is_the_one_that_is_tested():
    """All noise in one of 100 modes is 100 times its share: allowed at a peak of 100, not at 4."""
    rng = np.random.default_rng(12)
    q = rng.normal(0, 3, (4000, MODES))
    y = q + rng.normal(size=q.shape)
    y[:, 5] += rng.normal(size=4000) * math.sqrt(LINK.noise_quantum)
    seen = SymbolStatistics.of(q, y, axis=0)
    found = {}
    for peak in (4.0, 100.0):
        monitor = ClientMonitor(LINK, [MODES], MonitorSettings(peak=peak))
        found[peak] = monitor.add(0, None, seen).verdict
    assert found == {4.0: Verdict.ABORT, 100.0: Verdict.ACCEPT}


def test_decoys_count_as_rows_that_returned():
    """A fault that decoys alone show is found by the tests of all rows, too."""
    monitor = ClientMonitor(LINK, [MODES])
    judgement = monitor.add(0, None, sums(100_000, 0.9))
    assert judgement.verdict is Verdict.ABORT
    assert judgement.evidence["loss"] > judgement.limit


def test_a_life_begins_with_nothing():
    monitor = ClientMonitor(LINK, [MODES, 7])
    for layer, modes in enumerate((MODES, 7)):
        period = monitor.period(layer)
        assert period.noise == HonestNoise.declared(LINK, modes) and period.place == layer + 1
        assert vars(period.weights) == {"count": 0, "qq": 0, "qy": 0, "yy": 0}
        for values in vars(period.decoys).values():
            np.testing.assert_array_equal(values, np.zeros(modes))
    assert [verdict.value for verdict in Verdict] == ["accept", "warn", "abort"]


def test_where_decoys_can_be_told_nothing_is_ever_certified():
    for certifies in (True, False):
        monitor = ClientMonitor(LINK, [MODES], certifies=certifies)
        monitor.add(0, sums(10**7).pooled(), sums(10**7))
        channel = monitor.new_certificate(0)
        assert (channel.certified == LOST) == (not certifies)
        assert channel.estimated != LOST and channel.declared != LOST
        assert math.isfinite(monitor.certified(0).excess_noise)  # it is known all the same
