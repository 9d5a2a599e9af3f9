"""The Holevo figure for a client who knows the spectrum of the server's own weights."""

from __future__ import annotations

from shotveil.host.leakage.bound import spectrum_bound
from shotveil.host.leakage.spectrum import Spectrum, spectrum_leakage


@spectrum_bound(
    label="these weights, if their second moments are known",
    theorem=False,
    covers="Collective attacks as `holevo`, of a client who knows the second moments of these very "
    "weights and spends noise and loss on them. It is found by a numerical search. A layer of few "
    "rows counts as one whose rows are known to lie in the space that they span.",
    order=30,
)
def holevo_spectrum(
    spectrum: Spectrum,
    inferences: int,
    modulation_variance: float,
    transmittance: float,
    excess_noise: float,
) -> float:
    """Return χ, water-filled over the spectrum of the layer, at K·V_A, √T and ε, per real weight.

    See `host.leakage.spectrum.spectrum_leakage`.
    """
    modulation = inferences * modulation_variance
    return spectrum_leakage(spectrum, modulation, transmittance, excess_noise) / 2
