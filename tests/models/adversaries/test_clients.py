"""Every client after the weights keeps to what a link expects of one."""

import numpy as np
import pytest

from shotveil.models.adversaries.adversary import ClientAdversary, adversaries
from shotveil.models.link.optics import Link


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
