"""The register bank against plain integers, in both simulators; its promises clock by clock."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from shotveil.gateware.node.register_bank import RegisterBank
from shotveil.models.node.register import Access
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.cases.registers import SMALL, RegisterAccess, RegisterProbe, cases, run
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.verilator_bench import VerilatorBench

MAPS = {
    "small": SMALL,
    "server": register_map(NodeSpec()),
    "client": register_map(NodeSpec("client")),
}


def stalled(given, stall):
    return [replace(case, run=replace(case.run, stall=stall, seed=3)) for case in given]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_in_amaranth(name, stall):
    given = cases(MAPS[name], 60, np.random.default_rng(5))
    check(AmaranthBench(RegisterProbe(MAPS[name])), stalled(given, stall))


@pytest.mark.parametrize("name", ["small", "server"])
def test_as_verilog(name):
    bench = VerilatorBench(RegisterProbe(MAPS[name]), f"registers_{name}")
    check(bench, cases(MAPS[name], 20_000, np.random.default_rng(6)))
    check(bench, stalled(cases(MAPS[name], 5_000, np.random.default_rng(7)), 0.4))
    torn(bench, MAPS[name])


def test_an_empty_design_fails(monkeypatch):
    monkeypatch.setattr(RegisterBank, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        check(AmaranthBench(RegisterProbe(SMALL)), cases(SMALL, 20, np.random.default_rng(8)))


def test_words_of_a_status_belong_together():
    torn(AmaranthBench(RegisterProbe(SMALL)), SMALL)


def torn(bench, registers):
    """Read statuses of several words while they count: all words of one tell the same number."""
    wide = [r for r in registers.of(Access.STATUS).values() if r.words > 1]
    steps = [
        RegisterAccess(registers.address(r.name) + k) for r in wide * 20 for k in range(r.words)
    ]
    (result,) = bench.run(run(steps, len(steps), 0, {"racing": 1}))
    words = result.outputs["answers"].reshape(-1, 2)
    for register, (low, high) in zip(wide * 20, words, strict=True):
        assert high == low & ((1 << (register.width - 32)) - 1)
    assert len(np.unique(words[:, 0])) == len(words)  # they did count


def played(bank, script, clocks=40):
    """Drive the bus by a script {clock: {port: value}}; every clock's view of all outputs."""
    seen = []

    async def bench(ctx):
        for clock in range(clocks):
            ctx.set(bank.bus.w_strobe, 0)
            ctx.set(bank.bus.r_strobe, 0)
            for port, value in script.get(clock, {}).items():
                ctx.set(bank.locked if port == "locked" else getattr(bank.bus, port), value)
            view = {n: ctx.get(s) for n, s in {**bank.settings, **bank.strobes}.items()}
            view |= {"r_valid": ctx.get(bank.bus.r_valid), "held": ctx.get(bank.held)}
            seen.append(view)
            await ctx.tick()

    simulator = Simulator(bank)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def write(registers, name, value, k=0):
    return {"w_strobe": 1, "address": registers.address(name) + k, "w_data": value}


@pytest.mark.parametrize("name", MAPS)
def test_a_read_takes_as_long_as_it_says(name):
    bank = RegisterBank(MAPS[name])
    seen = played(bank, {5: {"r_strobe": 1, "address": 0}})
    assert [k for k, view in enumerate(seen) if view["r_valid"]] == [5 + bank.latency]


def test_settings_are_staged_and_change_together():
    bank = RegisterBank(SMALL)
    seen = played(
        bank,
        {
            2: write(SMALL, "flag", 0),
            3: write(SMALL, "level", 60),
            4: write(SMALL, "wide", 0xFFFFFFFF, 0),
            5: write(SMALL, "wide", 0x1F, 1),
            9: write(SMALL, "commit", 0),
            10: write(SMALL, "level", 1),
            20: write(SMALL, "go", 0),
        },
    )
    before = {"flag": 1, "level": -5, "wide": -(1 << 34)}
    after = {"flag": 0, "level": 60, "wide": (1 << 37) - 1}
    at = 9 + bank.write_latency
    for clock, view in enumerate(seen):
        assert {n: view[n] for n in before} == (before if clock < at else after), clock
        assert view["commit"] == (clock == at)
        assert view["go"] == (clock == 20 + bank.write_latency)


@pytest.mark.parametrize("name", MAPS)
def test_a_commit_is_held_where_it_would_change_a_setting_that_is_locked(name):
    registers = MAPS[name]
    settings = [(r, k) for r in registers.of(Access.SETTING).values() for k in range(r.words)]
    others = [r for r in registers if r.access is not Access.SETTING and r.name != "commit"]
    locked = [(r, k) for r, k in settings if not r.live]
    harmless = [(r, k) for r, k in settings if r.live] + [(r, 0) for r in others]
    script, held = {}, []
    for round_, (register, k) in enumerate([locked[0], locked[-1], *harmless]):
        at = 24 * round_
        script |= {
            at + 1: {"locked": 1},
            # A read puts an address on its way, too, but touches nothing.
            at + 2: {"r_strobe": 1, "address": registers.address(locked[0][0].name)},
            at + 4: write(registers, register.name, 1, k),
            at + 6: write(registers, "commit", 0),
            at + 8: write(registers, "commit", 0),  # still not in effect
            at + 12: {"locked": 0},
            at + 13: write(registers, "commit", 0),
        }
        if round_ < 2:
            held += [at + 6 + RegisterBank.write_latency, at + 8 + RegisterBank.write_latency]
    seen = played(RegisterBank(registers), script, clocks=at + 24)
    assert [clock for clock, view in enumerate(seen) if view["held"]] == held


def test_what_a_node_does_after_reset():
    for name in ("server", "client"):
        (first,) = played(RegisterBank(MAPS[name]), {}, clocks=1)
        registers = MAPS[name]
        for register in registers.of(Access.SETTING).values():
            assert first[register.name] == register.reset
        assert not any(first[strobe] for strobe in registers.of(Access.STROBE))
        # No light: neither armed nor granted, and nothing to send.
        dark = ("arm", "grant", "lead_in", "drive_scale", "drive_reference")
        assert [first[n] for n in dark] == [0] * len(dark)
