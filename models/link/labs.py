"""Laboratories by name: the imperfections that a link is expected to have, with their sources.

To add one, add a `Lab` here. `--lab` and the setting `lab` of a sweep then offer it, and the table
of docs/design.md has to show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel


@dataclass(frozen=True)
class Lab:
    """A named set of imperfections.

    says: a phrase for people.
    settings: values by the names of `Channel.settings`; the ideal link has all others.
    sources: where each of the values comes from, by the same names.
    """

    name: str
    says: str
    settings: Mapping[str, float]
    sources: Mapping[str, str]

    def channel(self, **given: float | None) -> Channel:
        """Make the channel of this laboratory; what is `given` (not None) replaces its values.

        A transmittance that is given, of the loop or of one way, replaces all of its loss. Raises
        `RangeError` as `Channel.of` does.
        """
        explicit = {name: value for name, value in given.items() if value is not None}
        lossy = any(name.startswith("transmittance") for name in explicit)
        own = {
            name: value
            for name, value in self.settings.items()
            if not (lossy and name.startswith("transmittance"))
        }
        return Channel.of(**{**own, **explicit})


IDEAL = Lab("ideal", "no imperfection at all", {}, {})

_CONVERTER = "a 14-bit converter at 256 steps per √SNU, as in the digitiser's reference design"

REALISTIC = Lab(
    "realistic",
    "what a careful bench can keep for hours",
    {
        "transmittance": 10**-0.01,  # 0.1 dB
        "excess_noise": 1e-3,
        "phase_error": 1e-3,
        "loss_imbalance": 1 - 10**-0.0005,  # 0.01 dB
        "client_oscillator_noise": 1e-3,
        "client_shot_noise_drift": 1e-4,
        "client_converter_range": 32.0,
        "server_oscillator_noise": 1e-3,
        "server_shot_noise_drift": 1e-4,
        "server_converter_range": 32.0,
    },
    {
        "transmittance": "0.1 dB that nobody can calibrate away: a few low-loss splices or facets",
        "excess_noise": "the low end of what CV-QKD budgets (Laudenbach et al., Adv. Quantum "
        "Technol. 1, 1800011 (2018), arXiv:1703.09278) leave beside phase noise",
        "phase_error": "one laser for light and oscillator, paths matched and locked to pilots",
        "loss_imbalance": "0.01 dB: an excess loss of the tapped mode, trimmed by a variable "
        "coupler in the other modes (unbalanced loss: Li et al., arXiv:1705.10472)",
        "client_oscillator_noise": "0.1 % of power between rows, as stabilised lasers keep",
        "client_shot_noise_drift": "calibrated to 1e-3 (Wang et al., J. Lightwave Technol. 2023, "
        "doi:10.1109/jlt.2023.3264234), and measured again on the vacuum slots: 1e-4 takes 2e8 of "
        "them, some 6 s of vacuum",
        "client_converter_range": _CONVERTER,
        "server_oscillator_noise": "as for the client",
        "server_shot_noise_drift": "as for the client",
        "server_converter_range": _CONVERTER,
    },
)

LABS = {lab.name: lab for lab in (IDEAL, REALISTIC)}
"""All laboratories by name, the default first."""


def lab(name: str) -> Lab:
    """The laboratory called `name`. Raises `RangeError` if there is none."""
    if name not in LABS:
        raise RangeError(f"lab = {name!r} is none of {', '.join(LABS)}")
    return LABS[name]
