"""The judge of grants finds every kind of trespass in what a transmitter emitted.

That the transmitter itself commits none is shown in `tests/gateware/node/test_grants.py`.
"""

import numpy as np
import pytest

from shotveil.sim.figures.grants import FRAME, SCRIPT, GrantsSeen, Trespass, judge, script

N = 40 * FRAME


class Story:
    """Clocks of a host's doings and of what was seen; one batch of a grant of 3, 2 rows sent."""

    def __init__(self):
        zero = lambda: np.zeros(N, np.int64)  # noqa: E731
        self.doing = {name: zero() for name in ("arm", "start", "grant", "clear")}
        self.seen = {name: zero() for name in ("i", "q", "sent", "on", "fault")}
        self.doing["arm"][10:] = 1
        self.doing["grant"][:] = 3
        self.batch(100, rows=2)

    def batch(self, at, rows, length=10):
        self.doing["start"][at - 1] = 1
        self.seen["on"][at : at + length * FRAME] = 1
        for k in range(rows):
            self.row(at + 2 + k * FRAME)

    def row(self, at, arm="i"):
        self.seen["sent"][at] = 1
        self.seen[arm][at + 3] = 77

    def judge(self):
        verdict = GrantsSeen()
        judge(self.doing, self.seen, verdict)
        return verdict


def test_what_was_granted_is_counted():
    verdict = Story().judge()
    assert (verdict.granted, verdict.emitted, verdict.complete, verdict.batches) == (3, 2, 0, 1)
    assert verdict.endings == {"done": 1}
    story = Story()
    story.row(100 + 2 + 2 * FRAME, "q")  # light of either arm is a row
    verdict = story.judge()
    assert (verdict.granted, verdict.emitted, verdict.complete) == (3, 3, 1)
    # A frame without light is no row: the pulse of a row that was blanked.
    story.seen["sent"][100 + 2 + 4 * FRAME] = 1
    assert story.judge().emitted == 3


def test_a_batch_of_nothing_is_not_complete():
    story = Story()
    for name in ("i", "sent"):
        story.seen[name][:] = 0
    story.doing["grant"][:] = 0
    verdict = story.judge()
    assert (verdict.granted, verdict.complete, verdict.batches) == (0, 0, 1)


def test_the_grant_is_that_of_the_clock_before():
    story = Story()
    story.doing["grant"][100:] = 0  # changed behind the start
    assert story.judge().granted == 3
    story.doing["grant"][99] = 1
    with pytest.raises(Trespass, match="2 rows left in a batch with a grant of 1"):
        story.judge()


def test_light_outside_of_frames_is_found():
    for at in (50, 100, 100 + 2 + 3 * FRAME, N - 1):
        story = Story()
        story.seen["q"][at] = -1
        with pytest.raises(Trespass, match="light outside of frames"):
            story.judge()
    story = Story()
    story.seen["i"][100 + 2 + FRAME + FRAME - 1] = 5  # the frame's last clock
    story.judge()


def test_a_row_outside_of_a_batch_is_found():
    for at in (30, 100 + 12 * FRAME):
        story = Story()
        story.row(at)
        with pytest.raises(Trespass, match="a row left outside of a batch"):
            story.judge()


def test_each_batch_needs_a_start_and_arming_anew():
    story = Story()
    story.doing["start"][:] = 0
    with pytest.raises(Trespass, match="began without a start"):
        story.judge()
    story = Story()
    story.batch(100 + 20 * FRAME, rows=1)
    with pytest.raises(Trespass, match="began without arming anew"):
        story.judge()
    story.doing["arm"][100 + 15 * FRAME : 100 + 16 * FRAME] = 0
    assert story.judge().batches == 2
    story = Story()
    story.doing["arm"][99:] = 0
    with pytest.raises(Trespass, match="began without arming anew"):
        story.judge()


def test_batches_are_counted_by_how_they_ended():
    story = Story()
    story.doing["clear"][150] = 1
    assert story.judge().endings == {"cleared": 1}
    story.seen["fault"][100 + 10 * FRAME - 1] = 1
    (name,) = story.judge().endings
    assert name not in ("cleared", "done")
    story.seen["fault"][100 + 10 * FRAME - 1] = 3
    (both,) = story.judge().endings
    assert both.startswith(name + "+")


def test_scripts_are_drawn_from_their_seed_and_take_every_course():
    first, again = (script(np.random.default_rng(5)) for _ in range(2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
        assert values.shape == (SCRIPT,) and values.dtype == np.int64
    rng = np.random.default_rng(6)
    many = [script(rng) for _ in range(60)]
    whole = {name: np.concatenate([one[name] for one in many]) for name in first}
    for name in ("arm", "start", "stop", "alive", "hold", "triggered", "trigger"):
        assert set(np.unique(whole[name])) == {0, 1}, name
    assert set(np.unique(whole["watchdog"])) == {0, 1, 9}
    assert set(np.unique(whole["lead_in"])) == {0, 1, 2, 3}
    assert whole["grant"].min() == 0 and 30 < whole["grant"].max() < 40
    assert len({int(one["trigger_delay"][0]) for one in many}) > 30
    assert all(len(np.unique(one["trigger_delay"])) == 1 for one in many)
    # Half of the hosts know their trade: they arm once, early, for good.
    knowing = sum(one["arm"][60:].all() and not one["arm"][0] for one in many)
    assert 15 < knowing < 50
    assert 1 / 130 < whole["alive"].mean() < 1 / 75
