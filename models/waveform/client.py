"""The client's optics: how they change a frame of light.

**What is modelled.** The N modes of a row are the pulses of one frame, one after the other. The
client switches each pulse to its own input of a mesh with N inputs, and after the mesh back to its
place in the frame. Preamble and pilots go to the mesh's first output directly. In that output,
mode 1 takes the place of one row symbol, so that the client's detector receives an ordinary frame.
All of the output is amplified and tapped. The client has to hold the light for one frame to do
this. The switches are ideal; their loss is part of the transmittance. The modes are the matched
amplitudes of the pulses (`Pulses`). Light that matches no pulse, such as part of a distorted pulse,
bypasses the mesh. It therefore lowers the signal that the client reads, but not the returned light.

**The amplifier.** It adds ν = √((G−1)/G)·(v† − u) to the returned light. From the amplitude b of
mode 1, amplifier and tap make the tapped output

    m = √(G−1)·b + (G−2)/(2√(G−1))·ν + w,   w white of variance G/2, independent of ν,

which is the output of docs/physics.md, split into the part that depends on ν and the rest.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.amplifier import noise_quantum, require_gain
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.noise import Normals
from shotveil.models.waveform.pulses import Pulses

Complex = NDArray[np.complex128]


class ClientOptics:
    """Interferometer, amplifier and tap of a client that amplifies by `gain`.

    `mode` is the number of the row symbol whose place mode 1 takes at the client's detector. If
    `vacuum` is False there is no quantum noise; this is unphysical but shows distortions alone.
    All amplified light returns with the amplitude 1 − `loss_imbalance` against the other light.
    Raises `RangeError` for a gain or a mode out of range.
    """

    def __init__(
        self,
        layout: FrameLayout,
        pulses: Pulses,
        gain: float,
        mode: int,
        rng: np.random.Generator,
        vacuum: bool = True,
        loss_imbalance: float = 0.0,
    ) -> None:
        require_gain(gain)
        require("mode", mode, at_least=0, below=layout.row, integer=True)
        self._pulses, self._gain, self._vacuum = pulses, gain, vacuum
        slots = layout.slots()
        (self._row,) = np.nonzero(slots == Slot.ROW)
        (self._references,) = np.nonzero((slots == Slot.PREAMBLE) | (slots == Slot.PILOT))
        self._mode = self._row[mode]
        require("loss imbalance", loss_imbalance, at_least=0, below=1)
        self._dark, self._idler, self._port, self._lost = (Normals(r) for r in rng.spawn(4))
        self._loss = loss_imbalance

    @property
    def white(self) -> float:
        """Variance (SNU) of w, the noise of the tapped output that `frames` leaves out."""
        return self._gain / 2 if self._vacuum else 0.0

    def frames(self, light: Complex, mesh: Mesh) -> tuple[Complex, Complex]:
        """Tapped output without w, and returned light; each (F, samples), like `light`, in √SNU."""
        amplitudes = self._pulses.analyse(light)
        frames = len(light)
        gain = self._gain
        shape = amplitudes.shape
        dark = self._noise(self._dark, shape)
        nu = self._noise(self._idler, shape) * math.sqrt(noise_quantum(gain))
        row = amplitudes[:, self._row].T
        one, others = mesh.gather(row, self._noise(self._port, (frames,)).astype(np.complex128))

        # The mesh's first output holds preamble and pilots, mode 1, and vacuum elsewhere.
        output = dark.astype(np.complex128)
        output[:, self._references] = amplitudes[:, self._references]
        output[:, self._mode] = one
        # For G → 1 the second factor grows as nu shrinks, so their product stays finite.
        tapped = math.sqrt(gain - 1) * output + (gain - 2) / (2 * math.sqrt(gain - 1)) * nu

        change = np.zeros(shape, np.complex128)
        gained = nu + self._imbalance(output, nu)
        change[:, self._references] = gained[:, self._references]
        change[:, self._row] = (mesh.spread(one + gained[:, self._mode], others) - row).T
        returned = self._pulses.synthesise(change)
        returned += light
        return self._pulses.synthesise(tapped), returned

    def _imbalance(self, output: Complex, nu: NDArray[np.complex64]) -> Complex | float:
        """What the amplified light, the mesh's output with ν, loses before it returns."""
        d = self._loss
        if not d:
            return 0.0
        vacuum = self._noise(self._lost, nu.shape)
        return math.sqrt(d * (2 - d)) * vacuum - d * (output + nu)

    def _noise(self, normals: Normals, shape: tuple[int, ...]) -> NDArray[np.complex64]:
        if not self._vacuum:
            return np.zeros(shape, np.complex64)
        return normals.complex(math.prod(shape)).reshape(shape)
