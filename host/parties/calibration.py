"""What a party has to know of its own optics before it can play light: one JSON file each.

A server's file (`docs/parties.md` lists the fields of both) holds what
`host.devices.calibration` finds (receiver, arms, delay), and what needs a power meter or a record
of its own: how bright the largest symbol leaves, and the receiver's offset with light on and the
modulator at its null. A client's holds its receiver, the electrodes of its mesh and the gain of its
amplifier. Nothing in either depends on the network, on data or on the other party.
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
from shotveil.models.drive.spec import Arm
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
                f"quadratures = {self.receiver.quadratures}; allowed: {needed}, a {self.role}'s"
            )
        require("receiver's shot variance", self.receiver.shot_variance, above=0)
        require("receiver's efficiency", self.receiver.efficiency, above=0, at_most=1)
        if len(set(self.receiver.scale)) != 1:
            raise RangeError(f"scales = {self.receiver.scale}; allowed: the same for x and p")

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        values = {"role": self.role, **asdict(self)}
        write_atomically(path, json.dumps(values, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; raises `RangeError`, which says how to make a file."""
        try:
            given = dict(json.loads(path.read_text()))
            role = given.pop("role")
        except (OSError, ValueError, KeyError, TypeError):
            raise RangeError(f"calibration {path} cannot be read; {HOW}") from None
        if role != cls.role:
            raise RangeError(f"calibration {path} is of a {role}; allowed: a {cls.role}'s")
        try:
            receiver = dict(given.pop("receiver"))
            receiver["scale"] = tuple(receiver["scale"])
            i, q = (Arm(**arm) for arm in given.pop("arms"))
            return cls._of(Calibration(**receiver), (i, q), given)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RangeError(f"calibration {path} does not hold: {error}; {HOW}") from None

    @classmethod
    def _of(cls, receiver: Calibration, arms: tuple[Arm, Arm], rest: dict[str, Any]) -> Self:
        return cls(receiver, arms, **rest)


@dataclass(frozen=True)
class ServerCalibration(_Party):
    """receiver: efficiency included, with what the modulator's own errors take away. arms: of the
    modulator, as the drive is set.

    full_scale: √SNU of either quadrature of a symbol of 1 at drive scale 1, at the server's output.
    delay: samples from a code to its light, without the frame for which the client holds it.
    offset: of x and p, in units of `measured_x`. distortion: excess noise (SNU at the returned
    mode) that its own optics make per SNU of modulation variance V_A, measured back to back.
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
    """receiver: of the tap. arms: electrodes for θ and φ, by voltage over full scale.
    gain: power gain G that the amplifier is set to."""

    gain: float

    role = "client"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("gain", self.gain, above=1)


def _pair(values: Sequence[int]) -> tuple[int, int]:
    x, p = values
    return x, p
