"""The noise budget: what goes away with each cause."""

import numpy as np
import pytest

from shotveil.models.networks.network import Layer, Network
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop import budget as module
from shotveil.sim.loop.budget import budget
from shotveil.sim.loop.session import BackToBack
from shotveil.sim.loop.settings import realistic

LAYERS = (Layer(np.ones((3, 20))), Layer(np.ones((2, 3))))
SOME = Impairments(extinction=30.0, angle_error=0.01, delay_out=5, excess_noise=0.25)


@pytest.fixture
def loops(monkeypatch):
    """Stands for loops: each imperfection that is on adds to the excess, and the loops are kept."""
    made = []

    class Loop:
        def __init__(self, network, settings):
            made.append((network, settings))
            self.on = settings.impairments.on

        def back_to_back(self, rows):
            made[-1] += (rows,)
            parts = {"extinction": 0.5, "angle_error": 2.0, "delay_out": 64.0}
            return (BackToBack(1.0, sum(parts.get(name, 0.0) for name in self.on)),)

    monkeypatch.setattr(module, "Loop", Loop)
    return made


def test_each_cause_that_is_on_has_what_goes_away_without_it(loops):
    found = budget(Network("two", LAYERS), realistic(1.3, 2.4, SOME), rows=7)
    assert found == {
        "all": 66.75, "beam-splitter angles": 2.0, "extinction": 0.5, "technical noise": 0.25,
    }  # fmt: skip
    for network, _, rows in loops:
        assert len(network.layers) == 1 and network.layers[0] is LAYERS[0] and rows == 7


def test_it_is_taken_on_many_rows_by_default(loops):
    budget(Network("two", LAYERS), realistic(1.3, 2.4, SOME))
    assert {rows for _, _, rows in loops} == {128}
