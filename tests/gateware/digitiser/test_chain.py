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


@pytest.mark.parametrize("quadratures", [2, 1])
def test_two_samples_a_symbol_as_verilog(quadratures):
    """As tight frames as a receiver keeps up with, and a vacuum record, in which offsets move."""
    spec = replace(bit_true.BRISK[quadratures], modes=128)
    bench = bit_true.verilator("chain", spec)
    layout = FrameLayout(preamble=16, row=192, pilot_spacing=22, guard=16)
    rng = np.random.default_rng(4)
    given = light(spec, SimulatedChannel(delay=300.35), 60, rng, layout, trouble=True)
    signal = replace(given.settings, mode_shift=1)
    roomy = replace(signal.layout, pilot_spacing=38)
    vacuum = replace(signal, layout=roomy, record=VACUUM_RECORD, free_run=1)
    for setup in (signal, vacuum):
        waiting = spec.waiting(setup.layout, setup.record)
        assert quadratures == 1 or 45 < waiting < spec.symbol_fifo
        check(bench, receiver_cases(spec, setup, given.codes, given.q))


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("chain", Receiver, monkeypatch)
