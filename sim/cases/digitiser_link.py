"""What surrounds a homodyne receiver in a closed loop, and the cocotb side that plays it.

That is the light that was sent, a phase that moves, noise, the phase shifter in the local
oscillator that the receiver's codes set, and the converter. The simulator imports this module, so
it imports few others itself.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge, Timer

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.channel import SimulatedChannel, convert, detect
from shotveil.models.digitiser.spec import DigitiserSpec

FloatArray = npt.NDArray[np.float64]

BLOCK = 32  # samples for which a code is in force; a bench also goes forward by so many


@dataclass(frozen=True)
class HomodyneLight:
    """What a homodyne receiver's ADC sees, given the codes of the phase shifter.

    `light` is the field before the phase shifter and `rest` is noise and offset, both in ADC steps.
    `phase` is the phase, in rad, at which light arrives that was sent at phase 0. All three have
    shape (n,). `span` codes make a full turn of the phase shifter, and a code holds for `block`
    samples.
    """

    light: npt.NDArray[np.complex128]
    rest: FloatArray
    phase: FloatArray
    span: int
    block: int = BLOCK

    @classmethod
    def through(
        cls,
        spec: DigitiserSpec,
        channel: SimulatedChannel,
        sent: npt.NDArray[np.complex128],
        span: int,
        rng: np.random.Generator,
        block: int = BLOCK,
        drift: float = 0.0,
    ) -> HomodyneLight:
        """Send samples `sent` (√SNU) through a channel whose phase drifts by `drift` rad a sample.

        An incomplete block at the end is cut off.
        """
        sent = sent[: len(sent) // block * block]
        seed = int(rng.integers(2**31))

        def seen(light: npt.NDArray[np.complex128], noise: bool) -> FloatArray:
            # With the same seed, the phase makes the same random walk.
            setup = replace(channel, noise=noise)
            return detect(spec, setup, light, np.random.default_rng(seed))[0]

        one = np.ones_like(sent)
        gain = seen(one, False) + 1j * seen(-1j * one, False) - (1 + 1j) * channel.adc_offset
        gain *= np.exp(1j * drift * np.arange(len(sent)))
        return cls(gain * sent, seen(0 * one, True), np.unwrap(np.angle(gain)), span, block)

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return len(self.light) // self.block

    def turn(self, codes: IntArray) -> FloatArray:
        """The phase shifter's turn, in rad, at each sample of blocks with these codes."""
        turn: FloatArray = np.repeat(codes.astype(np.float64), self.block)
        return turn * (2 * np.pi / self.span)

    def words(self, spec: DigitiserSpec, codes: IntArray, first: int = 0) -> IntArray:
        """ADC words, shape (1, n), of as many blocks from `first` on as there are codes."""
        part = slice(first * self.block, (first + len(codes)) * self.block)
        turned = self.light[part] * np.exp(-1j * self.turn(codes))
        return convert(spec, (turned.real + self.rest[part])[None])


@cocotb.test(timeout_time=10, timeout_unit="sec")  # of simulated time
async def close(dut: object) -> None:
    """Play sessions from reset, each block with the code that had come before it."""
    spec, links = pickle.loads(Path("links.pickle").read_bytes())
    found = []
    await Timer(20, unit="ns")
    for link in links:
        codes: list[int] = []
        came: list[int] = []
        for index in range(link.blocks):
            codes.append(came[-1] if came else 0)
            words = link.words(spec, np.array(codes[-1:]), index)[0]
            words.astype(">u8").tofile(f"{index}.i.in")
            dut.run.value = index  # type: ignore[attr-defined]
            dut.load.value = 1  # type: ignore[attr-defined]
            await RisingEdge(dut.done)  # type: ignore[attr-defined]
            came += np.fromfile(f"{index}.dac.out", dtype="<u8").astype(int).tolist()
            dut.load.value = 0  # type: ignore[attr-defined]
            await Timer(40, unit="ns")
        found.append((codes, came))
    Path("codes.json").write_text(json.dumps(found))
