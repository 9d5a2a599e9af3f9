"""A session's verdict and its certificates, on statistics of simulated light."""

import math

import numpy as np
import pytest

from shotveil.host.leakage.certificate import certified_channel
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
