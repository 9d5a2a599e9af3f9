import math

import numpy as np
import pytest

from shotveil.models.waveform.impairment import Place
from shotveil.models.waveform.impairments import IMPAIRMENTS, Impairments
from shotveil.models.waveform.stages import stage_at

CAUSE = "driver bandwidth"


def stage(**settings):
    return stage_at(Place.DRIVE, Impairments(**settings), np.random.default_rng(1))


def test_its_settings(holds):
    holds(CAUSE, "driver_bandwidth", default=math.inf, realistic=2.0, allowed=(1e-3,),
          refused=(0, -1))  # fmt: skip
    holds(CAUSE, "sampling", default=0.0, realistic=0.5, allowed=(0.999,), refused=(-1e-9, 1))


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS[CAUSE]
    assert cause.distorts and cause.budgeted and cause.excess is None
    assert list(cause.stages) == [Place.DRIVE]


def test_without_it_the_voltage_is_what_the_dac_holds():
    voltage = np.random.default_rng(2).normal(size=(2, 50))
    assert stage(sampling=0.7)(voltage) is voltage


@pytest.mark.parametrize("sampling", [0.0, 0.25])
def test_the_driver_settles_exponentially(sampling):
    step = np.ones((2, 3))
    time = np.arange(3) + sampling
    rise = 1 - np.exp(-2 * np.pi * 0.3 * time)
    found = stage(driver_bandwidth=0.3, sampling=sampling)(step)
    np.testing.assert_allclose(found, [rise, rise], atol=1e-12)


def test_blocks_do_not_matter():
    voltage = np.random.default_rng(3).normal(size=(2, 1000))
    whole = stage(driver_bandwidth=0.3, sampling=0.25)(voltage)
    streaming = stage(driver_bandwidth=0.3, sampling=0.25)
    pieces = [streaming(part) for part in np.split(voltage, [1, 7, 500, 999], axis=1)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces, axis=1))
