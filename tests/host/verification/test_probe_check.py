"""Checks among the images of a batch: where they are, what they find, what they leave alone."""

import numpy as np
import pytest

from shotveil.host.protocol.wire import ProtocolError
from shotveil.host.verification.probe_check import (
    ProbeCheck,
    check_mask,
    checks_for,
    draw_places,
    interleave,
    separate,
)
from shotveil.models.adversaries.squeezing_server import Squeezer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Detector, Link
from tests.host.parties.parties import IMAGES, parties


def test_every_set_of_places_is_equally_likely():
    places = draw_places(60_000, 5, 2, np.random.default_rng(1))
    assert places.shape == (60_000, 2) and (np.diff(places) > 0).all()
    _, counts = np.unique(places @ [5, 1], return_counts=True)
    assert len(counts) == 10 and np.abs(counts - 6000).max() < 5 * np.sqrt(6000)


@pytest.mark.parametrize("checks", [0, 1, 3])
def test_readings_come_apart_as_they_were_put_together(checks):
    rng = np.random.default_rng(2)
    places = draw_places(1, 4 + checks, checks, rng)[0] if checks else np.zeros(0, int)
    mask = check_mask(places, 4 + checks)
    apart = rng.normal(size=(4 + checks, 7))
    images, checked = separate(interleave(apart, mask), mask)
    np.testing.assert_array_equal(images, apart[:4])
    np.testing.assert_array_equal(checked, apart[4:])


def test_there_are_two_checks_at_least_or_none():
    assert [checks_for(n, 0.02) for n in (1, 16, 256, 1000)] == [2, 2, 5, 20]
    assert checks_for(1000, 0.0) == 0


def test_checks_leave_the_results_as_they_are(tmp_path):
    """One seed, with checks and without: the same outputs of the images."""
    outputs = []
    for rate in (0.0, 0.1):
        folder = tmp_path / str(rate)
        folder.mkdir()
        with parties(folder) as (_, _, client):
            outputs.append(client(check_rate=rate).classify(IMAGES[:100], 50))
    # But for rounding: what is mixed is undone with other numbers.
    np.testing.assert_allclose(*outputs, rtol=1e-12, atol=1e-12)


def test_checks_are_charged_like_images(tmp_path):
    with parties(tmp_path) as (ledger, _, client):
        asked = client(check_rate=0.1)
        asked.classify(IMAGES[:100], 50)
        (account,) = ledger.accounts.networks.values()
        assert account.total.copies() == 2 * 55 * 74
        assert asked.close().images == 100


@pytest.mark.parametrize("squeezing, fraction", [(10.0, 1.0), (3.0, 1.0), (10.0, 0.2)])
def test_squeezing_of_some_rows_is_found(squeezing, fraction):
    """A server that squeezes a part of what it sends cannot know which part is looked at."""
    rng, link = np.random.default_rng(3), Link(1.3, 6.0)
    check = ProbeCheck(link.gain, link.client_detector)
    for _ in range(40):
        direction = _direction(rng)
        means = rng.normal(0, 3.5, 800)
        squeezed = Squeezer(squeezing).readings(link, direction, means, 5, rng)
        honest = Squeezer(0.0).readings(link, direction, means, 5, rng)
        if check.add(np.where(rng.random(honest.shape) < fraction, squeezed, honest)):
            return
    raise AssertionError("never noticed")


def _direction(rng):
    direction = rng.normal(size=392) + 1j * rng.normal(size=392)
    return direction / np.linalg.norm(direction)


def test_coherent_light_is_refused_at_most_at_the_level():
    """Looked at after each of 30 batches, at a level of 2 %."""
    rng, link, refused = np.random.default_rng(4), Link(2.0, 6.0), 0
    for _ in range(250):
        check = ProbeCheck(link.gain, link.client_detector, 0.02)
        spread = np.sqrt(check.expected)
        refused += any(check.add(rng.normal(7, spread, (4, 50))) for _ in range(30))
    assert refused <= 0.02 * 250


@pytest.mark.parametrize("more", [True, False])
def test_light_of_another_variance_ends_the_session(tmp_path, more):
    """Readings that scatter more, or less, than those of coherent light at the client's gain."""
    with parties(tmp_path) as (_, _, client):
        asked = client(check_rate=0.2)
        asked.check = ProbeCheck(1.1 if more else 1.6, Detector())
        with pytest.raises(ProtocolError, match="light is refused"):
            asked.classify(np.repeat(IMAGES, 3, axis=0), 200)


def test_squares_about_the_mean_of_each_slot_are_summed():
    detector = Detector(0.8, 0.1)
    check = ProbeCheck(1.5, detector)
    # η·(G − 1)·D: of coherent light at the detector.
    added = (2 * 1.5**2 - 3 * 1.5 + 2) / 1.5 + 0.3 / 0.8
    assert check.expected == pytest.approx(0.8 * added)
    assert np.isnan(check.variance) and (check.squares, check.count) == (0.0, 0)
    assert check.add(np.array([[1.0, 5.0], [3.0, 5.0]])) == ""
    assert (check.squares, check.count, check.variance) == (2.0, 2, 1.0)
    assert check.add(np.array([[0.0], [3.0], [3.0]])) == ""
    assert (check.squares, check.count, check.variance) == (8.0, 4, 2.0)


def test_one_check_of_a_slot_is_refused_and_so_are_levels_that_are_none():
    check = ProbeCheck(1.5, Detector())
    with pytest.raises(RangeError, match="checks of a slot = 1"):
        check.add(np.ones((1, 9)))
    assert check.count == 0
    for level in (0.0, 1.0):
        with pytest.raises(RangeError, match="false alarm probability"):
            ProbeCheck(1.5, Detector(), level)


def test_what_is_refused_is_refused_at_its_level(monkeypatch):
    place = "shotveil.host.verification.probe_check.variance_evidence"
    check, found = ProbeCheck(1.5, Detector(), 1e-3), {}
    monkeypatch.setattr(place, lambda *given: found.update(given=given) or found["says"])
    found["says"] = np.log(1e3) - 1e-9
    assert check.add(np.zeros((2, 3))) == "" and found["given"] == (0.0, 3, check.expected)
    found["says"] = np.log(1e3) + 1e-9
    assert "have variance 0 at the detector where coherent light has" in check.add(np.zeros((2, 3)))


def test_the_last_place_is_drawn_too_and_all_may_be():
    rng = np.random.default_rng(5)
    assert set(draw_places(500, 3, 1, rng).ravel()) == {0, 1, 2}
    np.testing.assert_array_equal(draw_places(4, 3, 3, rng), [[0, 1, 2]] * 4)
    assert check_mask(np.array([0, 2]), 3).tolist() == [True, False, True]


def test_readings_of_each_layer_are_held_against_its_own_gain():
    rng, detector = np.random.default_rng(1), Detector(0.9, 0.1)
    channel = Channel(client_detector=detector)
    check = ProbeCheck([1.5, 1.02], detector)
    for layer, gain in enumerate((1.5, 1.02)):
        sigma = np.sqrt(channel.inference_variance_at(gain))
        assert check.add(rng.normal(0, sigma, (40, 500)), layer) == ""
    assert check.variance == pytest.approx(check.expected, rel=0.03)
    mistaken = ProbeCheck([1.5, 1.02], detector)
    assert mistaken.add(rng.normal(0, sigma, (40, 500)), 0)  # as if the first layer's
