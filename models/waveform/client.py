"""The client's optics: what becomes of a frame of light.

**What is modelled.** The N modes of a row are the pulses of one frame, one behind the other. The
client switches them onto the N inputs of a mesh, one pulse each, and back into their places behind
it; preamble and pilots go to the mesh's first output directly. In that output, mode 1 takes the
place of one row symbol, so that its detector sees a frame like any other. All of the output is
amplified and tapped. To do so the client has to hold the light for a frame. Switches are ideal:
their loss belongs in the transmittance. The modes are the matched amplitudes of the pulses
(`Pulses`); light that no pulse matches, such as a distorted pulse's rest, passes by the mesh, and
so lowers the signal that the client reads, not the light that returns.

**The amplifier.** It adds ν = √((G−1)/G)·(v† − u) to what returns, and with the tap it makes

    m = √(G−1)·b + (G−2)/(2√(G−1))·ν + w,   w white of variance G/2, independent of ν,

of mode 1's amplitude b: the split of the tapped output (docs/physics.md) into what it shares with ν
and the rest.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.optics import noise_quantum
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.noise import Normals
from shotveil.models.waveform.pulses import Pulses

Complex = NDArray[np.complex128]


class ClientOptics:
    """Interferometer, amplifier and tap of a client that amplifies by `gain`.

    `mode` is the row symbol whose place mode 1 takes at the client's detector. With `vacuum` False
    there is no quantum noise, which is unphysical and shows distortions alone.
    """

    def __init__(
        self,
        layout: FrameLayout,
        pulses: Pulses,
        gain: float,
        mode: int,
        rng: np.random.Generator,
        vacuum: bool = True,
    ) -> None:
        require("gain", gain, above=1)
        require("mode", mode, at_least=0, below=layout.row, integer=True)
        self._pulses, self._gain, self._vacuum = pulses, gain, vacuum
        slots = layout.slots()
        (self._row,) = np.nonzero(slots == Slot.ROW)
        (self._references,) = np.nonzero((slots == Slot.PREAMBLE) | (slots == Slot.PILOT))
        self._mode = self._row[mode]
        self._dark, self._idler, self._port = (Normals(child) for child in rng.spawn(3))

    @property
    def white(self) -> float:
        """Variance (SNU) of w, the tapped output's noise that is not in `tapped`."""
        return self._gain / 2 if self._vacuum else 0.0

    def frames(self, light: Complex, mesh: Mesh) -> tuple[Complex, Complex]:
        """Tapped output without w, and what returns; each (F, samples), as the light."""
        amplitudes = self._pulses.analyse(light)
        frames = len(light)
        gain = self._gain
        shape = amplitudes.shape
        dark = self._noise(self._dark, shape)
        nu = self._noise(self._idler, shape) * math.sqrt(noise_quantum(gain))
        row = amplitudes[:, self._row].T
        one, others = mesh.gather(row, self._noise(self._port, (frames,)).astype(np.complex128))

        # The mesh's first output: references, mode 1, and elsewhere vacuum.
        output = dark.astype(np.complex128)
        output[:, self._references] = amplitudes[:, self._references]
        output[:, self._mode] = one
        # For G → 1 the factors grow and shrink together.
        tapped = math.sqrt(gain - 1) * output + (gain - 2) / (2 * math.sqrt(gain - 1)) * nu

        change = np.zeros(shape, np.complex128)
        change[:, self._references] = nu[:, self._references]
        change[:, self._row] = (mesh.spread(one + nu[:, self._mode], others) - row).T
        returned = self._pulses.synthesise(change)
        returned += light
        return self._pulses.synthesise(tapped), returned

    def _noise(self, normals: Normals, shape: tuple[int, ...]) -> NDArray[np.complex64]:
        if not self._vacuum:
            return np.zeros(shape, np.complex64)
        return normals.complex(math.prod(shape)).reshape(shape)
