import math

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.waveform.impairments import GROUPS, Impairments


def test_the_default_is_the_ideal_link():
    assert Impairments().on == ()
    assert Impairments().link(1.3, photons=2.0) == Link(gain=1.3, photons=2.0)


def test_each_is_switched_off_alone():
    some = Impairments(extinction=30, bias_error=(0.01, 0), linewidth=1e-5)
    assert some.without("bias_error").on == ("extinction", "linewidth")
    with pytest.raises(RangeError, match="'weather' is none of"):
        some.without("weather")


def test_groups_hold_every_impairment_that_is_not_a_mere_offset_of_time_or_phase():
    grouped = [name for names in GROUPS.values() for name in names]
    free = {"delay_out", "delay_back", "phase_out", "phase_back"}
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(vars(Impairments())) - free


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transmittance_out", 0),
        ("client_efficiency", 1.1),
        ("bias_error", (0.0, math.nan)),
        ("bias_error", (0.0,)),
        ("delay_out", 1.5),
        ("extinction", -1),
        ("sampling", 1),
        ("linewidth", -1e-9),
        ("excess_noise", -1e-9),
        ("excess_noise", math.inf),
        ("client_electronic_noise", -1e-9),
        ("server_electronic_noise", -1e-9),
        ("angle_error", -1e-9),
        ("angle_error", 3.15),
        ("transmittance_back", 1.001),
        ("server_efficiency", 0),
        ("delay_back", -1),
        ("delay_out", (1 << 20) + 1),
        ("unmatched_out", -0.1),
        ("drift_back", math.nan),
        ("phase_out", math.inf),
        ("quadrature_error", math.pi / 2),
        ("quadrature_error", -math.pi / 2),
        ("half_wave_error", (0.0, -1.0)),
        ("imbalance", (1.0, 0.0)),
        ("driver_bandwidth", 0),
        ("detector_bandwidth", 0),
        ("sampling", -0.1),
        ("adc_offset", math.nan),
    ],
)
def test_what_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(RangeError, match=name):
        Impairments(**{name: value})


def test_the_ends_of_what_can_be_are_allowed():
    Impairments(
        transmittance_out=1, delay_back=1 << 20, excess_noise=0, linewidth=0, angle_error=math.pi,
        client_efficiency=1, server_electronic_noise=0, sampling=0, unmatched_back=1 << 20,
        extinction=1e-9,
    )  # fmt: skip


def test_a_symbol_level_phase_error_has_no_place_here():
    with pytest.raises(RangeError, match="phase error"):
        Impairments().over(Link(gain=1.3, photons=1, phase_error=0.1))
    assert (
        Impairments(linewidth=1e-6).over(Link(1.3, 1, transmittance_out=0.9)).transmittance_out
        == 0.9
    )
