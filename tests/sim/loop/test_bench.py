"""The optics as a calibration sees them. What it finds in them: tests/host/devices."""

import numpy as np
import pytest

from shotveil.models.digitiser.spec import DARK_RECORD, VACUUM_RECORD
from shotveil.models.drive.spec import Arm
from shotveil.models.networks.network import Layer
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.modulator import true_arms
from shotveil.sim.loop import bench as module
from shotveil.sim.loop.bench import ModelBench, calibrated
from shotveil.sim.loop.settings import prepare, realistic

LAYER = Layer(np.random.default_rng(1).normal(size=(4, 60)).astype(np.float32))
SETTINGS = realistic(1.3, 2.4, Impairments(
    bias_error=(0.01, -0.02), imbalance=(0.1, 0.0), server_electronic_noise=0.1, delay_out=20,
    delay_back=3, phase_out=0.5, phase_back=0.25,
))  # fmt: skip


def bench(settings=SETTINGS, **more):
    return ModelBench(settings, prepare(settings, LAYER), **more)


def test_the_modulator_is_the_same_whatever_anybody_sets():
    made = bench()
    assert made._setup.arms == true_arms(SETTINGS.impairments, SETTINGS.arms)
    left = made._setup.impairments
    assert left == SETTINGS.impairments.without("bias_error", "half_wave_error", "imbalance")
    assert made.spec is SETTINGS.server and made.settings is made.light.server


def test_records_are_of_vacuum_and_of_electronics_alone():
    made, spec = bench(frames=200), SETTINGS.server
    words = made.light.setup.period * 200
    means = {}
    for kind, sums, word in (
        (VACUUM_RECORD, made.vacuum(), spec.vacuum_word),
        (DARK_RECORD, made.dark(), spec.dark_word),
    ):
        means[kind] = sums[word]
        assert sums[word].any()
        others = [k for k in (spec.vacuum_word, spec.dark_word) if k != word]
        assert not sums[others].any()
    ratio = means[DARK_RECORD].astype(float) / np.maximum(means[VACUUM_RECORD], 1)
    assert words and np.any(np.isclose(ratio, 0.1 / 1.1, rtol=0.1))


def test_noise_is_new_for_every_record():
    made = bench(frames=20)
    assert (made.vacuum() != made.vacuum()).any()
    np.testing.assert_array_equal(bench(frames=20).vacuum(), bench(frames=20).vacuum())


def test_an_echo_tells_delay_and_phase():
    echo = bench().echo(SETTINGS.arms)
    assert len(echo.delays) == len(echo.phases) >= 20
    assert np.median(echo.delays) == pytest.approx(bench().light.setup.to_server, abs=0.6)
    assert np.median(echo.phases) == pytest.approx(0.75, abs=0.1)


def test_held_voltages_are_seen_as_a_power():
    """At the null of either arm there is next to nothing; at full swing much."""
    quiet = Impairments(extinction=60.0)
    settings = realistic(1.3, 2.4, quiet)
    made, word = bench(settings), settings.server.vacuum_word
    dark, bright = made.held((0.0, 0.0))[word], made.held((0.5, 0.0))[word]
    assert bright.astype(float).sum() > 5 * dark.astype(float).sum()


def test_a_calibration_moves_the_drive_and_leaves_the_modulator(monkeypatch):
    """Half of the bias is found here, and errors are those that are left."""
    found = (Arm(half_wave=0.9, bias=0.004, gain=0.8), Arm(half_wave=0.9, bias=-0.02, gain=0.8))

    class Found:
        def drive_arms(self):
            return found

    asked = []
    monkeypatch.setattr(module, "calibrate", lambda *given: asked.append(given) or Found())
    start = (Arm(), Arm())
    settings, calibration = calibrated(SETTINGS, prepare(SETTINGS, LAYER), start)
    ((made, given, efficiency),) = asked
    assert isinstance(made, ModelBench) and given is start
    assert efficiency == SETTINGS.impairments.server_efficiency
    assert isinstance(calibration, Found) and settings.arms == found
    before = true_arms(SETTINGS.impairments, SETTINGS.arms)
    after = true_arms(settings.impairments, settings.arms)
    for one, other in zip(before, after, strict=True):
        assert (other.bias, other.half_wave) == pytest.approx((one.bias, one.half_wave))
    # A factor common to both arms is the light's strength.
    assert after[0].gain / after[1].gain == pytest.approx(before[0].gain / before[1].gain)
    assert sum(settings.impairments.imbalance) == pytest.approx(0)
