"""Timing, within the synchroniser: frames are where the model puts them, and lost as it loses them.

The cases of the synchroniser hold peaks of every strength, drifting and missing preambles, and
frames by the clock alone.
"""

import numpy as np
import pytest

from shotveil.gateware.digitiser.timing import Timing
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.sim.cases.digitiser import synchroniser_cases
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("free_run", [0, 1])
def test_frames_are_those_of_the_model(free_run):
    spec = bit_true.SPECS[2]
    given = synchroniser_cases(spec, 3000, np.random.default_rng(11), free_run=free_run)
    check(AmaranthBench(bit_true.BLOCKS["synchroniser"].component(spec)), given)


def test_a_judgement_must_be_over_when_the_frame_starts():
    with pytest.raises(AssertionError):
        Timing(DigitiserSpec(), lag=100)


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("synchroniser", Timing, monkeypatch)
