"""Probabilities of error: the figures that the pages give, and who uses them."""

import inspect
import math

from shotveil.host.parties.client import DataClient
from shotveil.host.run import summary
from shotveil.host.verification.levels import (
    FAILURE_PROBABILITY,
    FALSE_ALARM_PROBABILITY,
    limit_of,
)
from shotveil.host.verification.monitor import MonitorSettings


def test_levels():
    assert FALSE_ALARM_PROBABILITY == 1e-6 and FAILURE_PROBABILITY == 1e-10


def test_they_hold_where_nobody_asks_for_others():
    monitor = MonitorSettings()
    assert monitor.false_alarm_probability == FALSE_ALARM_PROBABILITY
    assert monitor.failure_probability == FAILURE_PROBABILITY
    asked = inspect.signature(DataClient).parameters["false_alarm_probability"]
    assert asked.default == FALSE_ALARM_PROBABILITY
    assert summary.FALSE_ALARM_PROBABILITY == FALSE_ALARM_PROBABILITY
    assert summary.FAILURE_PROBABILITY == FAILURE_PROBABILITY


def test_tests_that_run_side_by_side_share_a_probability():
    assert limit_of(1e-3, fine=False) == math.log(3 / 1e-3)
    assert limit_of(1e-3, fine=True) == math.log(5 / 1e-3)
