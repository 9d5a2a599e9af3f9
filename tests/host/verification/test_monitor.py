"""A session's verdict and its certificates, on statistics of simulated light."""

import math
import re

import numpy as np
import pytest

from shotveil.host.leakage.certificate import certified_channel, estimated_channel
from shotveil.host.leakage.composition import LOST, channel_class
from shotveil.host.leakage.weights import weight_leakage
from shotveil.host.verification.monitor import MonitorSettings, SessionMonitor, Verdict
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
    monitor = SessionMonitor(LINK, [MODES])
    for _ in range(50):
        judgement = monitor.add(0, record(rng, 100).pooled(), record(rng, 10))
        assert judgement.verdict is Verdict.ACCEPT
        assert "agrees" in judgement.reason


def test_a_fault_warns_before_it_aborts():
    rng = np.random.default_rng(2)
    monitor = SessionMonitor(LINK, [MODES])
    verdicts = []
    while Verdict.ABORT not in verdicts:
        verdicts.append(monitor.add(0, record(rng, 4, transmittance=0.98).pooled(), None).verdict)
    assert verdicts[0] is Verdict.ACCEPT and Verdict.WARN in verdicts
    assert len(verdicts) < 1000
    assert "less transmittance" in monitor.judge().reason
    # The declaration was refuted, and nothing was certified yet: all is charged as lost.
    assert monitor.channel(0).declared == LOST


def test_certificates_rest_on_decoys_and_on_a_share_of_the_failure_probability():
    rng = np.random.default_rng(3)
    monitor = SessionMonitor(LINK, [MODES, MODES], MonitorSettings(failure_probability=1e-6))
    monitor.add(0, record(rng, 1000).pooled(), None)
    assert not monitor.new_certificate(0), "weights do not certify"
    assert monitor.channel(0).certified == LOST
    monitor.add(0, None, record(rng, 99))
    assert not monitor.new_certificate(0)
    monitor.add(0, None, record(rng, 1))
    assert monitor.new_certificate(0) and not monitor.new_certificate(0)
    expected = certified_channel(monitor.decoys[0].pooled(), Detector(), 1e-6 / 2 * 6 / math.pi**2)
    assert monitor.channel(0).certified == channel_class(*map(float, expected))
    monitor.add(0, None, record(rng, 99))
    assert not monitor.new_certificate(0), "not doubled yet"
    monitor.add(0, None, record(rng, 1))
    assert monitor.new_certificate(0)


def test_certificates_hold_together_with_the_failure_probability():
    """A fixed channel, several looks a session: wrong at most as often as said."""
    rng = np.random.default_rng(4)
    delta, wrong, sessions = 0.1, 0, 150
    for _ in range(sessions):
        monitor = SessionMonitor(LINK, [MODES], MonitorSettings(failure_probability=delta))
        failed = False
        for _ in range(8):
            monitor.add(0, None, record(rng, 100, 0.95, 0.03))
            if monitor.new_certificate(0):
                certified = monitor._certified[0]
                failed |= certified.transmittance > 0.95 or certified.excess_noise < 0.03
        wrong += failed
    assert wrong <= sessions * delta


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


def test_a_certificate_has_a_share_by_layers_and_by_looks():
    """Layers divide the failure probability; the j-th look has 6/(πj)², and skipped ones count."""
    delta, receiver = 1e-4, Detector(0.8, 0.05)
    link = Link(1.3, 6.0, server_detector=receiver)
    monitor = SessionMonitor(link, [MODES] * 3, MonitorSettings(failure_probability=delta))

    def expected(look):
        pooled = monitor.decoys[1].pooled()
        return certified_channel(pooled, receiver, delta / 3 * 6 / (math.pi * look) ** 2)

    for symbols, look in ((10_000, 1), (10_000, 2), (30_000, 3), (29_999, None), (1, 4)):
        monitor.add(1, None, sums(symbols, math.sqrt(0.8)))
        assert monitor.new_certificate(1) == (look is not None)
        if look is not None:
            assert monitor._certified[1] == expected(look)
            assert not monitor.new_certificate(1), "one look at one set of decoys"
            certified = monitor.channel(1).certified
            assert certified == channel_class(*map(float, expected(look)))
    assert monitor.channel(0).certified == LOST and not monitor.new_certificate(0)
    # 190,000 decoys at once are the fifth look and no other: the next is at 320,000.
    monitor.add(1, None, sums(110_000, math.sqrt(0.8)))
    assert monitor.new_certificate(1) and monitor._certified[1] == expected(5)


