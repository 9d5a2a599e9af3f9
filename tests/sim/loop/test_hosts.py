"""Hosts that die at any byte: a few of them, and what a soak of them would find."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.sim.loop import hosts


def test_after_each_dead_host_the_next_one_plays_what_the_model_plays():
    told = []
    seen = hosts.run(12, np.random.default_rng(3), told.append)
    assert seen.kills == sum(told) == len(seen.killed_at) == 12
    assert len(told) == 12 + seen.survivors
    assert seen.settings >= 12  # a batch takes one at least
    assert min(seen.killed_at) < 1000 and max(seen.killed_at) > 4000


def test_a_setting_that_acts_during_a_batch_is_found(monkeypatch):
    """As if a live setting were one that a batch latches: it leaves no flag."""
    monkeypatch.setattr(hosts, "_setting", lambda known, rng: ("capture_on_frame", 1))
    with pytest.raises(hosts.Wrong, match=r"capture_on_frame = 1 was written .* without a flag"):
        hosts.run(1, np.random.default_rng(1))


def test_other_rows_than_those_of_the_host_are_found(monkeypatch):
    due = hosts._due(0, 1)
    monkeypatch.setattr(hosts, "_due", lambda place, number: due)
    with pytest.raises(hosts.Wrong, match="the codes of batch"):
        hosts.run(9, np.random.default_rng(2))


def test_a_host_may_die_within_its_first_word():
    class Deaf:
        heard = b""

        def write(self, data):
            self.heard += data

    pipe = Deaf()
    assert hosts._dies(pipe, 3, np.random.default_rng(1)) and len(pipe.heard) == 3


def test_a_number_of_kills_is_needed():
    with pytest.raises(RangeError, match="kills = 0"):
        hosts.run(0, np.random.default_rng(1))
