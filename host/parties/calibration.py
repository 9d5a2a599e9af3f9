"""The calibration of a party's own optics, which it needs before it can send light: a JSON file.

A server's file holds what `host.devices.calibration` measures (receiver, arms, delay) and two
things that need a power meter or a separate record: the amplitude of the largest symbol at the
server's output, and the receiver's offset with the light on and the modulator at its null.
A client's file holds its receiver, the electrodes of its mesh and the gain of its amplifier.
Neither file depends on the network, on the data or on the other party. `docs/parties.md` lists
the fields of both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from shotveil.host.verification.estimation import Calibration
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.files import write_atomically
from shotveil.models.common.foreign import ForeignFile, shown
from shotveil.models.drive.spec import Arm
from shotveil.models.link.amplifier import require_gain
from shotveil.models.node.spec import QUADRATURES

HOW = "allowed: a file that a calibration wrote; for simulated nodes, `shotveil lab light` does"
LARGEST_OFFSET = 1 << 37


@dataclass(frozen=True)
class _Party:
    receiver: Calibration
    arms: tuple[Arm, Arm]

    role = ""

    def __post_init__(self) -> None:
        needed = QUADRATURES[self.role]
        if self.receiver.quadratures != needed or len(self.receiver.scale) != needed:
            raise RangeError(
                f"quadratures = {shown(self.receiver.quadratures)}; "
                f"allowed: {needed}, a {self.role}'s"
            )
        require("receiver's shot variance", self.receiver.shot_variance, above=0)
        require("receiver's efficiency", self.receiver.efficiency, above=0, at_most=1)
        if len(set(self.receiver.scale)) != 1:
            raise RangeError(
                f"scales = {shown(self.receiver.scale)}; allowed: the same for x and p"
            )

    def save(self, path: Path) -> None:
        """Write the calibration as JSON; after a crash the file is either whole or unchanged."""
        values = {"role": self.role, **asdict(self)}
        write_atomically(path, json.dumps(values, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `save` wrote.

        Raises `RangeError`, which says how to make such a file, where it cannot be read, belongs
        to the other role or holds a value out of range.
        """
        try:
            given = dict(ForeignFile("calibration", path).json())
            role = given.pop("role")
        except RangeError as error:
            said = str(error).partition("; allowed")[0]
            raise RangeError(f"{said}; {HOW}") from None
        except (ValueError, KeyError, TypeError):
            raise RangeError(f"calibration {path} cannot be read; {HOW}") from None
        if role != cls.role:
            kind = role if role in ("server", "client") else shown(role)
            raise RangeError(f"calibration {path} is of a {kind}; allowed: a {cls.role}'s")
        try:
            receiver = dict(given.pop("receiver"))
            receiver["scale"] = tuple(receiver["scale"])
            i, q = (Arm(**arm) for arm in given.pop("arms"))
            return cls._of(Calibration(**receiver), (i, q), given)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise RangeError(
                f"calibration {path} does not hold: {str(error)[:200]}; {HOW}"
            ) from None

    @classmethod
    def _of(cls, receiver: Calibration, arms: tuple[Arm, Arm], rest: dict[str, Any]) -> Self:
        return cls(receiver, arms, **rest)


@dataclass(frozen=True)
class ServerCalibration(_Party):
    """The optics of a server.

    receiver: The receiver's calibration. Its efficiency includes the loss of signal that the
        modulator's own errors cause.
    arms: The two arms (I and Q) of the modulator, as the drive is set for them.
    full_scale: Amplitude (√SNU) of either quadrature at the server's output, for a symbol of 1 at
        drive scale 1.
    delay: Samples between a code of the drive and its light at the receiver, without the frame
        for which the client holds the light.
    offset: Offset of the receiver in x and p, in units of `measured_x`.
    distortion: Excess noise (SNU at the returned mode) that the server's own optics add for each
        SNU of modulation variance V_A, measured back to back.

    Raises `RangeError` for a value out of range.
    """

    full_scale: float
    delay: int
    offset: tuple[int, int] = (0, 0)
    distortion: float = 0.0

    role = "server"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("full scale", self.full_scale, above=0)
        require("delay", self.delay, at_least=0, integer=True)
        require("offset", self.offset, at_least=-LARGEST_OFFSET, below=LARGEST_OFFSET, integer=True)
        require("distortion", self.distortion, at_least=0)

    @classmethod
    def _of(cls, receiver: Calibration, arms: tuple[Arm, Arm], rest: dict[str, Any]) -> Self:
        x, p = _pair(rest.pop("offset"))
        return cls(receiver, arms, offset=(x, p), **rest)


@dataclass(frozen=True)
class ClientCalibration(_Party):
    """The optics of a client.

    receiver: The calibration of the receiver at the tap.
    arms: The electrodes for θ and φ, by voltage over full scale.
    gain: Power gain G > 1 that the amplifier is set to.

    Raises `RangeError` for a value out of range.
    """

    gain: float

    role = "client"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_gain(self.gain)


def _pair(values: Sequence[int]) -> tuple[int, int]:
    x, p = values
    return x, p
