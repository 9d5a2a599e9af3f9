"""The channel: what follows from its settings, and that each of them is written in one place."""

import math
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel, split_transmittance
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link

ROOT = Path(__file__).parents[3]
DETECTOR = (
    "efficiency",
    "electronic_noise",
    "oscillator_noise",
    "shot_noise_drift",
    "converter_range",
)
REAL = Channel(
    transmittance_out=0.8,
    transmittance_back=0.5,
    excess_noise=0.01,
    phase_error=0.1,
    client_detector=Detector(0.9, 0.05),
    server_detector=Detector(0.7, 0.02),
)


def test_an_ideal_channel_changes_nothing():
    ideal = Channel()
    assert ideal.transmittance == ideal.declared_transmittance == ideal.coherence == 1
    assert ideal.declared_excess_noise_at(2.0, 6.0, 4) == 0.25  # g/N alone
    assert ideal.returned_excess_noise_at(2.0, 6.0, 4) == 0.25
    assert ideal.f2_at(2.0, 6.0) == 6  # D = 2
    assert ideal.signal_at(5.0) == 2
    assert ideal.inference_variance_at(2.0) == 2


def test_figures_of_a_real_one():
    coherence = math.exp(-0.02)
    assert REAL.transmittance == pytest.approx(0.4)
    assert REAL.coherence == pytest.approx(coherence)
    assert REAL.declared_transmittance == pytest.approx(0.4 * coherence)
    noise = 2 + 0.15 / 0.9  # of an ideal detector at G = 2, and of this one
    assert REAL.inference_noise_at(2.0) == pytest.approx(noise)
    assert REAL.inference_variance_at(3.0) == pytest.approx(0.9 * 2 * REAL.inference_noise_at(3.0))
    assert REAL.f2_at(2.0, 6.0) == pytest.approx(12 * 0.8 / noise)
    assert REAL.photons_at(2.0, REAL.f2_at(2.0, 6.0)) == pytest.approx(6)
    assert REAL.signal_at(3.0) == pytest.approx(math.sqrt(0.9 * 0.8 * 2))
    assert REAL.inference_scale_at(3.0, 5.0) == pytest.approx(0.2 / math.sqrt(0.9 * 0.8 * 2))
    assert REAL.inference_scale_at(3.0, 0.0) == math.inf
    blurred = (1 - coherence) * 0.4 * 12
    assert REAL.declared_excess_noise_at(2.0, 6.0, 4) == pytest.approx(0.25 + 0.01 + blurred)
    assert REAL.returned_excess_noise_at(2.0, 6.0, 4) == pytest.approx(0.125 + 0.01 + blurred)


def test_arrays_give_what_numbers_give():
    gains, photons = np.array([1.1, 3.0])[:, None], np.array([0.5, 6.0, 40.0])
    for each in (
        REAL.f2_at,
        REAL.photons_at,
        lambda g, p: REAL.declared_excess_noise_at(g, p, 9),
        lambda g, p: REAL.returned_excess_noise_at(g, p, 9),
    ):
        expected = [[each(float(g), float(p)) for p in photons] for (g,) in gains]
        np.testing.assert_allclose(each(gains, photons), expected, rtol=1e-14)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"transmittance_out": 0}, r"transmittance out = 0 is outside \(0, 1\]"),
        ({"transmittance_back": 1.1}, r"transmittance back = 1.1 is outside \(0, 1\]"),
        ({"excess_noise": -0.01}, r"excess noise = -0.01 is outside \[0, 1e"),
        ({"phase_error": 4}, r"phase error = 4 is outside \[0, 3.14159\]"),
        ({"phase_error": -0.1}, r"phase error = -0.1 is outside"),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(RangeError, match=message):
        Channel(**settings)


def test_a_row_has_modes():
    with pytest.raises(RangeError, match="modes = 0"):
        REAL.declared_excess_noise_at(2.0, 1.0, 0)
    assert REAL.declared_excess_noise_at(2.0, 1.0, 1) > 0


