"""A block of the digitiser against its model, to the bit: what the test file of each block calls.

In Amaranth's simulator, and as Verilog under cocotb and Verilator; with and without pauses. And the
proof that these tests can fail.
"""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, Value

from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import BLOCKS, chain_cases
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.run import Run
from shotveil.sim.engines.verilator_bench import VerilatorBench
from tests.gateware.patience import hurried

# Small memories: Amaranth's simulator starts them word by word.
SPECS = {n: DigitiserSpec(quadratures=n, modes=64, row_capacity=512) for n in (1, 2)}
BRISK = {n: replace(spec, samples_per_symbol=2) for n, spec in SPECS.items()}
SMALL = {"synchroniser": 3000, "correlator": 0}


def cases(name, size, spec, seed=4):
    return BLOCKS[name].cases(spec, size, np.random.default_rng(seed))


def small(name, spec, seed=4):
    if name == "chain":
        # Long enough for a frame's sums to be sent before the next one's are due.
        layout = FrameLayout(
            preamble=16, row=64, pilot_spacing=64, vacuum=min(255, 256 // spec.samples_per_symbol)
        )
        layout = replace(layout, guard=8 if spec.samples_per_symbol == 4 else 100)
        return chain_cases(spec, 2000, np.random.default_rng(seed), layout)
    return cases(name, SMALL.get(name, 40), spec, seed)


def verilator(name, spec, primitive=Primitive.INFERRED):
    label = f"digitiser_{name}_{spec.quadratures}_{spec.samples_per_symbol}_{primitive.value}"
    return VerilatorBench(BLOCKS[name].component(spec), label, primitive=primitive, depth=1 << 20)


def in_amaranth(name, quadratures, specs=SPECS):
    """A few cases; also with pauses, where that is not slow: then it is done as Verilog.

    A block pauses in the same way for both numbers of quadratures, so one of them is enough.
    """
    spec = specs[quadratures]
    settings_fit(BLOCKS[name].component(DigitiserSpec(quadratures=quadratures)), quadratures)
    given = small(name, spec)
    check(AmaranthBench(BLOCKS[name].component(spec)), hurried(given))
    slow = name in ("chain", "synchroniser", "correlator")
    if not slow and quadratures == BLOCKS[name].quadratures[0]:
        check(AmaranthBench(BLOCKS[name].component(spec)), stalled(given, 0.35, seed=8))


def settings_fit(component, quadratures):
    """The ports of a component as nodes have it are as wide as the registers wired to them."""
    known = register_map(NodeSpec(role="server" if quadratures == 2 else "client"))
    ports = component.signature.members
    names = {name for name in ports if f"digitiser_{name}" in known and ports[name].is_port}
    assert {name: len(Value.cast(getattr(component, name))) for name in names} == {
        name: known[f"digitiser_{name}"].width for name in names
    }


def as_verilog(name):
    """Many cases, and then some with pauses."""
    spec = SPECS[BLOCKS[name].quadratures[0]]
    bench = verilator(name, spec)
    check(bench, cases(name, 4000, spec))
    check(bench, stalled(cases(name, 2000, spec, seed=5), 0.35, seed=9))


def fails_without(name, component, monkeypatch):
    """The tests of the block `name` are red where `component`, it or a part of it, is empty."""
    spec = SPECS[BLOCKS[name].quadratures[0]]
    monkeypatch.setattr(component, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        check(AmaranthBench(BLOCKS[name].component(spec)), hurried(small(name, spec)))


def zeros(component, n, **others):
    """Samples of zeros for the input stream of a block, but for the fields given."""
    names = [name for name, _ in component.i.payload.shape()]
    return {name: np.zeros(n, np.int64) for name in names} | others


def play(component, given, due, settings=None, **streams):
    """Play samples without a pause, for what it takes in clocks."""
    run = Run(settings or {}, {"i": given}, {"o": due, **streams})
    (result,) = AmaranthBench(component).run(run)
    return result
