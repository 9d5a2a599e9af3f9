"""The client's interferometer: a chain of programmable beam splitters, and its reverse.

Splitter k mixes mode k into the light that the splitters before it have gathered,

    s ← cos θ_k·s + sin θ_k·e^(−iφ_k)·a_k,    a_k ← cos θ_k·a_k − sin θ_k·e^(iφ_k)·s,

starting from vacuum. After the last splitter, s is Σ_k ξ_k*·a_k with

    ξ_k* = sin θ_k·e^(−iφ_k)·Π_{j>k} cos θ_j.

Angles within ±π/2 can give any direction ξ. The reverse chain runs the same rotations backwards. If
both chains have the same angles, all other light returns unchanged. An error of the angles that is
common to both chains only turns ξ; a difference between the chains is noise to the server.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.lapack import ztbtrs

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.drive.spec import Arm

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]
QUARTER = np.pi / 2
FRAMES_AT_ONCE = 16  # so few fit a processor's cache


def angles_of(xi: ArrayLike) -> Real:
    """Angles θ and φ, shape (2, N), in units of π/2 within ±1, that gather the direction ξ (N,)."""
    direction = np.asarray(xi, np.complex128)
    size = np.abs(direction)
    before = np.sqrt(np.concatenate([[0.0], np.cumsum(size**2)[:-1]]))
    theta = np.arctan2(size, before)
    phi = np.angle(direction)
    # A phase beyond ±π/2 equals a phase within that range at a splitter with the opposite angle.
    far = np.abs(phi) > QUARTER
    phi = np.where(far, phi - np.sign(phi) * np.pi, phi)
    theta = np.where(far, -theta, theta)
    return np.stack([theta, phi]) / QUARTER


def angle_table(xi: ArrayLike, symbol: Q) -> NDArray[np.int64]:
    """The angles of `angles_of` as raw integers (2, N) in `symbol`, the drive's symbol format.

    The format cannot hold +π/2, so that angle becomes the largest value of the format. −π/2 becomes
    its negative, because −π/2 itself is beyond the reach of the drive, which would switch off.
    """
    raw = np.rint(angles_of(xi) * 2.0**symbol.fraction).astype(np.int64)
    return np.clip(raw, -symbol.highest, symbol.highest)


def at_electrodes(voltage: ArrayLike, arms: tuple[Arm, Arm]) -> Real:
    """Angles in rad, shape (2, N), that electrodes with the true `arms` have at given voltages.

    `voltage` has shape (2, N) and is a fraction of the DAC's full scale.
    """
    bias = np.array([[arm.bias] for arm in arms])
    half_wave = np.array([[arm.half_wave] for arm in arms])
    return QUARTER * (np.asarray(voltage) - bias) / half_wave


class Mesh:
    """Both chains. `gather` and `spread` are their angles, shape (2, N), in rad: θ, then φ.

    Raises `RangeError` for angles of another shape.
    """

    def __init__(self, gather: Real, spread: Real) -> None:
        for name, given in (("gather", gather), ("spread", spread)):
            if given.ndim != 2 or len(given) != 2 or given.shape != gather.shape:
                raise RangeError(f"{name} has shape {given.shape}; allowed: (2, N), the same twice")
        self._gather, self._spread = _splitters(gather), _splitters(spread)

    @property
    def direction(self) -> Complex:
        """The direction ξ (N,) that the first chain gathers."""
        cosine, sine = self._gather
        behind = np.cumprod(cosine[::-1])[::-1]
        return np.asarray(sine.conj() * np.concatenate([behind[1:], [1.0]]))

    def gather(self, light: Complex, port: Complex) -> tuple[Complex, Complex]:
        """Mode 1 (F,) and the other modes (N, F), from modes (N, F) and the open port (F,).

        The open port is the input of the chain's first splitter that takes vacuum.
        """
        cosine, sine = (part[:, None] for part in self._gather)
        one, others = np.empty_like(port), np.empty(light.shape, np.complex128, "F")
        for part in _groups(len(port)):
            a = light[:, part]
            # Light gathered before splitter k obeys s_k+1 − c·s_k = sin θ·e^(−iφ)·a_k.
            given = np.concatenate([port[None, part], sine * a])
            gathered = _chain(self._gather[0], given, "L")
            one[part] = gathered[-1]
            others[:, part] = cosine * a - sine.conj() * gathered[:-1]
        return one, others

    def spread(self, one: Complex, others: Complex) -> Complex:
        """Modes (N, F) from mode 1 (F,) and the other modes (N, F): the reverse of `gather`."""
        cosine, sine = (part[:, None] for part in self._spread)
        light = np.empty(others.shape, np.complex128, "F")
        for part in _groups(len(one)):
            a = others[:, part]
            left = _chain(self._spread[0], np.concatenate([-sine * a, one[None, part]]), "U")
            light[:, part] = cosine * a + sine.conj() * left[1:]
        return light


def _groups(frames: int) -> list[slice]:
    return [slice(i, i + FRAMES_AT_ONCE) for i in range(0, frames, FRAMES_AT_ONCE)]


def _chain(cosine: Real, entering: Complex, side: str) -> Complex:
    """Solve s_k − cos θ·s_k∓1 = entering_k for s (N + 1, F), from the front ("L") or back ("U").

    The bidiagonal system is solved column by column, so the result of a frame is the same to the
    last bit however many frames are computed together.
    """
    band = np.zeros((2, len(entering)), np.complex128)
    inner = slice(None, -1) if side == "L" else slice(1, None)
    band[1 if side == "L" else 0, inner] = -cosine
    solved, failed = ztbtrs(band, np.asfortranarray(entering), uplo=side, diag="U")
    assert not failed
    return np.asarray(solved)


def _splitters(angles: Real) -> tuple[Real, Complex]:
    """The factors cos θ and sin θ·e^(−iφ) of all splitters, each (N,)."""
    theta, phi = angles
    return np.cos(theta), np.sin(theta) * np.exp(-1j * phi)
