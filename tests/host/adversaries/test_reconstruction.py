"""The attacks see what physics lets them, and no more than the bounds."""

import math

import numpy as np
import pytest

from shotveil.host.adversaries.reconstruction import (
    image_by_homodyning,
    image_by_photon_counting,
    labels_by_photon_counting,
    photon_counts,
    row_at_the_bound,
    row_by_amplifying,
)
from shotveil.host.leakage.data import image_bits
from shotveil.host.leakage.data_bounds.crb_prx import crb_prx
from shotveil.host.leakage.data_bounds.qcrb import qcrb
from shotveil.host.leakage.weights import weight_leakage_after
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import directions, encode_rows
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist

PIXELS = np.zeros((1, 40))
PIXELS[0, 10:20] = 1  # five modes of twenty


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def test_clicks_are_as_many_as_the_amplifier_adds_photons_and_lie_where_the_data_is(rng):
    xi, _ = directions(PIXELS)
    link = Link(1.3, 6, transmittance_back=0.5)
    image, clicks = image_by_photon_counting(link, xi[0], 20_000, 40, rng)
    expected = 20_000 * 0.5 * link.noise_quantum / 2
    thermal = math.sqrt(expected * (1 + 0.5 * link.noise_quantum / 2))
    assert abs(clicks - expected) < 4.5 * thermal
    assert image[10:20].min() > 0
    assert np.delete(image, np.s_[10:20]).max() == 0
    assert np.linalg.norm(image) == pytest.approx(1)


def test_technical_noise_clicks_everywhere(rng):
    xi, _ = directions(PIXELS)
    _, clicks = image_by_photon_counting(Link(1 + 1e-9, 6, excess_noise=0.4), xi[0], 5000, 40, rng)
    expected = 5000 * 20 * 0.4 / 2  # half its variance per quadrature in photons a mode
    assert clicks == pytest.approx(expected, rel=0.05)


def test_no_light_no_image(rng):
    xi, _ = directions(PIXELS)
    image, clicks = image_by_photon_counting(Link(1 + 1e-12, 6), xi[0], 100, 40, rng)
    assert clicks == 0
    assert not image.any()


@pytest.mark.parametrize("gain, seen", [(1.001, False), (5.0, True)])
def test_homodyning_finds_the_data_only_where_the_gain_is_high(gain, seen, rng):
    xi, _ = directions(PIXELS)
    sent = encode_rows(rng.normal(size=(400, 40)), 12.0)
    image = image_by_homodyning(Link(gain, 6), sent, xi[0], 40, rng)
    inside = np.linalg.norm(image[10:20]) ** 2
    assert (inside > 0.5) == seen  # 1/4 of the modes: 0.25 is blind guessing


def information(weights, estimate):
    """Bits per weight of a Gaussian channel with the correlation that is seen."""
    return -0.5 * math.log2(1 - np.corrcoef(weights, estimate)[0, 1] ** 2)


@pytest.mark.parametrize("inferences", [1, 10, 100])
def test_amplifying_client_gains_with_each_inference_but_stays_below_the_bound(inferences, rng):
    weights = rng.normal(size=(1, 20_000))
    link = Link(1.3, 6, excess_noise=0.001)
    sent = encode_rows(weights, link.modulation_variance)
    estimate = row_by_amplifying(link, sent, 0, 20_000, inferences, rng)
    excess = link.declared_excess_noise(sent.modes)
    bound = weight_leakage_after(inferences, link.modulation_variance, 1.0, excess)
    gained = information(weights[0], estimate)
    # What a heterodyne reading of the tapped light holds, K readings together.
    expected = 0.5 * math.log2(1 + inferences * link.modulation_variance * excess / 4)
    assert gained == pytest.approx(expected, rel=0.1, abs=1e-3)
    assert gained < bound


@pytest.mark.parametrize("inferences", [1, 100])
def test_row_at_the_bound_holds_as_much_as_the_bound_says(inferences, rng):
    weights = rng.normal(size=(1, 100_000))
    link = Link(1.3, 6, excess_noise=0.1)
    sent = encode_rows(weights, link.modulation_variance)
    estimate = row_at_the_bound(link, sent, 0, 100_000, inferences, rng)
    bound = weight_leakage_after(
        inferences, link.modulation_variance, 1.0, link.declared_excess_noise(sent.modes)
    )
    assert information(weights[0], estimate) == pytest.approx(bound, rel=0.03)


def test_counting_photons_beats_homodyning_where_the_bounds_say_so():
    # The gap that makes photon counting worth showing: at low gain g ≫ g².
    assert qcrb(0.0035, 1568, 392) > 100 * crb_prx(0.0035, 1568, 392)


def test_counts_have_the_mean_and_variance_of_thermal_light(rng):
    xi, _ = directions(PIXELS)
    link = Link(1.3, 6, excess_noise=0.1)
    counts = photon_counts(link, np.repeat(xi, 4000, axis=0), 30, rng)
    # Each row gives a mode a Bose-Einstein number of photons, of this mean.
    mean = link.noise_quantum / 2 * np.abs(xi[0]) ** 2 + 0.05
    assert counts.mean(axis=0) == pytest.approx(30 * mean, rel=0.06)
    assert counts.var(axis=0) == pytest.approx(30 * mean * (1 + mean), rel=0.15)


def test_a_photon_counter_guesses_labels_but_learns_less_than_is_printed():
    images, labels = load_mnist(None, "test")
    xi, _ = directions(images[:5000])
    link = Link(1.000873, 391)
    guess = labels_by_photon_counting(link, xi, labels[:5000], 3136, np.random.default_rng(5))
    printed = {
        name: float(bits) for name, bits in image_bits(link.noise_quantum, 3136, 392).items()
    }
    assert (guess.images, guess.known) == (1000, 4999)
    assert guess.clicks == pytest.approx(3136 * link.noise_quantum / 2, rel=0.1)
    assert guess.right > 0.33 > 2 * guess.chance
    assert 10 * printed["crb_prx"] < 0.5 < guess.bits < printed["holevo"]


def test_no_light_no_label(rng):
    xi, _ = directions(rng.normal(size=(40, 10)))
    labels = np.arange(40) % 4
    guess = labels_by_photon_counting(Link(1 + 1e-12, 6), xi, labels, 10, rng)
    assert guess.clicks == 0 and guess.right <= 0.25 and guess.bits <= 1e-12
    with pytest.raises(RangeError, match="images = 1 "):
        labels_by_photon_counting(Link(1.1, 6), xi[:1], labels[:1], 10, rng)
