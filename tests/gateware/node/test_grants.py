"""No host gets a row more than it was granted: on the gateware, with scripts at random."""

import numpy as np
import pytest

from shotveil.gateware.node.sequencer import Sequencer
from shotveil.sim.figures import grants


def test_random_hosts():
    """Small here; `make grants` plays 10⁵."""
    verdict = grants.run(320, np.random.default_rng(3))
    assert verdict.emitted <= verdict.granted
    # It is not for want of trying: batches are complete, and ended in every way.
    assert verdict.complete > 10
    seen = set("+".join(verdict.endings).split("+"))
    assert {"stop", "link", "done"} <= seen


def test_a_second_grant_is_found(monkeypatch):
    """The planted bug: the grant is taken a second time when `start` comes again."""
    elaborate = Sequencer.elaborate

    def planted(self, platform):
        m = elaborate(self, platform)
        with m.If(self.start & self.arm_drive):
            m.d.sync += self.left.eq(self.grant)
        return m

    monkeypatch.setattr(Sequencer, "elaborate", planted)
    with pytest.raises(grants.Trespass, match="rows left"):
        grants.run(320, np.random.default_rng(3))
