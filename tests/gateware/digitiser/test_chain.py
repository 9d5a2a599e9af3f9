"""The whole receiver: equal to the model to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.digitiser.chain import Receiver
from shotveil.models.digitiser.spec import DigitiserSpec
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


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("chain", Receiver, monkeypatch)