def test_shares_of_all_looks_add_up_to_the_whole():
    assert sum(6 / (math.pi * j) ** 2 for j in range(1, 10_000)) == pytest.approx(1, abs=1e-4)


def test_decoys_without_light_certify_nothing():
    monitor = SessionMonitor(LINK, [MODES])
    dark = np.full(MODES, 200)
    monitor.decoys[0] = SymbolStatistics(dark, 0 * dark, 0 * dark, dark)
    assert not monitor.new_certificate(0)
    assert monitor.channel(0).estimated == LOST


def given_evidence(monkeypatch, excess, loss, single):
    """What the three tests are to say, whatever returns."""
    place = "shotveil.host.verification.monitor."
    monkeypatch.setattr(place + "excess_evidence", lambda parts: np.float64(excess))
    monkeypatch.setattr(place + "loss_evidence", lambda parts: np.float64(loss))
    monkeypatch.setattr(
        place + "flatness_evidence", lambda noise, decoys, peak: np.array([single - 9, single])
    )


SETTINGS = MonitorSettings(false_alarm_probability=1e-5, warning_probability=1e-2)
ABORT_AT, WARN_AT, LN_MODES = math.log(3e5), math.log(3e2), math.log(2 * MODES)


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
    monitor = SessionMonitor(LINK, [MODES, MODES], SETTINGS)
    given_evidence(monkeypatch, excess, loss, single)
    judgement = monitor.add(0, sums(100).pooled(), None)
    assert judgement.verdict is verdict
    assert re.search(reason, judgement.reason)
    assert judgement.limit == ABORT_AT
    assert judgement.evidence == pytest.approx(
        {"excess noise": excess, "loss": loss, "single modes": single - LN_MODES}
    )


def test_nothing_is_found_where_nothing_returned(monkeypatch):
    monitor = SessionMonitor(LINK, [MODES])
    assert monitor.judge().evidence["excess noise"] == monitor.judge().evidence["loss"] == 0
    given_evidence(monkeypatch, 99, 99, 0)
    assert monitor.judge().verdict is Verdict.ACCEPT


def test_a_refusal_stays_and_takes_the_certified_channel_for_the_declared(monkeypatch):
    monitor = SessionMonitor(LINK, [MODES, MODES])
    monitor.add(0, sums(100).pooled(), sums(10_000))
    assert monitor.new_certificate(0)
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
    monitor = SessionMonitor(Link(1.3, 6.0, server_detector=receiver), [MODES, MODES])
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
        (50, 100), (SessionMonitor(link, [50, 100]).channel(i) for i in (0, 1)), strict=True
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
        monitor = SessionMonitor(LINK, [MODES], MonitorSettings(peak=peak))
        found[peak] = monitor.add(0, None, seen).verdict
    assert found == {4.0: Verdict.ABORT, 100.0: Verdict.ACCEPT}


def test_decoys_count_as_rows_that_returned():
    """A fault that decoys alone show is found by the tests of all rows, too."""
    monitor = SessionMonitor(LINK, [MODES])
    judgement = monitor.add(0, None, sums(100_000, 0.9))
    assert judgement.verdict is Verdict.ABORT
    assert judgement.evidence["loss"] > judgement.limit


def test_a_session_begins_with_nothing():
    monitor = SessionMonitor(LINK, [MODES, 7])
    assert [vars(s) for s in monitor.weights] == [{"count": 0, "qq": 0, "qy": 0, "yy": 0}] * 2
    for statistics, modes in zip(monitor.decoys, (MODES, 7), strict=True):
        for values in vars(statistics).values():
            np.testing.assert_array_equal(values, np.zeros(modes))
    assert [verdict.value for verdict in Verdict] == ["accept", "warn", "abort"]
