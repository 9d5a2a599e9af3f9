"""A server's node with simulated light: what it sends comes back as its settings say."""

import numpy as np
import pytest

from shotveil.host.devices.light import FibreSettings, LightDevice
from shotveil.host.devices.opening import open_device
from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import NodeSpec

SPEC = NodeSpec("server")
QUIET = np.zeros((2, 40_000), np.int64)


def words(device, codes):
    raw = device.fibre(codes)
    half = 1 << (SPEC.digitiser.adc_bits - 1)
    return (raw + half) % (2 * half) - half


def test_vacuum_and_dark_have_the_noise_of_their_shutters():
    settings = FibreSettings(step=200.0, electronic_noise=0.04, excess_noise=0.5, bias=0.0)
    device = LightDevice(SPEC, settings)
    device.shutter(signal=False, oscillator=True)
    assert words(device, QUIET).std() == pytest.approx(200 * np.sqrt(1.04), rel=0.01)
    device.shutter(signal=False, oscillator=False)
    assert words(device, QUIET).std() == pytest.approx(200 * 0.2, rel=0.01)
    # Excess noise comes with the signal, and half of the light reaches each quadrature.
    device.shutter(signal=True, oscillator=True)
    assert words(device, QUIET).std() == pytest.approx(200 * np.sqrt(1.04 + 0.25), rel=0.01)


def test_light_is_late_lossy_and_turned_and_grows_as_a_sine():
    settings = FibreSettings(
        transmittance=0.64, drift=0.0, delay=7, electronic_noise=0.0, bias=0.1, half_wave=0.8
    )
    device = LightDevice(SPEC, settings)
    codes = QUIET.copy()
    codes[0, 20_000:] = 4096  # half of full scale
    seen = words(device, codes)
    middle = seen[:, 20_007:].mean(axis=1) - seen[:, :20_007].mean(axis=1)
    drive = SPEC.drive
    taps = drive.pulse() * drive.coefficient.lsb
    size = 24.0 / np.sqrt(np.sum(taps**2)) * np.sqrt(0.5 * 0.64) * 128
    risen = np.sin(np.pi / 2 * 0.4 / 0.8) + np.sin(np.pi / 2 * 0.1 / 0.8)
    assert np.hypot(*middle) == pytest.approx(size * risen, rel=0.02)
    assert int(np.argmax(np.abs(np.diff(seen[0])))) == 20_006


def test_settings_may_change_and_are_checked():
    device = LightDevice(SPEC)
    device.change(transmittance=0.5)
    assert device.fibre.settings.transmittance == 0.5
    with pytest.raises(RangeError, match=r"transmittance = 1\.5"):
        device.change(transmittance=1.5)


def test_a_url_sets_the_light():
    device = open_device("light:server?transmittance=0.9&delay=50")
    assert isinstance(device, LightDevice)
    assert device.fibre.settings == FibreSettings(transmittance=0.9, delay=50)
    assert device.name == "light:server?transmittance=0.9&delay=50"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("light:client", "allowed: light:server"),
        ("light:", "allowed: light:server"),
        ("light:server?colour=1", "sets 'colour'"),
        ("light:server?transmittance=much", "transmittance = 'much'"),
        ("light:server?transmittance=2", "transmittance = 2"),
        ("light:server?delay=1.5", "delay = '1.5'"),
        ("light:server?samples_per_symbol=3", "samples_per_symbol = 3 cannot be received"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused(url, message):
    with pytest.raises(RangeError, match=message):
        open_device(url)


def test_the_url_says_how_long_a_symbol_of_the_node_lasts():
    with open_device("light:server?samples_per_symbol=2&delay=3") as device:
        assert device.spec == NodeSpec.chosen("server", samples_per_symbol=2)
        assert device.fibre.settings.delay == 3
    with open_device("light:server") as device:
        assert device.spec == SPEC
    with pytest.raises(RangeError, match="sets 'samples_per_symbol' and is given a spec"):
        open_device("light:server?samples_per_symbol=2", SPEC)
