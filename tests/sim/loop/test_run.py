"""Gateware and models are held against each other, sum by sum and reading by reading."""

from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.sim.loop.run import Disagreement, require_agreement


def inference(sums, read, images):
    return SimpleNamespace(outputs=np.zeros((images, 2)), sums=(sums,), read=(read,))


@pytest.fixture
def both():
    """Two images of three frames; gateware tells the sums of an image's frames together."""
    rng = np.random.default_rng(1)
    frames, read = rng.integers(-9, 9, (6, 2, 4)), rng.normal(size=(2, 5))
    gateware = inference(frames.reshape(2, 3, 2, 4).sum(axis=1), read.copy(), 2)
    return gateware, inference(frames, read, 2)


def test_equal_bits_agree(both):
    require_agreement(*both)


def test_more_images_of_gateware_than_of_models_are_no_matter(both):
    gateware, models = both
    gateware.sums = (np.concatenate([gateware.sums[0], gateware.sums[0]]),)
    gateware.read = (np.concatenate([gateware.read[0], 1 + gateware.read[0]]),)
    require_agreement(gateware, models)


@pytest.mark.parametrize("image", [0, 1])
def test_one_bit_of_a_sum_is_noticed(both, image):
    both[0].sums[0][image, 1, 2] += 1
    with pytest.raises(Disagreement, match=f"in the sums of layer 1, image {image}"):
        require_agreement(*both)


def test_the_last_digit_of_a_reading_is_noticed(both):
    both[0].read[0][1, 4] = np.nextafter(both[0].read[0][1, 4], 10)
    with pytest.raises(Disagreement, match="in the inference values of layer 1, image 1"):
        require_agreement(*both)
