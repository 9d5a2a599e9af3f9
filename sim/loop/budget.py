"""The excess-noise budget: what each impairment adds, by switching it off."""

from __future__ import annotations

from shotveil.models.networks.network import Network
from shotveil.models.waveform.impairments import IMPAIRMENTS
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import LoopSettings


def budget(network: Network, settings: LoopSettings, rows: int = 128) -> dict[str, float]:
    """Technical excess noise (SNU, at the returned mode) in the first layer, by cause.

    "all" is the noise of all impairments together; the figure of a cause is the noise that
    disappears without it. The figures need not add up: a slow drift, for instance, turns the phase
    of the light that leaks through the modulator. The runs have no noise of light and electronics,
    so that 1e-5 SNU can be seen in `rows` rows. An impairment that is noise counts at its set
    value.
    """
    first = Network(network.name, network.layers[:1])

    def distortion(of: LoopSettings) -> float:
        (found,) = Loop(first, of).back_to_back(rows)
        return found.excess + of.impairments.noise

    whole = distortion(settings)
    found = {"all": whole}
    on = settings.impairments.on
    for name, impairment in IMPAIRMENTS.items():
        if not impairment.budgeted or not set(impairment.names) & set(on):
            continue
        without = settings.impairments.without(*impairment.names)
        found[name] = whole - distortion(settings.with_impairments(without))
    return found
