"""A client that looks for decoys: what it makes of what it reads."""

import numpy as np
import pytest

from shotveil.models.adversaries.decoy_spotter import DECOY_SPOTTER
from shotveil.models.common.checks import RangeError


def test_it_spares_what_looks_most_like_decoys():
    client = DECOY_SPOTTER.of(0.2)
    assert client.tap.transmittance == pytest.approx(0.8)
    readings = np.array([[3.0, -0.1, 2.0, 0.5], [0.2, -4.0, 1.0, 0.1]])
    dark = client.suspicion(readings, 1.0, 9.0)
    assert client.spared(dark, 2).tolist() == [
        [False, True, False, True],
        [True, False, False, True],
    ]
    bright = client.suspicion(readings, 9.0, 1.0)
    assert client.spared(bright, 1).tolist() == [
        [True, False, False, False],
        [False, True, False, False],
    ]
    assert not client.spared(bright, 0).any()
    with pytest.raises(RangeError, match="fraction of the light of a slot"):
        DECOY_SPOTTER.of(1.1)
