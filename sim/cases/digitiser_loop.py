"""The homodyne lock, closed: the receiver's DAC codes turn the light that it samples next.

`close_model` closes the loop of a `sim.cases.digitiser_link.HomodyneLight` around the bit-true
model, `LoopBench` around the design's Verilog under cocotb and Verilator.
"""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cocotb_tools.runner import get_results

from shotveil.gateware.digitiser.chain import Receiver
from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser import chain, phase_lock
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import fields, outgoing, receiver_ports
from shotveil.sim.cases.digitiser_link import BLOCK, HomodyneLight
from shotveil.sim.engines.run import Run
from shotveil.sim.engines.verilator_bench import VerilatorBench

FloatArray = npt.NDArray[np.float64]

FLUSH = 500  # clocks in which a finished frame's code comes out without further samples


@dataclass(frozen=True)
class Closed:
    """A closed loop's run. `codes` (blocks,) are in force block by block, `dac` those that came;
    `words` are the ADC's, `steady` the lock after each frame and `received` the model's result."""

    codes: IntArray
    dac: IntArray
    words: IntArray
    steady: BoolArray
    received: chain.Received


def pilot_samples(spec: DigitiserSpec, settings: DigitiserSettings) -> IntArray:
    """The middle of each pilot's pulse, in samples from its frame's start."""
    (pilots,) = np.nonzero(chain.plan(settings).pilot >= 0)
    middle: IntArray = 4 * pilots + spec.taps // 2
    return middle


def close_model(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    loop: PhaseLockSettings,
    link: HomodyneLight,
    q: IntArray,
    offset: tuple[int, ...] | None = None,
    free: int = 0,
) -> Closed:
    """The model with its own codes fed back, to the bit.

    The model runs over the whole session with assumed codes. What it measures, put back by the
    assumed turns, tells the codes of a loop closed on them, which are assumed next. A frame's codes
    depend on earlier samples only, so each round makes at least one more frame final, and codes
    that come out as they went in are those of the closed loop, the only ones there are. A few
    rounds do. `free` lets codes differ by so many at the end, for sessions where noise moves them
    by more. Raises `RuntimeError` if the codes do not settle.
    """
    codes = np.zeros(link.blocks, np.int64)
    at_pilots = pilot_samples(spec, settings)
    for _ in range(200):
        words = link.words(spec, codes)
        got = chain.model(spec, settings, words, q, offset=offset)
        angle, bad = got.phases.angle, got.phases.bad
        state = phase_lock.PhaseLockState()
        new = np.zeros_like(codes)
        dac, steady = [], []
        for frame, measured, failed in zip(got.frames, angle.tolist(), bad.tolist(), strict=False):
            where = np.minimum((frame.start + at_pilots) // link.block, link.blocks - 1)
            # Differences of turns, the short way round, at this frame's pilots.
            more = np.angle(np.exp(2j * np.pi * (new[where] - codes[where]) / loop.span))
            moved = round(float(np.mean(more)) / (2 * np.pi) * 2**spec.phase_bits)
            result = phase_lock.step(spec, loop, state, measured - moved, failed)
            steady.append(state.steady == phase_lock.STEADY)
            if result is None:
                continue
            dac.append(result[0])
            new[-(-chain.finished(spec, settings, frame.start) // link.block) :] = result[0]
        apart = (new - codes + loop.span // 2) % loop.span - loop.span // 2
        if np.abs(apart).max() <= free:
            return Closed(codes, np.array(dac, np.int64), words, np.array(steady), got)
        codes = new
    raise RuntimeError("the closed loop's codes do not settle")


class LoopBench(VerilatorBench):
    """The receiver's Verilog with its DAC codes fed back block by block."""

    def __init__(self, spec: DigitiserSpec, name: str):
        self._spec = spec
        super().__init__(Receiver(spec), name, depth=1 << 12)

    def close(
        self, settings: DigitiserSettings, loop: PhaseLockSettings, links: Sequence[HomodyneLight]
    ) -> list[tuple[IntArray, IntArray]]:
        """Codes in force, shape (blocks,), and those that came, for each link from reset.

        Links have blocks of the same length. Raises `RuntimeError` if the simulation fails.
        """
        block, blocks = links[0].block, max(link.blocks for link in links)
        require("block", block, at_least=1, below=self._depth, integer=True)
        ports = receiver_ports(self._spec, settings)
        ports |= {n: getattr(loop, n) for n in ("ki", "kp", "setpoint", "window", "span")}
        nothing = np.zeros((2, block), np.int64)
        due = {name: self._depth for name in self._ports.outputs}
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            for index in range(blocks):
                # What comes is not known before: a run lasts its clocks, and takes what there is.
                run = Run(
                    ports if index == 0 else {},
                    {"i": fields(nothing[:1]), "q": fields(nothing)},
                    due,
                    timeout=block + FLUSH,
                )
                self._write(run, folder, index)
            (folder / "links.pickle").write_bytes(pickle.dumps((self._spec, list(links))))
            log = folder / "cocotb.log"
            results = self._runner.test(
                test_module="shotveil.sim.cases.digitiser_link",
                hdl_toplevel="bench",
                hdl_toplevel_lang="verilog",
                build_dir=self._folder,
                test_dir=folder,
                results_xml=str(folder / "results.xml"),
                log_file=log,
            )
            if get_results(results) != (1, 0):
                raise RuntimeError(f"cocotb failed:\n{log.read_text()[-4000:]}")
            found = json.loads((folder / "codes.json").read_text())
        return [(np.array(codes), np.array(came)) for codes, came in found]


def lock_case(
    spec: DigitiserSpec,
    channel: SimulatedChannel,
    frames: int,
    rng: np.random.Generator,
    layout: FrameLayout | None = None,
    block: int = BLOCK,
    drift: float = 1e-3,
) -> tuple[DigitiserSettings, HomodyneLight, IntArray]:
    """Frames for a loop to lock on, their phase drifting by `drift` rad a frame: settings, link,
    and row symbols enough."""
    sent, q, _, settings = outgoing(spec, channel, frames, rng, layout)
    span = PhaseLockSettings().span
    link = HomodyneLight.through(spec, channel, sent, span, rng, block, drift / settings.period)
    return settings, link, np.concatenate([q, q], axis=1)


def residual(
    spec: DigitiserSpec, settings: DigitiserSettings, link: HomodyneLight, closed: Closed
) -> FloatArray:
    """The light's phase at the pilots that the receiver saw, in rad, shape (frames, pilots)."""
    phase = link.phase - link.turn(closed.codes)
    starts = np.array([frame.start for frame in closed.received.frames[: len(closed.steady)]])
    where = starts[:, None] + pilot_samples(spec, settings)
    found: FloatArray = np.angle(np.exp(1j * phase[where]))
    return found
