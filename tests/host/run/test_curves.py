"""Fast accuracy curves against inference through the link, one point at a time."""

import math

import numpy as np
import pytest

from shotveil.host.run.curves import AccuracyCurve, Logistic, accuracy_curve, calibrated_curve
from shotveil.host.run.inference import infer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link
from shotveil.models.networks.network import Layer, Network

LINK = Link(1.7, 1.0, transmittance_out=0.6, client_detector=Detector(0.8, 0.1))


def made_up(widths, biases, rng):
    layers = (
        Layer(rng.normal(size=(rows, columns + bias)) + 0.1, bias)
        for columns, rows, bias in zip(widths, widths[1:], biases, strict=False)
    )
    return Network("made up", tuple(layers))


def data_for(network, count, rng):
    """Images, and as labels what the network makes of them without noise."""
    images = rng.random((count, network.inputs)).astype(np.float32)
    return images, network.forward(images).argmax(axis=1)


@pytest.mark.parametrize(
    "widths, biases",
    [
        ((8, 12, 4), (False, False)),
        ((8, 12, 4), (True, True)),
        ((7, 9, 11, 3), (False, True, False)),
        ((6, 5), (False,)),
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_agrees_with_the_link(widths, biases, shared):
    rng = np.random.default_rng(1)
    network = made_up(widths, biases, rng)
    images, labels = data_for(network, 20_000, rng)
    f2 = np.array([0.05, 0.5, 5.0, 50.0])
    fast = accuracy_curve(network, images, labels, f2, rng, shared_noise=shared)
    for value, accuracy in zip(f2, fast, strict=True):
        slow = infer(network, images, LINK.with_f2(value), rng, verify=False).predictions == labels
        both = (accuracy + slow.mean()) / 2
        # The images are the same, so this counting error is generous, more so with the noise.
        error = math.sqrt(2 * both * (1 - both) / len(images))
        assert abs(accuracy - slow.mean()) < 4 * error
    assert fast[0] < 0.8 * fast[-1]


def test_without_noise_in_the_limit():
    rng = np.random.default_rng(2)
    network = made_up((8, 6, 4), (False, True), rng)
    images, labels = data_for(network, 500, rng)
    assert accuracy_curve(network, images, labels, 1e12, rng) == 1.0


def test_at_zero_only_noise_is_left():
    rng = np.random.default_rng(3)
    network = made_up((8, 6, 4), (False, True), rng)
    images, labels = data_for(network, 20_000, rng)
    found = accuracy_curve(network, images, labels, [0.0], rng)
    assert found[0] == pytest.approx(0.25, abs=4.5 * math.sqrt(0.25 * 0.75 / 20_000))


def test_empty_images_read_zero():
    # ‖x‖ = 0 makes every reading 0, and the first class the answer, as through the link.
    rng = np.random.default_rng(4)
    network = made_up((8, 6, 4), (False, False), rng)
    images, labels = np.zeros((50, 8), np.float32), np.zeros(50, int)
    assert accuracy_curve(network, images, labels, 1.0, rng) == 1.0
    seen = infer(network, images, LINK.with_f2(1.0), rng, verify=False)
    assert (seen.predictions == 0).all()


def test_shared_noise_is_shared_and_fresh_noise_is_fresh():
    rng = np.random.default_rng(5)
    network = made_up((8, 12, 4), (False, False), rng)
    images, labels = data_for(network, 2_000, rng)
    f2 = np.full(40, 0.3)
    fresh = accuracy_curve(network, images, labels, f2, np.random.default_rng(1))
    shared = accuracy_curve(
        network, images, labels, f2, np.random.default_rng(1), shared_noise=True
    )
    assert np.ptp(shared) == 0
    assert len(np.unique(fresh)) > 10


def test_depends_on_the_seed_alone(monkeypatch):
    rng = np.random.default_rng(6)
    network = made_up((8, 12, 4), (False, False), rng)
    images, labels = data_for(network, 20_000, rng)
    done = []
    one = accuracy_curve(
        network, images, labels, [0.3, 1], np.random.default_rng(1), progress=done.append
    )
    assert sum(done) == len(images) and len(done) > 1
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    same = accuracy_curve(network, images, labels, [0.3, 1], np.random.default_rng(1))
    np.testing.assert_array_equal(one, same)


def test_refuses():
    rng = np.random.default_rng(7)
    network = made_up((8, 4), (False,), rng)
    images, labels = data_for(network, 10, rng)
    with pytest.raises(RangeError, match="F² = -1"):
        accuracy_curve(network, images, labels, -1, rng)
    with pytest.raises(RangeError, match=r"images of shape \(10, 7\)"):
        accuracy_curve(network, images[:, :7], labels, 1, rng)
    with pytest.raises(RangeError, match=r"labels of shape \(9,\)"):
        accuracy_curve(network, images, labels[:9], 1, rng)


def curve_of(accuracy, f2=None):
    accuracy = np.array(accuracy, dtype=float)
    f2 = np.geomspace(1e-2, 1e2, len(accuracy)) if f2 is None else f2
    return AccuracyCurve("made up", "0", 10_000, f2, accuracy)


def test_interpolates_a_never_falling_curve():
    curve = curve_of([0.1, 0.3, 0.2, 0.9, 0.9], np.array([0.1, 1, 10, 100, 1000]))
    np.testing.assert_allclose(curve.monotone, [0.1, 0.25, 0.25, 0.9, 0.9])
    np.testing.assert_allclose(
        curve.at([0, 0.1, 10**-0.5, 5, 10**1.5, 1e9]), [0.1, 0.1, 0.175, 0.25, 0.575, 0.9]
    )
    for accuracy in (0.15, 0.25, 0.5, 0.9):
        f2 = curve.f2_for(accuracy)
        assert curve.at(f2) == pytest.approx(accuracy)
        assert curve.at(f2 * 0.999) < accuracy
    assert curve.f2_for(0.05) == 0.1
    with pytest.raises(RangeError, match=r"accuracy = 0\.95 is above 0\.9"):
        curve.f2_for(0.95)


def test_fits_the_logistic_it_was_made_from():
    truth = Logistic(0.1, 0.98, 0.25, 1.8)
    f2 = np.geomspace(1e-3, 1e2, 200)
    noise = np.random.default_rng(8).normal(size=200)
    accuracy = truth(f2)
    accuracy += noise * np.sqrt(accuracy * (1 - accuracy) / 10_000)
    fit = curve_of(accuracy, f2).logistic
    assert fit.low == pytest.approx(0.1, abs=2e-3)
    assert fit.high == pytest.approx(0.98, abs=1e-3)
    assert fit.midpoint == pytest.approx(0.25, rel=0.01)
    assert fit.exponent == pytest.approx(1.8, rel=0.02)


def test_measured_once_and_kept(tmp_path, monkeypatch):
    rng = np.random.default_rng(9)
    network = made_up((8, 12, 4), (False, False), rng)
    images, labels = data_for(network, 1_000, rng)
    settings = {"points": 8, "cache": tmp_path}
    first = calibrated_curve(network, images, labels, **settings)
    assert first.accuracy[0] < first.accuracy[-1]

    measured = []
    monkeypatch.setattr(
        "shotveil.host.run.curves.accuracy_curve",
        lambda *args, **kwargs: measured.append(1) or np.full(8, 0.5),
    )
    again = calibrated_curve(network, images, labels, **settings)
    np.testing.assert_array_equal(again.accuracy, first.accuracy)
    assert not measured
    # Other network, images, labels or seed: another curve.
    other = made_up((8, 12, 4), (False, False), rng)
    calibrated_curve(other, images, labels, **settings)
    calibrated_curve(network, images[::-1], labels, **settings)
    calibrated_curve(network, images, 1 - labels, **settings)
    calibrated_curve(network, images, labels, seed=2, **settings)
    assert len(measured) == 4
    # A damaged file is measured anew.
    for path in tmp_path.iterdir():
        path.write_text(path.read_text()[:-5])
    calibrated_curve(network, images, labels, **settings)
    assert len(measured) == 5


def test_works_without_a_cache_that_can_be_written(tmp_path):
    rng = np.random.default_rng(10)
    network = made_up((8, 4), (False,), rng)
    images, labels = data_for(network, 100, rng)
    (tmp_path / "file").write_text("in the way")
    curve = calibrated_curve(network, images, labels, points=4, cache=tmp_path / "file")
    assert curve.accuracy.shape == (4,)


def test_layers_with_light_of_their_own_agree_with_the_link(tmp_path):
    rng = np.random.default_rng(1)
    network = made_up((8, 12, 4), (True, True), rng)
    images, labels = data_for(network, 20_000, rng)
    for ratio in (0.1, 30.0):
        links = [LINK.with_f2(0.5), LINK.with_f2(0.5 * ratio)]
        seen = infer(network, images, links, np.random.default_rng(2), verify=False)
        direct = float((seen.predictions == labels).mean())
        ours = float(accuracy_curve(network, images, labels, 0.5, rng, ratios=(1.0, ratio)))
        even = float(accuracy_curve(network, images, labels, 0.5, rng))
        assert abs(ours - direct) < 5 * math.sqrt(0.5 / len(images)) < abs(ours - even)


def test_the_cache_knows_ratios_apart_and_even_light_from_none(tmp_path):
    rng = np.random.default_rng(1)
    network = made_up((8, 12, 4), (False, False), rng)
    images, labels = data_for(network, 200, rng)
    measured = []
    for ratios in ((), (1.0, 1.0), (1.0, 4.0), (1.0, 16.0), (1.0, 4.0)):
        done = []
        curve = calibrated_curve(
            network, images, labels, ratios=ratios, points=8, cache=tmp_path, progress=done.append
        )
        measured.append(bool(done))
        assert curve.ratios == (() if set(ratios) <= {1.0} else ratios)
        assert curve.f2_of(1, 2.0) == 2.0 * (ratios[1] if ratios else 1)
    assert measured == [True, False, True, True, False]
    for ratios, message in (
        ((1.0,), "1 ratios of F² are given; allowed: 2"),
        ((2.0, 1.0), "2 in the first layer"),
        ((1.0, 0.0), "ratio of F² = 0"),
    ):
        with pytest.raises(RangeError, match=message):
            accuracy_curve(network, images, labels, 0.5, rng, ratios=ratios)
