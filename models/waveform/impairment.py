"""The description of an impairment: its settings, where and how it acts, and its excess noise.

To add an impairment, define an `Impairment` in a new file of `models.waveform.impairments`. Its
settings become fields of `Impairments`, its stages act in `Optics`, and it gets a line in the noise
budget.
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
    """The place where a stage acts, in the order in which light passes. Each place has its signal:

    DRIVE: voltages of the drive (2, n), as fractions of the DAC's full scale.
    MODULATED: the field (n,) after the modulator, as a fraction of the largest field.
    WAY_OUT: the light (n,) at the client's input, in √SNU, before its vacuum is added.
    WAY_BACK: the light (n,) at the server's input, in √SNU, with its vacuum. A stage that takes
        light away here has to add vacuum in its place.
    CLIENT_DETECTOR, SERVER_DETECTOR: the voltages (1, n) of the client's detector and (2, n) of the
        server's, before their converters, in √SNU.
    """

    DRIVE = "drive"
    MODULATED = "modulated"
    WAY_OUT = "way out"
    WAY_BACK = "way back"
    CLIENT_DETECTOR = "client's detector"
    SERVER_DETECTOR = "server's detector"


Stage = Callable[[NDArray[Any]], NDArray[Any]]
"""A streaming function: it returns as many samples as it gets, the same bits for any block size."""
MakeStage = Callable[[Any, np.random.Generator], Stage | None]
"""A function that makes a stage from all `Impairments` and a generator for the stage's own noise.

It returns None where the stage would change nothing.
"""


@dataclass(frozen=True)
class Setting:
    """A numeric setting of an impairment.

    meaning: a phrase for people, with the unit.
    default: the value of the ideal link.
    realistic: the value of a link that a laboratory could build; None means the default.
    source: where the realistic value comes from.
    calibrated: the error that usually remains after calibration; None where calibration does not
        change the setting.
    above, at_least, below, at_most, integer: the allowed range, as `models.common.checks.require`
        takes it.
    endless: whether infinity is allowed as well.
    pair: whether the setting is two numbers, one for I and one for Q.
    symbols: the power of the symbol time that the value grows with, for the same link: 1 for a
        change per symbol, −1 for a time in symbols.
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
    symbols: int = 0

    def check(self, value: Any) -> None:
        """Raise `RangeError` unless `value` is allowed for the setting."""
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
    """A sweep of one impairment over `values`, on an axis named `label`, with all else ideal.

    set: function from one of the values to settings by name.
    log: whether the axis is logarithmic.
    """

    name: str
    label: str
    values: tuple[float, ...]
    set: Callable[[float], Mapping[str, Value]]
    log: bool = False


@dataclass(frozen=True)
class Impairment:
    """One cause of imperfection, which is switched on or off as a whole.

    name: the name in the noise budget.
    stages: the changes of light or voltages that it makes, by place. Some impairments act inside a
        component of the optics instead, which reads their settings.
    distorts: False for plain loss and noise, which runs that show distortions alone leave out.
    budgeted: False for an impairment that only shifts time or phase.
    excess: function from all `Impairments` to the technical noise (SNU at the returned mode) that
        this one adds and that runs of distortions alone do not show.
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
        """Names of its settings."""
        return tuple(setting.name for setting in self.settings)
