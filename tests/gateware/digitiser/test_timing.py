"""Timing, within the synchroniser: frames are where the model puts them, and lost as it loses them.

The cases of the synchroniser hold peaks of every strength, drifting and missing preambles, and
frames by the clock alone.
"""

import numpy as np
import pytest

from shotveil.gateware.digitiser.synchroniser import Synchroniser
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


@pytest.mark.parametrize("free_run", [0, 1])
def test_frames_are_found_while_times_wrap(free_run):
    """The node's sample numbers wrap after 2 s; these wrap every 2,048 samples."""
    spec = bit_true.SPECS[2]
    given = synchroniser_cases(spec, 6000, np.random.default_rng(12), free_run=free_run)
    assert max(case.run.due["o"] for case in given) > 3 * 2048
    check(AmaranthBench(Synchroniser(spec, time_bits=11)), given)


def test_a_judgement_must_be_over_when_the_frame_starts():
    with pytest.raises(AssertionError):
        Timing(DigitiserSpec(), lag=100)


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("synchroniser", Timing, monkeypatch)
