"""Every block of the drive against its model, to the bit: in Amaranth's simulator, and as Verilog
under cocotb and Verilator; with and without pauses. And the proof that these tests can fail."""

import numpy as np
import pytest
from amaranth.hdl import Module

from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.drive.spec import DriveSpec
from shotveil.sim.cases.drive import BLOCKS, stalled
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.verilator_bench import VerilatorBench

# The smallest memories that hold a row of 392: Amaranth's simulator starts them word by word.
SPEC = DriveSpec(row_capacity=512)
# Another point of the design space: odd shapes, where a width that was forgotten shows.
OTHER = DriveSpec(
    samples_per_symbol=3, taps=21, dac_bits=12, arcsine_segments=128, row_capacity=512
)

SMALL, LARGE = 40, 8_000


def amaranth(name, spec=SPEC):
    block = BLOCKS[name]
    start = "first" if block.start else None
    return AmaranthBench(block.component(spec), {"o"} if block.endless else (), start)


def verilator(name, spec=SPEC, primitive=Primitive.INFERRED, label="drive"):
    block = BLOCKS[name]
    return VerilatorBench(
        block.component(spec),
        f"{label}_{name}",
        {"o"} if block.endless else (),
        "first" if block.start else None,
        primitive=primitive,
        depth=1 << 20,
    )


def cases(name, size, spec=SPEC, seed=4):
    return BLOCKS[name].cases(spec, size, np.random.default_rng(seed))


@pytest.mark.parametrize("name", BLOCKS)
def test_in_amaranth(name):
    given = cases(name, SMALL)
    check(amaranth(name), given)
    if BLOCKS[name].stalls and name != "chain":  # the chain: slow here, stalled as Verilog
        check(amaranth(name), stalled(given, 0.35, seed=8))


@pytest.mark.parametrize("name", BLOCKS)
def test_as_verilog(name):
    bench = verilator(name)
    given = cases(name, 70_000 if name == "chain" else LARGE)
    results = check(bench, given)
    if name == "chain":
        # The floor: a million output samples equal to the bit, in this test alone.
        assert sum(len(r.outputs["o"]["i"]) for r in results) >= 1_000_000
    if BLOCKS[name].stalls:
        check(bench, stalled(cases(name, LARGE, seed=5), 0.35, seed=9))


def test_another_spec():
    check(verilator("chain", OTHER, label="other"), cases("chain", 2000, OTHER))


def test_chain_with_the_multipliers_of_ecp5():
    check(verilator("chain", primitive=Primitive.ECP5, label="ecp5"), cases("chain", 2000))


@pytest.mark.parametrize("name", BLOCKS)
def test_an_empty_design_fails(name, monkeypatch):
    component = BLOCKS[name].component
    monkeypatch.setattr(component, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        check(amaranth(name), cases(name, 0))
