"""The report's figures meet the project's floors, at sizes that take seconds."""

import numpy as np
import pytest

from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import light
from shotveil.sim.figures import digitiser_report as report
from shotveil.sim.figures.digitiser_waveform import draw

TWO, ONE = DigitiserSpec(), DigitiserSpec(quadratures=1)


@pytest.mark.parametrize("spec", [TWO, ONE])
def test_sums_against_floating_point(spec):
    found = report.accuracy(spec, frames=300)
    # Chance correlation of roundings with noise: 1e-6 at 400,000 symbols, here 100,000.
    assert found["transmittance"] < 1e-6
    assert found["noise"] < 4e-6
    assert abs(found["snr_loss_db"]) <= 0.05


def test_snr_loss_with_phase_tracking():
    """The floor holds with the receiver tracking by itself, at the weakest signal as well."""
    for transmittance in (0.25, 1.0):
        found = report.accuracy(TWO, frames=200, transmittance=transmittance)
        assert 0 < found["tracking_db"] <= 0.05
    # The loop of homodyne mode, on top of what the fixed-point receiver loses.
    fixed = report.accuracy(ONE, frames=200)["snr_loss_db"]
    assert 0 < fixed + report.tracking_loss(ONE, frames=200) <= 0.05


def test_tracking_holds_with_a_wide_laser():
    """At linewidth × symbol time of 1e-5 no tracker on these pilots does better than 0.16 dB."""
    assert report.tracking_loss(TWO, 1e-5, frames=100) < 0.4
    assert report.tracking_loss(TWO, 1e-5, phase_shift=2, frames=100) < 0.25


def test_excess_noise_of_drive_and_receiver():
    found = report.back_to_back(frames=8)
    assert found["drive and receiver"] <= 5e-4
    assert max(found.values()) < 1e-4


@pytest.mark.parametrize("spec", [TWO, ONE])
def test_frame_is_found_at_any_delay(spec):
    delays = [0, 1, 2, 3, *range(5, 4096, 89), 4095]
    hits, total = report.found_at_every_delay(spec, delays)
    assert hits == total == len(delays)


@pytest.mark.parametrize("spec", [TWO, ONE])
def test_no_false_frame_in_vacuum(spec):
    hits, largest = report.false_frames(spec, 2_000_000)
    assert hits == 0
    assert 0.2 < largest < 0.8  # the tail is there, and ends well below


@pytest.mark.parametrize("start", [-3.1, -1.6, 0.0, 1.7, 3.1])
def test_homodyne_lock(start):
    line = np.rad2deg(report.lock_transient(start, 140, transmittance=0.5))
    assert np.all(np.abs(line[50:]) < 5)
    assert np.sqrt(np.mean(line[50:] ** 2)) <= 1


def test_picture():
    given = light(TWO, SimulatedChannel(delay=200.4), 10, np.random.default_rng(7), FrameLayout())
    figure = draw(TWO, given, report.receive(TWO, given), 256.0)
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]
    assert [title.split()[0].strip(",") for title in titles] == [
        "Eye", "Symbols", "Spectrum", "Homodyne",
    ]  # fmt: skip


def test_which_parts_of_the_report_are_made():
    assert list(report.report()) == ["floors"]
    assert list(report.report(3, 5)) == ["bias_phase_diverse", "bias_homodyne", "vacuum"]
