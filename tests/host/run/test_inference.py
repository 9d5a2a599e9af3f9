import os

import numpy as np
import pytest

from shotveil.host.run.inference import infer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network

IMAGES = np.random.default_rng(0).random((6, 784))
LOSSY = Link(
    1.5,
    20,
    transmittance_out=0.8,
    transmittance_back=0.7,
    client_detector=Detector(0.9, 0.02),
    server_detector=Detector(0.8, 0.01),
)


@pytest.mark.parametrize("symbol_level", [False, True])
@pytest.mark.parametrize("verify", [False, True])
def test_much_light_gives_the_noiseless_outputs(small_network, symbol_level, verify):
    link = Link(2.0, 1e14, transmittance_out=0.8, transmittance_back=0.9)
    seen = infer(
        small_network,
        IMAGES,
        link,
        np.random.default_rng(1),
        symbol_level=symbol_level,
        verify=verify,
    )
    np.testing.assert_allclose(seen.outputs, small_network.forward(IMAGES), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(seen.predictions, small_network.forward(IMAGES).argmax(axis=1))


@pytest.mark.parametrize("symbol_level", [False, True])
def test_noise_of_one_layer_is_that_of_f2(symbol_level):
    # y = Wx + ‖x‖·rms/F·n, the relation that training uses; 4.5 standard errors, 7 % of variance.
    rng = np.random.default_rng(2)
    network = Network("one", (Layer(rng.normal(size=(64, 31))),))
    images = rng.normal(size=(120, 31))
    seen = infer(network, images, LOSSY, rng, symbol_level=symbol_level)
    layer = network.layers[0]
    spread = np.linalg.norm(images, axis=1)[:, None] * layer.rms / np.sqrt(LOSSY.f2)
    noise = ((seen.outputs - network.forward(images)) / spread).ravel()
    assert abs(noise.mean()) < 4.5 / np.sqrt(noise.size)
    assert abs((noise**2).mean() - 1) < 4.5 * np.sqrt(2 / noise.size)


def test_server_statistics_show_transmittance_and_noise_of_every_layer(small_network):
    seen = infer(small_network, IMAGES, LOSSY, np.random.default_rng(3))
    for layer, statistics in zip(small_network.layers, seen.statistics, strict=True):
        assert statistics.count == len(IMAGES) * layer.rows * layer.modes
        assert statistics.qq / statistics.count == pytest.approx(LOSSY.modulation_variance, rel=0.2)
        error = 1 / np.sqrt(statistics.count)
        expected = np.sqrt(0.8 * LOSSY.transmittance)
        assert abs(statistics.slope - expected) < 4.5 * error / np.sqrt(LOSSY.modulation_variance)
        noise = 1 + 0.01 + 0.8 * LOSSY.returned_excess_noise(layer.modes)
        # The amplifier's noise is one draw a row, hence the second term.
        spread = np.sqrt(2) * error * noise + LOSSY.noise_quantum / np.sqrt(6 * layer.rows)
        assert abs(statistics.residual / statistics.count - noise) < 4.5 * spread


@pytest.mark.parametrize("symbol_level", [False, True])
def test_one_seed_one_result_whatever_the_number_of_processors(
    small_network, symbol_level, monkeypatch
):
    images = np.random.default_rng(4).random((30, 784))
    monkeypatch.setattr("shotveil.host.run.inference.IMAGES_IN_BATCH", 7)
    monkeypatch.setattr("shotveil.host.run.schedule.READINGS_IN_BLOCK", 7 * 11)

    def run(seed):
        return infer(
            small_network, images, LOSSY, np.random.default_rng(seed), symbol_level=symbol_level
        )

    one = run(5)
    for processors in (1, 3, 9):  # of 5 batches: one after another, in parallel, block by block
        monkeypatch.setattr(os, "cpu_count", lambda: processors)  # noqa: B023
        again = run(5)
        np.testing.assert_array_equal(one.outputs, again.outputs)
        assert [s.yy for s in one.statistics] == [s.yy for s in again.statistics]
    assert not np.array_equal(one.outputs, run(6).outputs)


def test_progress_counts_every_image(small_network):
    done = []
    infer(small_network, IMAGES, LOSSY, np.random.default_rng(1), progress=done.append)
    assert sum(done) == len(IMAGES)


def test_unverified_run_has_no_statistics(small_network):
    seen = infer(small_network, IMAGES, LOSSY, np.random.default_rng(1), verify=False)
    assert seen.statistics == ()


def test_black_image_gives_zero_without_bias():
    network = Network("one", (Layer(np.ones((3, 4))),))
    seen = infer(network, np.zeros((2, 4)), LOSSY, np.random.default_rng(1))
    np.testing.assert_array_equal(seen.outputs, 0)


@pytest.mark.parametrize("shape", [(784,), (2, 783), (0, 784)])
def test_refuses_images_that_do_not_fit(small_network, shape):
    with pytest.raises(RangeError, match="do not fit"):
        infer(small_network, np.zeros(shape), LOSSY, np.random.default_rng(1))


def test_refuses_darkness(small_network):
    with pytest.raises(RangeError, match=r"photons = 0 is outside \[1e-12"):
        infer(small_network, IMAGES, Link(1.3, 0), np.random.default_rng(1))


@pytest.mark.parametrize(
    "name, f2, floor",
    [("mnist-paper", 2.4, 0.960), ("mnist-paper", 10, 0.977), ("mnist", 0.3, 0.980)],
)
def test_shipped_networks_classify_digits(name, f2, floor):
    images, labels = load_mnist(None, "test")
    link = Link(1.3, 1).with_f2(f2)
    seen = infer(load_network(name), images, link, np.random.default_rng(1), verify=False)
    assert (seen.predictions == labels).mean() >= floor


def test_symbol_level_and_fast_path_agree_on_digits():
    images, labels = load_mnist(None, "test")
    link = Link(1.3, 1).with_f2(0.5)
    network = load_network("mnist-paper")
    fast = infer(network, images[:3000], link, np.random.default_rng(1), verify=False)
    slow = infer(network, images[:60], link, np.random.default_rng(2), symbol_level=True)
    p = (fast.predictions == labels[:3000]).mean()
    seen = (slow.predictions == labels[:60]).mean()
    assert 0.7 < p < 0.9  # where a wrong noise would show
    assert abs(seen - p) < 4.5 * np.sqrt(p * (1 - p) / 60)


@pytest.mark.parametrize("symbol_level", [False, True])
def test_each_layer_has_the_light_of_its_own_link(small_network, symbol_level):
    links = [Link(2.0, 1e14), Link(1.3, 5.0)]
    runs = [
        infer(small_network, IMAGES, light, np.random.default_rng(1), symbol_level=symbol_level)
        for light in (links, links[0], links[1], [links[1], links[1]])
    ]
    each, bright, weak, also_weak = (seen.statistics for seen in runs)
    # The sums say how bright the light of a layer was.
    assert each[0].qq == bright[0].qq and each[1].qq == weak[1].qq != bright[1].qq
    assert also_weak[0].qq == weak[0].qq
    np.testing.assert_array_equal(runs[2].outputs, runs[3].outputs)
    # Only the last layer is noisy: its reading is the noiseless product plus noise.
    still = small_network.forward(IMAGES)
    error = np.abs(runs[0].outputs - still).max()
    assert np.abs(runs[1].outputs - still).max() < 1e-3 * error
    with pytest.raises(RangeError, match="given for 3 layers; allowed: for 2"):
        infer(small_network, IMAGES, [links[0]] * 3, np.random.default_rng(1))
    with pytest.raises(RangeError, match="photons = 0"):
        infer(small_network, IMAGES, [links[0], Link(1.3, 0.0)], np.random.default_rng(1))
