"""A block of the drive against its model, to the bit: what the test file of each block calls.

In Amaranth's simulator, and as Verilog under cocotb and Verilator; with and without pauses. And the
proof that these tests can fail.
"""

import numpy as np
import pytest
from amaranth.hdl import Module, Value

from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.cases.drive import BLOCKS, stalled
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.verilator_bench import VerilatorBench

# The smallest memories that hold a row of 392: Amaranth's simulator starts them word by word.
SPEC = DriveSpec(row_capacity=512)
# Points of the design space at which the pace of plain pipelines is measured.
SPECS = [DriveSpec(row_capacity=64), DriveSpec(samples_per_symbol=2, taps=12, row_capacity=64)]

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


def in_amaranth(name):
    """A few cases; also with pauses, but for the chain, where that is slow: then as Verilog."""
    settings_fit(BLOCKS[name].component(SPEC))
    given = cases(name, SMALL)
    check(amaranth(name), given)
    if BLOCKS[name].stalls and name != "chain":
        check(amaranth(name), stalled(given, 0.35, seed=8))


def settings_fit(component):
    """The ports for settings and status are as wide as the registers that are wired to them."""
    known = register_map(NodeSpec(drive=SPEC))
    ports = component.signature.members
    names = {name for name in ports if f"drive_{name}" in known and ports[name].is_port}
    assert {name: len(Value.cast(getattr(component, name))) for name in names} == {
        name: known[f"drive_{name}"].width for name in names
    }


def as_verilog(name, size=LARGE):
    """Many cases, and then some with pauses. Returns the results of the former."""
    bench = verilator(name)
    results = check(bench, cases(name, size))
    if BLOCKS[name].stalls:
        check(bench, stalled(cases(name, LARGE, seed=5), 0.35, seed=9))
    return results


def fails_if_empty(name, monkeypatch):
    """The tests of a block are red where it does nothing."""
    component = BLOCKS[name].component
    monkeypatch.setattr(component, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        check(amaranth(name), cases(name, 0))


def zeros(names, n):
    """Samples of zeros for an input stream."""
    return {name: np.zeros(n, dtype=np.int64) for name in names}
