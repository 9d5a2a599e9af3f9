"""The excess-noise budget: what each impairment adds, by switching it off."""

from __future__ import annotations

from dataclasses import replace

from shotveil.models.networks.network import Network
from shotveil.models.waveform.impairments import GROUPS
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import LoopSettings


def budget(network: Network, settings: LoopSettings, rows: int = 128) -> dict[str, float]:
    """Technical excess noise (SNU, at the returned mode) in the first layer, by cause.

    "all" is that of all impairments together; for every cause, what goes away with it. They need
    not add up: a slow drift, for instance, turns what leaks through the modulator. Without noise
    of light and electronics, so that 1e-5 SNU show in `rows` rows; noise that is set as such counts
    at its value.
    """
    first = Network(network.name, network.layers[:1])

    def distortion(of: LoopSettings) -> float:
        (found,) = Loop(first, of).back_to_back(rows)
        return found.excess + of.impairments.excess_noise

    whole = distortion(settings)
    found = {"all": whole}
    on = settings.impairments.on
    for name, members in GROUPS.items():
        if not set(members) & set(on):
            continue
        without = settings.impairments.without(*members)
        found[name] = whole - distortion(settings.with_impairments(without))
    return found


def alone(network: Network, settings: LoopSettings, rows: int = 128, **impairments: float) -> float:
    """Excess noise (SNU) of some impairments alone, all others as in `settings`."""
    first = Network(network.name, network.layers[:1])
    changed = replace(settings.impairments, **impairments)  # type: ignore[arg-type]
    (found,) = Loop(first, settings.with_impairments(changed)).back_to_back(rows)
    return found.excess
