"""The backend `optics` is `infer` over the link of its task."""

import numpy as np
import pytest

from shotveil.host.run.backends import InferenceTask
from shotveil.host.run.inference import infer
from shotveil.host.run.optics import optics
from shotveil.models.link.optics import Link

LINK = Link(1.3, 6.0, transmittance_out=0.9)


@pytest.mark.parametrize("symbol_level", [False, True])
def test_it_is_infer_with_the_tasks_seed(small_network, symbol_level):
    images, done = np.random.default_rng(1).random((3, 784)), []
    task = InferenceTask(
        small_network, images, LINK, 5, symbol_level=symbol_level, progress=done.append
    )
    result = optics(task)
    rng = np.random.default_rng(5)
    expected = infer(small_network, images, LINK, rng, symbol_level=symbol_level)
    np.testing.assert_array_equal(result.inference.outputs, expected.outputs)
    assert result.inference.statistics[0].yy == expected.statistics[0].yy
    assert result.link is LINK and result.calibration is None
    assert result.symbol_level is symbol_level and sum(done) == 3
