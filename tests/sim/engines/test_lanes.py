"""Many copies of a design at once: the bits of the models, whatever the other lanes do."""

import ctypes
import platform
import subprocess

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.sim.cases import digitiser, drive, host_link, node
from shotveil.sim.engines import lanes
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.lanes import LANES, LaneLibrary, lane_of
from shotveil.sim.engines.shared_library import LibraryBench


def bench(component, name, **how):
    return LibraryBench(component, name, library=LaneLibrary(component, name), **how)


def check_with_pauses(player, cases, stalls=True):
    check(player, cases)
    if stalls:
        check(player, drive.stalled(cases, 0.35, seed=9))


@pytest.mark.parametrize("name", drive.BLOCKS)
def test_blocks_of_the_drive(name):
    block, spec = drive.BLOCKS[name], DriveSpec()
    ends = {"endless": {"o"} if block.endless else (), "start": "first" if block.start else None}
    player = bench(block.component(spec), f"drive_{name}", **ends)
    check_with_pauses(player, block.cases(spec, 1000, np.random.default_rng(4)), block.stalls)


# Streams between these blocks are wider than a library takes; the whole chain has them inside.
WIDE = {"framing", "normalisation"}


@pytest.mark.parametrize("name", sorted(digitiser.BLOCKS.keys() - WIDE))
def test_blocks_of_the_digitiser(name):
    block = digitiser.BLOCKS[name]
    for quadratures in block.quadratures:
        spec = DigitiserSpec(quadratures=quadratures)
        player = bench(block.component(spec), f"digitiser_{name}_{quadratures}")
        check(player, block.cases(spec, 1000, np.random.default_rng(4)))


@pytest.mark.parametrize("name", host_link.BLOCKS)
def test_blocks_of_the_host_link(name):
    block = host_link.BLOCKS[name]
    player = bench(block.component(), f"host_link_{name}")
    check_with_pauses(player, block.cases(40, np.random.default_rng(4)))


@pytest.mark.parametrize("name", node.BLOCKS)
def test_blocks_of_the_node(name):
    block = node.BLOCKS[name]
    player = bench(block.component(), f"node_{name}")
    check_with_pauses(player, block.cases(500, np.random.default_rng(4)))


class Counter(wiring.Component):
    """Adds what comes in, and keeps sums and their parity in memories, at the sums' low bits."""

    def __init__(self):
        super().__init__(
            {"step": In(8), "sum": Out(16), "kept": Out(16), "odd": Out(1), "was_odd": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.sum.eq(self.sum + self.step)
        m.d.comb += self.odd.eq(self.sum[0])
        for width, given, kept in ((16, self.sum, self.kept), (1, self.odd, self.was_odd)):
            m.submodules += (memory := Memory(shape=width, depth=8, init=[7 % (1 << width)] * 8))
            write, read = memory.write_port(), memory.read_port(transparent_for=())
            m.d.comb += [
                write.addr.eq(self.sum), write.data.eq(given), write.en.eq(1),
                read.addr.eq(self.step), kept.eq(read.data),
            ]  # fmt: skip
        return m


@pytest.fixture(scope="module")
def counter():
    return LaneLibrary(Counter(), "lane_counter")


OUTPUTS = ("sum", "kept", "odd", "was_odd")


def lane(arrays, clock=0, at=0):
    """A lane of `Counter` that plays the array `step`, and records the others."""
    pointers = [arrays[name].ctypes.data for name in ("step", *OUTPUTS)]
    held = (ctypes.c_uint8 * 1)(), (ctypes.c_void_p * 5)(*pointers), (ctypes.c_uint64 * 5)()
    arrays["held"] = held  # as long as the lane points to them
    return lane_of(*held, clock, at)


def counted(steps):
    """What `Counter` gives in each clock."""
    memory, total, word, found = [7] * 8, 0, 0, []
    for step in steps:
        found.append((total, word, total & 1, word & 1))
        word, memory[total % 8] = memory[step % 8], total
        total = (total + step) % (1 << 16)
    return np.array(found).T


@pytest.mark.parametrize("alike", [False, True])
def test_lanes_go_on_by_themselves_and_stand_still_while_others_run(counter, alike):
    """Each lane plays numbers of its own, or those of all others, some of the lanes at a time."""
    rng = np.random.default_rng(3)
    copies, clocks = counter.copies(), 400
    arrays = []
    steps = rng.integers(0, 256, clocks).astype(np.uint64)
    for number in range(LANES):
        copies.reset(number)
        if not alike:
            steps = rng.integers(0, 256, clocks).astype(np.uint64)
        made = {name: np.zeros(clocks, np.uint64) for name in OUTPUTS}
        arrays.append({"step": steps, **made})
    at = [0] * LANES
    while min(at) < clocks:
        some = [k for k in range(LANES) if at[k] < clocks and rng.random() < 0.6]
        if alike:  # those that are furthest behind, which are at the same place
            some = [k for k in some if at[k] == min(at)]
        if not some:
            continue
        n = min(int(rng.integers(1, 40)), *(clocks - at[k] for k in some))
        copies.play(n, {k: lane(arrays[k], at=at[k]) for k in some})
        for k in some:
            at[k] += n
    for one in arrays:
        got = np.stack([one[name] for name in OUTPUTS]).astype(np.int64)
        np.testing.assert_array_equal(got, counted(one["step"].astype(int)))


def test_a_lane_begins_anew_while_the_others_go_on(counter):
    copies = counter.copies()
    ones = {
        "step": np.ones(50, np.uint64),
        **{name: np.zeros(50, np.uint64) for name in OUTPUTS},
    }
    other = {name: array.copy() for name, array in ones.items()}
    copies.reset(0), copies.reset(1)
    copies.play(30, {0: lane(ones), 1: lane(other)})
    copies.reset(0)
    copies.play(20, {0: lane(ones, at=30), 1: lane(other, at=30)})
    assert ones["sum"][30:].tolist() == list(range(20)) and ones["kept"][31] == 7
    assert other["sum"].tolist() == list(range(50))


def test_a_design_is_compiled_once_and_for_this_processor(monkeypatch, tmp_path, counter):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    calls = []
    real = subprocess.run
    monkeypatch.setattr(lanes.subprocess, "run", lambda *a, **k: calls.append(a) or real(*a, **k))
    first = LaneLibrary(Counter(), "lane_counter")
    assert LaneLibrary(Counter(), "lane_counter").path == first.path and len(calls) == 1
    monkeypatch.setattr(lanes, "_processor", lambda: "another")
    assert LaneLibrary(Counter(), "lane_counter").path != first.path and len(calls) == 2


def test_what_the_compiler_says_is_passed_on(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    monkeypatch.setattr(lanes, "source", lambda component, ports: "int x = nothing;")
    with pytest.raises(RangeError, match=r"C\+\+ compiler failed: .*error.*doctor"):
        LaneLibrary(Counter(), "lane_counter")


def test_code_without_masks_gives_the_same(monkeypatch, tmp_path):
    """As on a processor whose vectors have no masks."""
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    plain = ("-march=x86-64-v2",) if platform.machine() == "x86_64" else ()
    options = [option for option in lanes.OPTIONS if not option.startswith("-march")]
    monkeypatch.setattr(lanes, "OPTIONS", (*options, *plain))
    for name in ("phase", "correlator"):
        block, spec = digitiser.BLOCKS[name], DigitiserSpec(quadratures=2)
        player = bench(block.component(spec), f"digitiser_{name}_plain")
        check(player, block.cases(spec, 300, np.random.default_rng(4)))
