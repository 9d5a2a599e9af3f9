"""Client's node: angles go out as the model says, while the server's light is received."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.task import bridge

from shotveil.gateware.node.chain import NodeCore
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.node import chain
from shotveil.sim.benches.coverage import point
from shotveil.sim.benches.host import LAYOUT, Converters, host_of, small
from shotveil.sim.cases.digitiser import light
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = small("client")
FRAMES = 6

seen = point("what comes out", "angles", "inference values", "sums", "codes of the phase shifter")


def component() -> NodeCore:
    """What is simulated."""
    return NodeCore(SPEC)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def angles_leave_and_light_is_received(dut: Any) -> None:
    """All against the model, which hears the words that the bench gave to the ADC."""
    bench = await CocotbBench(dut, component()).begin()
    channel = SimulatedChannel(transmittance=0.7, delay=100.3, phase=0.1)
    given = light(SPEC.digitiser, channel, FRAMES - 1, bench.rng, LAYOUT)
    words = np.concatenate([np.zeros(400, np.int64), given.codes[0]])
    converters = Converters(bench, SPEC, words)

    @bridge
    def host() -> None:
        node = host_of(bench, SPEC)
        drive = DriveSettings(layout=LAYOUT, angle=True, reference=0.0)
        node.configure(drive, given.settings, lead_in=0)
        table = bench.rng.integers(-(1 << 15), 1 << 15, (2, LAYOUT.row))
        node.load_angles(table)
        batch = node.play_angles(FRAMES)
        starts, period = converters.frames, LAYOUT.length * SPEC.drive.samples_per_symbol
        assert len(starts) == FRAMES and set(np.diff(starts)) == {period}
        setup = chain.NodeSetup.of(SPEC, drive, digitiser=given.settings, lead_in=0)
        due = chain.emit(SPEC, setup, np.repeat(table[None], FRAMES, axis=0)).codes
        sent = converters.sent()[:, starts[0] : starts[0] + FRAMES * period]
        np.testing.assert_array_equal(sent, due.swapaxes(0, 1).reshape(2, -1))
        seen("angles")
        adc = np.array(converters.heard[starts[0] :])[None]
        heard = chain.hear(SPEC, setup, adc, np.zeros((0, 2, LAYOUT.row)), [])
        np.testing.assert_array_equal(batch.inference.T, heard.inference)
        assert heard.inference.any()
        seen("inference values")
        np.testing.assert_array_equal(batch.session, heard.received.sums.session)
        seen("sums")
        assert int(dut.shifter.value) == heard.shifter[-1]
        seen("codes of the phase shifter")

    await host()
