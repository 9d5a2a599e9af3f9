"""The shared library: equal to the other benches, independent instances, honest about rules."""

import os
import threading
import time

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive.chain import Drive
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import DriveSpec
from shotveil.sim.cases.drive import chain_cases, stalled
from shotveil.sim.engines import cocotb_build, shared_library
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.compilers import _clangs, compiler
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.run import ExtraOutput, Run, Timeout
from shotveil.sim.engines.shared_library import Library, LibraryBench
from shotveil.sim.engines.verilator_bench import VerilatorBench

SPEC = DriveSpec(row_capacity=512)
LAYOUT = data.StructLayout({"value": signed(9), "mark": 1})


class Repeater(wiring.Component):
    """Adds `offset` to each sample, one clock later, and repeats it `more` times."""

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(LAYOUT)),
                "o": Out(stream.Signature(LAYOUT)),
                "offset": In(signed(9)),
                "more": In(2),
                "level": In(signed(5)),
                "count": Out(signed(6)),
                "inner": Out(wiring.Signature({"level": Out(signed(5))})),
            }
        )

    def elaborate(self, platform):
        m = Module()
        left = Signal(2)
        m.d.comb += [
            self.i.ready.eq((left == 0) & (self.o.ready | ~self.o.valid)),
            self.inner.level.eq(self.level),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(left != 0), self.count.eq(self.count - 1)]
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.p.value.eq(self.i.p.value + self.offset),
                self.o.p.mark.eq(self.i.p.mark),
                left.eq(self.more),
            ]
        return m


@pytest.fixture(scope="module")
def repeater():
    return Library(Repeater(), "repeater")


def samples(n):
    rng = np.random.default_rng(2)
    return {"value": rng.integers(-100, 100, n), "mark": rng.integers(0, 2, n)}


def test_the_drive_equals_its_model_and_the_other_benches():
    rng = np.random.default_rng(4)
    cases = chain_cases(SPEC, 2_000, rng)
    endless = {"o"}
    library = LibraryBench(Drive(SPEC), "drive", endless, "first")
    other = VerilatorBench(Drive(SPEC), "drive_chain", endless, "first", depth=1 << 20)
    ours, theirs = check(library, cases), check(other, cases)
    for a, b in zip(ours, theirs, strict=True):
        for field in ("i", "q", "first") if "o" in a.outputs else ():
            np.testing.assert_array_equal(a.outputs["o"][field], b.outputs["o"][field])
    check(library, stalled(cases, 0.35, seed=9))
    few = cases[:2]  # taps, then frames
    for a, b in zip(check(AmaranthBench(Drive(SPEC), endless, "first"), few), ours, strict=False):
        assert b.first.items() >= a.first.items()


def test_speed():
    """A compiled drive does a million clocks a second and more; two threads share no lock."""
    library = Library(Drive(SPEC), "drive")
    one, two = library.instance(), library.instance()

    def timed(*instances):
        threads = [threading.Thread(target=i.step, args=(400_000,)) for i in instances]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(instances) * 400_000 / (time.perf_counter() - started)

    alone, both = max(timed(one) for _ in range(3)), max(timed(one, two) for _ in range(3))
    print(f"drive: {alone / 1e6:.2f} M clocks/s, two in two threads {both / 1e6:.2f} M clocks/s")
    assert alone > 3e5


def test_stream_and_plain_ports(repeater):
    instance = repeater.instance()
    given = samples(50)
    instance.set(offset=-7)
    levels = np.arange(30) % 32 - 16
    got = instance.step(30, {"i": given, "level": levels}, ["o", "inner__level", "count"])
    np.testing.assert_array_equal(got["inner__level"], levels)
    assert len(got["o"]["value"]) == 29 and instance.pending("i") == 20
    more = instance.step(40, {}, ["o"])
    value = np.concatenate([got["o"]["value"], more["o"]["value"]])
    np.testing.assert_array_equal(value, given["value"] - 7)
    assert instance.get("count") == to_six_bits(-50)
    assert instance.passed("i") == (50, 0, 49) and instance.passed("o") == (50, 1, 50)


def to_six_bits(value):
    return (value + 32) % 64 - 32


@pytest.mark.parametrize("command", ["g++", *_clangs()[:1]])
def test_each_compiler_builds_a_library(monkeypatch, tmp_path, command):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    monkeypatch.setattr(shared_library, "compiler", compiler.__wrapped__)
    monkeypatch.setenv("CXX", command)
    instance = Library(Repeater(), "repeater").instance()
    instance.set(offset=3, more=1)
    given = instance.step(500, {"i": samples(200)}, ["o"])["o"]
    np.testing.assert_array_equal(given["value"][:400:2], samples(200)["value"] + 3)


def test_no_python_of_the_path_takes_part_in_a_build(monkeypatch, tmp_path):
    """There may be none, as on a fresh machine, or another than the one that runs."""
    for name in ("python", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "cache"))
    instance = Library(Repeater(), "repeater").instance()
    assert len(instance.step(500, {"i": samples(200)}, ["o"])["o"]["value"]) > 100
    runner, _ = cocotb_build.build("one", "top", {"generated_top.v": TOP}, public=("a",))
    assert runner


TOP = "module top(input wire a, output wire b);\n  assign b = ~a;\nendmodule\n"


def test_output_waits_for_room(repeater):
    instance = repeater.instance()
    given = samples(10)
    assert len(instance.step(30, {"i": given}, {"o": 4})["o"]["mark"]) == 4
    assert instance.pending("i") == 5  # one more is held at the output
    np.testing.assert_array_equal(instance.step(30, {}, ["o"])["o"]["mark"], given["mark"][4:])


def test_stalls_lose_nothing_and_repeat_with_their_seed(repeater):
    results = []
    for _ in range(2):
        instance = repeater.instance()
        instance.begin(0.4, seed=5)
        parts = [instance.step(25, {"i": samples(20)} if k < 5 else {}, ["o"]) for k in range(12)]
        results.append(np.concatenate([part["o"]["value"] for part in parts]))
        assert instance.passed("o")[2] > 150
    np.testing.assert_array_equal(results[0], np.tile(samples(20)["value"], 5))
    np.testing.assert_array_equal(results[0], results[1])


def test_instances_are_independent(repeater):
    one, two = repeater.instance(), repeater.instance()
    one.set(offset=5)
    given = samples(5)
    first, second = (i.step(9, {"i": given}, ["o"])["o"]["value"] for i in (one, two))
    np.testing.assert_array_equal(first, second + 5)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda i: i.set(offset=256), RangeError),
        (lambda i: i.set(count=1), KeyError),
        (lambda i: i.step(4, {"level": np.zeros(3, np.int64)}), RangeError),
        (lambda i: i.step(4, {"level": np.full(4, 16)}), RangeError),
        (lambda i: i.step(4, {}, ["i"]), KeyError),
    ],
)
def test_refuses(repeater, call, error):
    with pytest.raises(error):
        call(repeater.instance())


def test_the_bench_catches_missing_and_extra_output():
    bench = LibraryBench(Repeater(), "repeater")
    with pytest.raises(ExtraOutput):
        bench.run(Run({"more": 1}, {"i": samples(20)}, {"o": 20}))
    with pytest.raises(Timeout):
        bench.run(Run({}, {"i": samples(20)}, {"o": 21}, timeout=900))
