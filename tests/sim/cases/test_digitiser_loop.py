"""The homodyne lock, closed around the model and around the design's Verilog."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import chain, phase_lock
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import receiver_cases
from shotveil.sim.cases.digitiser_loop import LoopBench, close_model, lock_case, residual
from shotveil.sim.engines.equality import check

SPEC = DigitiserSpec(quadratures=1, modes=128)
# The shortest that homodyne allows, so that the bench has least to do.
LAYOUT = FrameLayout(preamble=16, row=112, pilot_spacing=16)
STARTS = (0.2, 1.7, 3.13)  # rad: the last is as far from the lock as there is


def case(start, frames=57, seed=1):
    # A code is there at 195 samples of the frame after; blocks begin soon behind that.
    channel = SimulatedChannel(
        transmittance=0.5, delay=96.3, phase=start, linewidth=1e-9, adc_offset=13
    )
    rng = np.random.default_rng(seed)
    return lock_case(SPEC, channel, frames, rng, LAYOUT, block=304)


def test_the_design_locks_as_its_model_does():
    """From several phases, each after a reset while running: every code equal, ADC words too."""
    cases = [case(start) for start in STARTS]
    loop = PhaseLockSettings()
    bench = LoopBench(SPEC, "digitiser_loop")
    links = [link for _, link, _ in cases]
    with pytest.raises(RangeError, match="block = 5000"):
        bench.close(cases[0][0], loop, [replace(links[0], block=5000)])
    found = bench.close(cases[0][0], loop, links)
    for (settings, link, q), (codes, came) in zip(cases, found, strict=True):
        model = close_model(SPEC, settings, loop, link, q)
        np.testing.assert_array_equal(codes, model.codes)
        np.testing.assert_array_equal(came[: len(model.dac)], model.dac)
        assert len(model.dac) >= 55
        assert np.ptp(codes) > 0.03 * loop.span  # the phase shifter has work to do
        np.testing.assert_array_equal(link.words(SPEC, codes), model.words)
        line = np.rad2deg(residual(SPEC, settings, link, model))
        assert model.steady[49:].all()
        assert np.sqrt(np.mean(line[50:] ** 2)) <= 1


def test_the_code_comes_in_time():
    """The latency that decides which runs the phase shifter moves in, measured."""
    settings, link, q = case(0.3, frames=4)
    words = link.words(SPEC, np.zeros(link.blocks, np.int64))
    (given,) = receiver_cases(SPEC, settings, words, q)
    (result,) = check(LoopBench(SPEC, "digitiser_loop"), [given])
    start = chain.model(SPEC, settings, words, q).frames[0].start
    taken = result.first["dac"] - result.first["i"]
    late = taken - chain.finished(SPEC, settings, start)
    assert 0 < late <= chain.CODE_LATENCY
    # Of the default frame that is within the first run; of a short one, within the first four.
    assert chain.moving_runs(SPEC, DigitiserSettings()) == 1
    assert chain.moving_runs(SPEC, settings) == 4
    assert chain.moving_runs(DigitiserSpec(), DigitiserSettings()) == 0


def test_the_closed_model_is_causal():
    """The codes found in rounds are those that a loop gets which sees one frame after the other."""
    settings, link, q = case(2.5, frames=8)
    loop = PhaseLockSettings()
    whole = close_model(SPEC, settings, loop, link, q)
    codes = np.zeros(link.blocks, np.int64)
    for block in range(link.blocks):
        words = link.words(SPEC, codes[:block])
        got = chain.model(SPEC, settings, words, q)
        dac, _ = phase_lock.model(SPEC, loop, got.phases.angle, got.phases.bad)
        codes[block:] = dac[-1] if len(dac) else 0
    np.testing.assert_array_equal(codes, whole.codes)
