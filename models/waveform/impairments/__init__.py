"""What a real link does to the light, one cause a file; the default is the ideal link.

`Impairments` has a field for each setting of each file. How to add one: `docs/extending.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import members
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Detector, Link
from shotveil.models.waveform.impairment import Impairment, Setting, Value

IMPAIRMENTS = members("shotveil.models.waveform.impairments", Impairment)

C = TypeVar("C")


def _gathered(cls: type[C]) -> type[C]:
    """Make the class a frozen dataclass with a field for each setting of all impairments.

    Raises `RangeError` if two settings have the same name, or if one has the name of a method.
    """
    cls.__annotations__ = {}
    for impairment in IMPAIRMENTS.values():
        for setting in impairment.settings:
            if hasattr(cls, setting.name):
                raise RangeError(f"setting {setting.name!r} of {impairment.name!r} is taken")
            cls.__annotations__[setting.name] = Value
            setattr(cls, setting.name, setting.default)
    return dataclass(frozen=True)(cls)


@_gathered
class Impairments:
    """Imperfections between DAC and ADC. It is immutable; a bad value raises `RangeError`.

    Its fields are the settings of all `IMPAIRMENTS`, which also say what each setting means.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Any]]

        def __init__(self, **settings: Value) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            setting.check(getattr(self, name))

    @classmethod
    def realistic(cls) -> Impairments:
        """A link that a laboratory could build; `Setting.source` says where each value is from."""
        given = {name: setting.realistic for name, setting in SETTINGS.items()}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def calibrated(self) -> Impairments:
        """The same link after a calibration that left errors of the usual size."""
        left = {name: setting.calibrated for name, setting in SETTINGS.items()}
        return replace(self, **{name: value for name, value in left.items() if value is not None})

    def with_symbols(self, ratio: float) -> Impairments:
        """The same link as symbols see it that last `ratio` times as long."""
        timed = {name: setting.symbols for name, setting in SETTINGS.items() if setting.symbols}
        return replace(
            self, **{name: getattr(self, name) * ratio**power for name, power in timed.items()}
        )

    def distortions(self) -> Impairments:
        """The same without plain loss and noise, so that only distortions are left."""
        plain = (each.names for each in IMPAIRMENTS.values() if not each.distorts)
        return self.without(*(name for names in plain for name in names))

    @property
    def transmittance(self) -> float:
        """Power transmittance of the whole loop."""
        return self.channel.transmittance

    @property
    def noise(self) -> float:
        """Excess noise (SNU at the returned mode) that `distortions` leaves out."""
        return sum(each.excess(self) for each in IMPAIRMENTS.values() if each.excess is not None)

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the settings that differ from the ideal link's."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)

    def without(self, *names: str) -> Impairments:
        """The same with the named settings at their ideal values.

        Raises `RangeError` for an unknown name.
        """
        for name in names:
            if name not in SETTINGS:
                raise RangeError(f"impairment = {name!r} is none of {', '.join(SETTINGS)}")
        return replace(self, **{name: SETTINGS[name].default for name in names})

    @property
    def channel(self) -> Channel:
        """The symbol-level channel with the same loss, technical noise and detectors."""
        return Channel(
            transmittance_out=self.transmittance_out,
            transmittance_back=self.transmittance_back,
            excess_noise=self.excess_noise,
            loss_imbalance=self.loss_imbalance,
            client_detector=Detector(self.client_efficiency, self.client_electronic_noise),
            server_detector=Detector(self.server_efficiency, self.server_electronic_noise),
        )

    def link(self, gain: float, *, photons: float | None = None, f2: float | None = None) -> Link:
        """Light through `channel`, see `Link.through`."""
        return Link.through(self.channel, gain, photons=photons, f2=f2)

    def over(self, channel: Channel) -> Impairments:
        """The same with the loss, technical noise and detectors of a symbol-level channel.

        Raises `RangeError` for a phase error, because here phase comes from laser and fibre, and
        for a noisy oscillator, whose power is constant here.
        """
        for detector in (channel.client_detector, channel.server_detector):
            if detector.oscillator_noise:
                raise RangeError(
                    f"oscillator noise = {detector.oscillator_noise:g} is outside [0, 0]: at "
                    "waveform level the oscillator's power is constant"
                )
        if channel.phase_error:
            raise RangeError(
                f"phase error = {channel.phase_error:g} is outside [0, 0]: at waveform level phase "
                "comes from linewidth, unmatched paths and drift"
            )
        return replace(
            self,
            transmittance_out=channel.transmittance_out,
            transmittance_back=channel.transmittance_back,
            excess_noise=channel.excess_noise,
            loss_imbalance=channel.loss_imbalance,
            client_efficiency=channel.client_detector.efficiency,
            server_efficiency=channel.server_detector.efficiency,
            client_electronic_noise=channel.client_detector.electronic_noise,
            server_electronic_noise=channel.server_detector.electronic_noise,
        )


SETTINGS: dict[str, Setting] = {
    setting.name: setting for each in IMPAIRMENTS.values() for setting in each.settings
}
"""All settings by name, in the order of the fields."""
