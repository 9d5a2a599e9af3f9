"""DAC: codes as the model rounds them, zero until armed at a frame's start, off after faults."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.drive.dac import Dac
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.drive import dac
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.drive import dac_cases
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = DriveSpec(row_capacity=512)
UNIT = 1 << (SPEC.voltage.fraction - SPEC.dac.fraction)  # one code, in steps of the voltage
FULL = SPEC.dac.highest

code = point("code", "lowest", "negative", "zero", "positive", "highest")
rounding = point("rounding", "exact", "tie to even below", "tie to even above", "nearest")
cause = point("cause of a stop", "none", "fault", "saturation", "starved", "arm low")
again = point("armed again", "waits for a frame", "a frame undoes no fault")


def component() -> Dac:
    """What is simulated."""
    return Dac(SPEC)


async def begin(dut: Any, **settings: int) -> CocotbBench:
    """A bench whose design is disarmed, then armed with these settings."""
    bench = await CocotbBench(dut, component(), {"o"}).begin()
    bench.set(arm=0, clear=1, stop_on_fault=1, stop_on_saturation=1)
    await bench.tick(2)
    bench.set(clear=0, arm=1, **settings)
    bench.sinks["o"].words.clear()
    return bench


def voltages(values: IntArray, first: bool = True, fault: int | None = None) -> dict[str, IntArray]:
    """A frame for the input stream; sample number `fault`, if any, is marked."""
    marks = {name: np.zeros(values.shape[1], np.int64) for name in ("first", "fault")}
    marks["first"][0] = int(first)
    if fault is not None:
        marks["fault"][fault] = 1
    return {"i": values[0], "q": values[1], **marks}


def note(values: IntArray, codes: IntArray) -> None:
    """Sample the coverage of what went in and what must come out."""
    for value, out in zip(values.ravel().tolist(), codes.ravel().tolist(), strict=True):
        ends = {-FULL - 1: "lowest", 0: "zero", FULL: "highest"}
        code(ends.get(out, "positive" if out > 0 else "negative"))
        over = value - out * UNIT
        ties = {UNIT // 2: "tie to even below", -UNIT // 2: "tie to even above", 0: "exact"}
        rounding(ties.get(over, "nearest"))


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def equals_the_model_in_every_case(dut: Any) -> None:
    """The cases that the block's tests play in bulk, in range and far beyond it."""
    bench = await CocotbBench(dut, component(), {"o"}, "first").begin()
    for case in dac_cases(SPEC, 100, np.random.default_rng(cocotb.RANDOM_SEED)):
        await bench.check(case)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(
    ("stop_on_fault", [0, 1]),
    ("stop_on_saturation", [0, 1]),
    ("trouble", ["none", "fault", "saturation", "starved", "arm low"]),
)
async def stops_at_trouble(
    dut: Any, stop_on_fault: int, stop_on_saturation: int, trouble: str
) -> None:
    """From the pair with the trouble on the output is zero, unless that is allowed to pass."""
    bench = await begin(dut, stop_on_fault=stop_on_fault, stop_on_saturation=stop_on_saturation)
    at, n, late = 20, 40, component().latency
    steps = np.random.default_rng(cocotb.RANDOM_SEED).integers(-FULL, FULL, (2, n))
    values = steps * UNIT + UNIT // 2
    values[0, :3] = [-FULL * UNIT - UNIT, 0, UNIT]
    if trouble == "saturation":
        values[0, at] = 3 * FULL * UNIT
    marked = voltages(values, fault=at if trouble == "fault" else None)
    given = at if trouble == "starved" else n
    bench.sources["i"].send({field: line[:given] for field, line in marked.items()})
    await bench.tick(late + at - 1)
    if trouble == "arm low":
        bench.set(arm=0)
    await bench.tick(n)
    got = bench.sinks["o"].samples()
    raw = registers(
        SPEC,
        DriveSettings(
            stop_on_fault=bool(stop_on_fault), stop_on_saturation=bool(stop_on_saturation)
        ),
    )
    wrong = np.zeros(n, np.bool_)
    wrong[at] = trouble in ("fault", "starved")
    if trouble == "starved":  # whatever the settings are
        raw = registers(SPEC, DriveSettings(stop_on_fault=True))
    codes, _, tripped = dac.model(SPEC, raw, values, wrong)
    if trouble == "arm low":
        codes[:, at:] = 0
    note(values, codes)
    cause(trouble)
    for arm, line in zip("iq", codes, strict=True):
        np.testing.assert_array_equal(got[arm][late : late + n], line)
        assert not got[arm][:late].any(), "codes came before the frame"
    # Where nothing stopped it before, the end of the frame does: no pair comes any more.
    unstopped = not tripped and trouble != "arm low"
    assert bench.get("starved") == int(unstopped or trouble == "starved")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def arms_at_the_start_of_a_frame_only(dut: Any) -> None:
    """A frame on its way when `arm` rises stays dark, and `arm` alone undoes a fault."""
    bench = await begin(dut)
    values = np.full((2, 30), 5 * UNIT)
    values[:, ::2] += UNIT // 2
    bench.sources["i"].send(voltages(values, first=False))
    await bench.tick(40)
    assert not bench.sinks["o"].samples()["i"].any() and not bench.get("armed")
    again("waits for a frame")
    for number in range(2):  # the pause behind the first one is a fault
        bench.sources["i"].send(voltages(values))
        bench.sinks["o"].words.clear()
        await bench.tick(50)
        assert bench.sinks["o"].samples()["i"].any() == (number == 0)
    again("a frame undoes no fault")
    bench.set(arm=0)
    await bench.tick(2)
    assert not bench.get("tripped")


@cocotb.test(timeout_time=3, timeout_unit="ms")
@cocotb.parametrize(("clear_while_full", [0, 1]))
async def counts_what_saturates(dut: Any, clear_while_full: int) -> None:
    """`clear` wins over a pair that saturates in the same clock."""
    bench = await begin(dut, stop_on_saturation=0)
    values = np.full((2, 60), 2 * FULL * UNIT)
    bench.sources["i"].send(voltages(values))
    await bench.tick(30)
    seen = bench.get("saturated")
    assert seen == 30 - component().latency and bench.get("saturated_flag")
    bench.set(clear=clear_while_full)
    await bench.tick(1)
    bench.set(clear=0)
    await bench.tick(2)
    assert bench.get("saturated") == (2 if clear_while_full else seen + 3)
