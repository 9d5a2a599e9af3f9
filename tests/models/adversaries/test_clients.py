"""Every client after the weights keeps to what a link expects of one."""

import numpy as np
import pytest

from shotveil.models.adversaries.adversary import ClientAdversary, adversaries
from shotveil.models.adversaries.basis_vector import BasisQueries
from shotveil.models.adversaries.over_amplification import OverAmplifier
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link


@pytest.mark.parametrize("who", adversaries(ClientAdversary).values(), ids=lambda who: who.name)
def test_optics_and_directions_are_ones_that_a_link_can_have(who):
    client, link = who.of(), Link(1.3, 6.0)
    assert client.bound in ("row", "mode")
    assert isinstance(client.link(link), Link)
    asked = client.directions(4, 16)
    if asked is None:
        assert client.bound == "row" and client.link(link) != link
    else:
        assert asked.shape == (4, 16)
        np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1)


def test_an_over_amplifier_changes_the_gain_alone():
    granted = Link(
        1.3, 6.0, transmittance_out=0.9, transmittance_back=0.8, client_detector=Detector(0.7, 0.1)
    )
    taken = OverAmplifier(3.0).link(granted)
    assert taken == Link(
        3.0, 6.0, transmittance_out=0.9, transmittance_back=0.8, client_detector=Detector(0.7, 0.1)
    )
    for gain in (1.0, 0.5):
        with pytest.raises(RangeError, match="gain"):
            OverAmplifier(gain).link(granted)


@pytest.mark.parametrize("mode", [0, 3, 7])
def test_a_basis_query_asks_for_one_mode(mode):
    xi = BasisQueries(mode).directions(5, 8)
    due = np.zeros((5, 8), complex)
    due[:, mode] = 1
    np.testing.assert_array_equal(xi, due)
    assert xi.dtype == np.complex128


@pytest.mark.parametrize("mode", [-1, 8, 0.5])
def test_there_must_be_such_a_mode(mode):
    with pytest.raises(RangeError, match="mode = "):
        BasisQueries(mode).directions(5, 8)


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (OverAmplifier, BasisQueries):
        assert kind.__dataclass_params__.frozen
