"""The whole receiver: equal to the model to the bit, and at the pace that is promised."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.gateware.digitiser.chain import Receiver
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.spec import VACUUM_RECORD, DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import light, receiver_cases
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.equality import check
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("chain", quadratures)


@pytest.mark.parametrize("quadratures, samples", [(2, 700_000), (1, 400_000)])
def test_as_verilog(quadratures, samples):
    """The floor: a million input samples, equal to the bit."""
    spec = DigitiserSpec(quadratures=quadratures, modes=128, row_capacity=512)
    bench = bit_true.verilator("chain", spec)
    results = check(bench, bit_true.cases("chain", samples, spec))
    assert sum(result.clocks for result in results) >= samples
    check(bench, stalled(bit_true.cases("chain", 60_000, spec, seed=5), 0.35, seed=9))


def test_two_samples_a_symbol_as_verilog():
    """As many pilots as a receiver keeps up with, in light and in a vacuum record."""
    spec = replace(bit_true.BRISK[2], modes=128, segments=9)
    bench = bit_true.verilator("chain", spec)
    layout = FrameLayout(preamble=16, row=192, pilot_spacing=24, guard=16)
    rng = np.random.default_rng(4)
    given = light(spec, SimulatedChannel(delay=300.35), 60, rng, layout, trouble=True)
    signal = replace(given.settings, mode_shift=1)
    fewer = replace(signal.layout, pilot_spacing=48)
    vacuum = replace(signal, layout=fewer, record=VACUUM_RECORD, free_run=1)
    for setup in (signal, vacuum):
        assert 15 < spec.waiting(setup.layout, setup.record) < spec.symbol_fifo
        # The record ends within a symbol: whether its last one is still received is not promised.
        end = given.codes.shape[1] - (setup is vacuum)
        check(bench, receiver_cases(spec, setup, given.codes[:, :end], given.q))


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("chain", Receiver, monkeypatch)