def test_settings_name_every_number_once_and_build_the_channel():
    names = [each.name for each in Channel.settings()]
    assert names == [
        "transmittance",
        "transmittance_out",
        "transmittance_back",
        "excess_noise",
        "phase_error",
        "loss_imbalance",
        *(f"client_{name}" for name in DETECTOR),
        *(f"server_{name}" for name in DETECTOR),
    ]
    flat = REAL.as_settings()
    assert list(flat) == names
    assert flat["client_electronic_noise"] == 0.05 and flat["server_efficiency"] == 0.7
    assert flat["transmittance"] == REAL.transmittance
    assert Channel.of(**flat) == REAL
    assert Channel.of() == Channel.of(transmittance=None) == Channel()
    assert Channel.of(transmittance=0.25).transmittance_out == 0.5
    assert Channel.of(transmittance=0.25, transmittance_back=1.0).transmittance_out == 0.25


def test_settings_say_what_they_mean():
    about = {each.name: each for each in Channel.settings()}
    assert about["transmittance"].default is about["transmittance_out"].default is None
    assert about["client_efficiency"].default == 1 and about["excess_noise"].default == 0
    assert about["server_efficiency"].described == (
        "Quantum efficiency of the server's homodyne detector (above 0, at most 1)."
    )
    assert "in radians (from 0 to 3.142)" in about["phase_error"].described
    assert about["client_efficiency"].label == "client's detector efficiency"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"excess": 0.1}, "setting 'excess' is none of client_converter_range, client_eff"),
        ({"transmittance": 1.5}, r"transmittance = 1.5 is outside \(0, 1\]"),
        ({"server_efficiency": 2}, "detector efficiency = 2"),
    ],
)
def test_of_refuses(settings, message):
    with pytest.raises(RangeError, match=message):
        Channel.of(**settings)


@pytest.mark.parametrize(
    "given, both",
    [
        ((None, None, None), (1, 1)),
        ((0.25, None, None), (0.5, 0.5)),
        ((0.25, 0.5, None), (0.5, 0.5)),
        ((0.25, None, 0.25), (1, 0.25)),
        ((0.25, 0.25, None), (0.25, 1)),
        ((None, 0.7, None), (0.7, 1)),
        ((None, None, 0.7), (1, 0.7)),
        ((None, 0.7, 0.5), (0.7, 0.5)),
        ((0.35, 0.7, 0.5), (0.7, 0.5)),
    ],
)
def test_split_transmittance(given, both):
    np.testing.assert_allclose(split_transmittance(*given), both)


@pytest.mark.parametrize(
    "given, message",
    [
        ((0.5, 0.4, None), r"transmittance out = 0.4 is outside \[0.5, 1\]"),
        ((0.5, None, 0.4), r"transmittance back = 0.4 is outside \[0.5, 1\]"),
        ((0.5, 0.9, 0.9), "is not 0.9 × 0.9"),
        ((0.81 * (1 + 1e-8), 0.9, 0.9), "is not 0.9 × 0.9"),
        ((1.5, None, None), r"transmittance = 1.5 is outside \(0, 1\]"),
        ((None, 0, None), r"transmittance out = 0 is outside \(0, 1\]"),
        ((None, None, 1.5), r"transmittance back = 1.5 is outside \(0, 1\]"),
    ],
)
def test_split_transmittance_refuses(given, message):
    with pytest.raises(RangeError, match=message):
        split_transmittance(*given)


def test_a_link_is_a_channel_with_light():
    link = Link.through(REAL, 2.0, photons=6.0)
    for each in fields(Channel):
        assert getattr(link, each.name) == getattr(REAL, each.name)


ADDED = """    dispersion: float = parameter(
        0.0, "Dispersion of the fibre", "ps per nm", at_least=0, at_most=5
    )
    phase_error: float = parameter("""
