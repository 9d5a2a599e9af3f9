"""Amplified components: the sums over a row are as declared, its parts are not."""

import numpy as np
import pytest

from shotveil.models.adversaries.amplified_components import (
    AMPLIFIED_COMPONENTS,
    AmplifyingClient,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link


@pytest.mark.parametrize(
    "link",
    [Link(1.3, 6.0), Link(1.000873, 391.2), Link(1.3, 6.0, transmittance_out=0.9)],
)
@pytest.mark.parametrize("components", [1, 16, 300])
def test_slope_and_noise_of_the_row_are_as_declared(link, components):
    client, n = AmplifyingClient(components), 392
    energies = link.modulation_variance * client.weights(n)
    assert energies.mean() == pytest.approx(link.modulation_variance)
    assert energies[:components].sum() == pytest.approx(energies[components:].sum())
    play = client.play(link, energies)
    amplitude, t = np.sqrt(play.transmittance), link.declared_transmittance_at(n)
    assert amplitude @ energies / energies.sum() == pytest.approx(np.sqrt(t))
    spread = (amplitude - np.sqrt(t)) ** 2 @ energies
    total = n * link.declared_excess_noise(n)
    assert play.noise_x.sum() + spread == pytest.approx(total, rel=1e-6)
    # An amplifier adds at least this much.
    assert (play.noise_x >= 2 * (play.transmittance - 1) - 1e-12).all()
    assert amplitude[0] > np.sqrt(t) > amplitude[-1] and play.read_bits > 0


def test_without_weak_components_there_is_nothing_to_take():
    play = AmplifyingClient(1).play(Link(1.3, 6.0), np.array([12.0, 0.0, 0.0]))
    assert (play.transmittance == 1).all() and play.read_bits == 0


def test_settings():
    with pytest.raises(RangeError, match="components = 4"):
        AmplifyingClient(4).weights(4)
    assert AMPLIFIED_COMPONENTS.covered_by == "holevo_amplified"
