"""What an impairment is: its settings, where and how it acts, and what it adds to the noise.

A file of `models.waveform.impairments` that defines an `Impairment` adds it: its settings become
fields of `Impairments`, its stages act in `Optics`, and it has its line in the noise budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require

Value = float | int | tuple[float, float]


class Place(Enum):
    """Where a stage acts, in the order in which light passes, and on what.

    The drive's voltages (2, n), as fractions of the DAC's full scale; the field (n,) behind the
    modulator, as a fraction of its largest; the light (n,) at the client's input and at the
    server's, in √SNU; the voltages of the client's detector (1, n) and of the server's (2, n) in
    front of their converters, in √SNU. The light at the client's input is still without its vacuum;
    what returns has its own, so that a stage of the way back that takes light away has to put
    vacuum in its place.
    """

    DRIVE = "drive"
    MODULATED = "modulated"
    WAY_OUT = "way out"
    WAY_BACK = "way back"
    CLIENT_DETECTOR = "client's detector"
    SERVER_DETECTOR = "server's detector"


Stage = Callable[[NDArray[Any]], NDArray[Any]]
"""Streaming: as many samples as are given, the same bits in whatever blocks they come."""
MakeStage = Callable[[Any, np.random.Generator], Stage | None]
"""A stage from all `Impairments` and noise of its own; None where it would change nothing."""


@dataclass(frozen=True)
class Setting:
    """A number that an impairment is set by.

    meaning: a phrase with the unit, for people. default: of the ideal link. realistic: of a link
    that a laboratory could build, `source` says where from; the default if None. calibrated: what a
    calibration usually leaves of it; None where it does not touch it. above, at_least, below,
    at_most, integer: the allowed range, see `models.common.checks.require`. endless: infinity is
    allowed besides. pair: one number for I, one for Q.
    """

    name: str
    meaning: str
    default: Value = 0.0
    realistic: Value | None = None
    source: str = ""
    calibrated: Value | None = None
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    integer: bool = False
    endless: bool = False
    pair: bool = False

    def check(self, value: Any) -> None:
        """Raise `RangeError` unless this is a value of the setting."""
        if self.endless and value == math.inf:
            return
        if self.pair and (not isinstance(value, tuple | list) or len(value) != 2):
            raise RangeError(f"{self.name} = {value!r}; allowed: 2 numbers, for I and Q")
        require(
            self.name, value, above=self.above, at_least=self.at_least, below=self.below,
            at_most=self.at_most, integer=self.integer,
        )  # fmt: skip


@dataclass(frozen=True)
class Sweep:
    """A design question: `values` of the impairment on an axis named `label`, all else ideal.

    set: settings by name for one of the values. log: whether the axis is logarithmic.
    """

    name: str
    label: str
    values: tuple[float, ...]
    set: Callable[[float], Mapping[str, Value]]
    log: bool = False


@dataclass(frozen=True)
class Impairment:
    """One cause of imperfection, which is switched off as a whole.

    name: for people, in the noise budget. stages: what it does to light or voltages, by place; an
    old one may act in a component of the optics instead, which reads its settings. distorts: False
    for plain loss and noise, which runs that show distortions alone leave out. budgeted: False for
    what only moves time or phase. excess: technical noise (SNU at the returned mode) that it adds
    and no such run shows, from all `Impairments`.
    """

    name: str
    settings: tuple[Setting, ...]
    stages: Mapping[Place, MakeStage] = field(default_factory=dict)
    distorts: bool = True
    budgeted: bool = True
    excess: Callable[[Any], float] | None = None
    sweeps: tuple[Sweep, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of its settings."""
        return tuple(setting.name for setting in self.settings)
