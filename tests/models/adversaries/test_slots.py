"""What a client that treats slots apart has to say of itself."""

import pytest

from shotveil.models.adversaries.adversary import SlotAdversary, adversaries


@pytest.mark.parametrize("name", adversaries(SlotAdversary))
def test_it_suits_weights_that_exist_and_taps_what_can_be_tapped(name):
    client = adversaries(SlotAdversary)[name].of()
    for modes in (1, 2, 392):
        assert 1 <= client.strongest(modes) <= modes
    assert 0 < client.tap.transmittance < 1