USES = """
from click.testing import CliRunner
from shotveil.host.commands.cli import cli
from shotveil.host.design.sweep import COLUMNS, Point, compute
from shotveil.models.link.channel import Channel

run = "leakage", "--gain", "2", "--photons", "4", "--modes", "9", "--rows", "9"
for command in ("leakage", "plan", "serve"):
    assert "--dispersion" in CliRunner().invoke(cli, [command, "--help"]).output, command
assert "ps per nm" in CliRunner().invoke(cli, ["leakage", "--help"]).output
done = CliRunner().invoke(cli, [*run, "--dispersion", "2.5", "--json"])
assert '"dispersion": 2.5' in done.output, (done.output, done.exception)
refused = CliRunner().invoke(cli, [*run, "--dispersion", "6"]).exception
assert str(refused) == "dispersion = 6 is outside [0, 5]", refused
row = compute(Point.of(images=0, photons=4.0, dispersion=2.5))
assert row["dispersion"] == 2.5 and "dispersion" in COLUMNS
"""


def test_a_new_setting_is_one_field(tmp_path, copied_package):
    """In a copy of the tree one field more: an option, a column and a check come with it."""
    package = copied_package(tmp_path, ("models", "host"))
    path = package / "models" / "link" / "channel.py"
    text = path.read_text(encoding="utf-8")
    assert text.count("    phase_error: float = parameter(") == 1
    path.write_text(text.replace("    phase_error: float = parameter(", ADDED), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USES],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_declared_figures_of_an_imbalanced_drifting_receiver():
    channel = Channel(
        transmittance_out=0.9,
        excess_noise=0.01,
        loss_imbalance=0.2,
        server_detector=Detector(0.5, 0.1, shot_noise_drift=0.02, oscillator_noise=0.04),
    )
    honest = 1 / 4 + 0.01 + 0.04 * (1 - 1 / 4) / 4 * 0.9 * 12  # d²·(1 − 1/N)/N of T·V_A
    mean = 0.9 * (1 - 0.05) ** 2 * 12
    honest += 0.04**2 / 4 * (1.1 / 0.5 + honest + mean)
    assert channel.honest_excess_noise_at(2.0, 6.0, 4) == pytest.approx(honest)
    # A record is in the calibrated unit. Whatever an honest link shows at most must be allowed,
    # and what may hide behind it is larger once more.
    shown = 1.02 * (1.1 + 0.5 * honest)
    declared = channel.declared_excess_noise_at(2.0, 6.0, 4)
    assert 0.98 * (1.1 + 0.5 * declared) == pytest.approx(shown)
    assert channel.declared_transmittance_at(4) == pytest.approx(0.9 * 0.95**2 * 0.98 / 1.02)
    assert channel.declared_transmittance_at(10**9) == pytest.approx(channel.declared_transmittance)


def test_range_of_a_converter_limits_the_light():
    receiver = Detector(0.8, 0.1, converter_range=30)
    channel = Channel(excess_noise=0.1, client_detector=receiver, server_detector=receiver)
    for gain, party in ((1.1, "server"), (6.0, "client")):
        most = channel.most_photons_at(gain)
        assert most == pytest.approx(float(channel.most_photons_at(np.array([gain]))[0]))
        Link.through(channel, gain, photons=most)
        with pytest.raises(RangeError, match=f"{party}'s converter range = 30 √SNU clips 1"):
            Link.through(channel, gain, photons=most * 1.01)
    assert Channel().most_photons_at(2.0) == math.inf
    assert Channel(server_detector=Detector(converter_range=2)).most_photons_at(1.1) < 0
    assert receiver.clipped(9.0) == pytest.approx(math.erfc(10 / math.sqrt(2)))
    assert Detector().clipped(1e30) == 0


def test_imbalance_returns_light_along_the_data():
    channel = Channel(loss_imbalance=1 - 10**-0.005, transmittance_out=0.8)
    assert channel.coherent_photons_at(5.0, 400) == pytest.approx((1 - 10**-0.005) ** 2 * 1600)
    # 0.1 dB at the demo's light returns 161 photons an image of 3,136 rows of random weights.
    whole = Channel(loss_imbalance=1 - 10**-0.005).coherent_photons_at(391.2, 392)
    assert 3136 * whole / 392 == pytest.approx(161, rel=0.01)
