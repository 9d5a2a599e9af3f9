"""Every block of the digitiser against its model, to the bit: in Amaranth's simulator, and as
Verilog under cocotb and Verilator; with and without pauses. And the proof that these tests can
fail."""

import numpy as np
import pytest
from amaranth.hdl import Module

from shotveil.gateware.digitiser.cordic import Cordic
from shotveil.gateware.digitiser.delay_line import DelayLine
from shotveil.gateware.digitiser.sum_bank import SumBank
from shotveil.gateware.digitiser.timing import Timing
from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import BLOCKS, chain_cases, synchroniser_cases
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.verilator_bench import VerilatorBench

# Small memories: Amaranth's simulator starts them word by word.
SPECS = {n: DigitiserSpec(quadratures=n, modes=64, row_capacity=512) for n in (1, 2)}
PAIRS = [(name, n) for name, block in BLOCKS.items() for n in block.quadratures]
SMALL = {"synchroniser": 3000, "chain": 2000, "correlator": 0}


def cases(name, size, spec, seed=4):
    return BLOCKS[name].cases(spec, size, np.random.default_rng(seed))


def small(name, spec, seed=4):
    if name == "chain":
        layout = FrameLayout(preamble=16, row=64, pilot_spacing=64, vacuum=64)
        return chain_cases(spec, 2000, np.random.default_rng(seed), layout)
    return cases(name, SMALL.get(name, 40), spec, seed)


def verilator(name, spec, primitive=Primitive.INFERRED, label="digitiser"):
    return VerilatorBench(
        BLOCKS[name].component(spec),
        f"{label}_{name}_{spec.quadratures}",
        primitive=primitive,
        depth=1 << 20,
    )


@pytest.mark.parametrize("name, quadratures", PAIRS)
def test_in_amaranth(name, quadratures):
    spec = SPECS[quadratures]
    given = small(name, spec)
    check(AmaranthBench(BLOCKS[name].component(spec)), given)
    if name not in ("chain", "synchroniser", "correlator"):  # slow here, stalled as Verilog
        check(AmaranthBench(BLOCKS[name].component(spec)), stalled(given, 0.35, seed=8))


@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "chain"])
def test_as_verilog(name):
    spec = SPECS[BLOCKS[name].quadratures[0]]
    bench = verilator(name, spec)
    check(bench, cases(name, 4000, spec))
    check(bench, stalled(cases(name, 2000, spec, seed=5), 0.35, seed=9))


@pytest.mark.parametrize("quadratures, samples", [(2, 700_000), (1, 400_000)])
def test_chain_as_verilog(quadratures, samples):
    """The floor: a million input samples, equal to the bit."""
    spec = DigitiserSpec(quadratures=quadratures, modes=128, row_capacity=512)
    bench = verilator("chain", spec)
    given = cases("chain", samples, spec)
    results = check(bench, given)
    assert sum(result.clocks for result in results) >= samples
    check(bench, stalled(cases("chain", 60_000, spec, seed=5), 0.35, seed=9))


def test_frames_by_the_clock_alone():
    given = synchroniser_cases(SPECS[2], 6000, np.random.default_rng(6), free_run=1)
    check(verilator("synchroniser", SPECS[2]), given)


GUTTED = [(name, BLOCKS[name].component) for name in BLOCKS] + [
    ("phase", Cordic),
    ("synchroniser", Timing),
    ("synchroniser", DelayLine),
    ("accumulators", SumBank),
]


@pytest.mark.parametrize("name, component", GUTTED)
def test_an_empty_design_fails(name, component, monkeypatch):
    spec = SPECS[BLOCKS[name].quadratures[0]]
    monkeypatch.setattr(component, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        check(AmaranthBench(BLOCKS[name].component(spec)), small(name, spec))
