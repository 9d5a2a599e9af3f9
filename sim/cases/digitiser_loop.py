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

FLUSH = 500  # clocks within which a finished frame's code comes out without further samples


@dataclass(frozen=True)
class Closed:
    """A run of a closed loop.

    `codes` (blocks,) are those in force in each block, `dac` those that the receiver put out.
    `words` are the ADC's, `steady` says whether the loop was locked after each frame, and
    `received` is the model's result.
    """

    codes: IntArray
    dac: IntArray
    words: IntArray
    steady: BoolArray
    received: chain.Received


def pilot_samples(spec: DigitiserSpec, settings: DigitiserSettings) -> IntArray:
    """Where the middle of each pilot's pulse is, in samples from the start of its frame."""
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
    """Run the model with its own codes fed back, exact to the bit.

    The model runs over the whole session with assumed codes. From the phases that it measures and
    the turns that were assumed follow the codes that a closed loop would have put out; they are
    assumed in the next round. A frame's codes depend on earlier samples only, so each round makes
    at least one more frame final. Codes that come out as they went in are those of the closed loop,
    and no others can be. A few rounds are enough. `free` is the number of codes at the end that may
    still differ, for sessions in which noise keeps moving them. Raises `RuntimeError` if the codes
    do not settle.
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
            # The differences of turns at this frame's pilots, taken the short way round.
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
        """For each link from reset, the codes in force and those put out, shape (blocks,).

        All links have blocks of the same length. Raises `RuntimeError` if the simulation fails.
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
                # The outputs are not known before: a run has a fixed length and takes what comes.
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
    """Frames for a loop to lock on, whose phase drifts by `drift` rad a frame.

    Returns settings, link, and enough row symbols.
    """
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
