import math

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link
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


ORDINARY = {
    "sampling": ((0, 0.99), (-0.01, 1)),
    "quadrature_error": ((-1.57, 1.57), (-math.pi / 2, math.pi / 2)),
    "excess_noise": ((0, 5.0), (-1e-9,)),
    "linewidth": ((0, 5.0), (-1e-9,)),
    "angle_error": ((0, math.pi), (-1e-9, 3.15)),
    "adc_offset": ((-50.0, 50.0), (math.nan, math.inf)),
    "driver_bandwidth": ((0.5, math.inf), (0, -1, math.nan)),
    "detector_bandwidth": ((0.5, math.inf), (0, -1, -math.inf)),
    "extinction": ((0.5, math.inf), (0, -1)),
}
for _way in ("out", "back"):
    ORDINARY |= {
        f"transmittance_{_way}": ((1e-3, 1), (0, 1.001)),
        f"delay_{_way}": ((0, 1 << 20), (-1, (1 << 20) + 1, 0.5)),
        f"unmatched_{_way}": ((0, 0.5, 1 << 20), (-0.1, (1 << 20) + 1)),
        f"drift_{_way}": ((-1.0, 1.0), (math.inf,)),
        f"phase_{_way}": ((-10.0, 10.0), (math.nan,)),
    }
for _party in ("client", "server"):
    ORDINARY |= {
        f"{_party}_efficiency": ((1e-3, 1), (0, 1.001)),
        f"{_party}_electronic_noise": ((0, 5.0), (-1e-9,)),
    }
PAIRS = ("bias_error", "half_wave_error", "imbalance")


def test_every_impairment_has_its_range():
    assert {*ORDINARY, *PAIRS} == set(vars(Impairments()))
    for name, (good, bad) in ORDINARY.items():
        for value in good:
            assert getattr(Impairments(**{name: value}), name) == value
        for value in bad:
            with pytest.raises(RangeError, match=f"^{name} = "):
                Impairments(**{name: value})
    for name in PAIRS:
        Impairments(**{name: (-0.99, 0.99)})
        for bad in ((1, 0), (0, -1)):
            with pytest.raises(RangeError, match=f"^{name} = "):
                Impairments(**{name: bad})
        with pytest.raises(RangeError, match=f"{name} has 3 numbers; allowed: 2, for I and Q"):
            Impairments(**{name: (0, 0, 0)})


def test_the_ideal_link_loses_adds_and_turns_nothing():
    ideal = vars(Impairments())
    one = {"transmittance_out", "transmittance_back", "client_efficiency", "server_efficiency"}
    never = {"driver_bandwidth", "extinction", "detector_bandwidth"}
    for name, value in ideal.items():
        if name in PAIRS:
            assert value == (0, 0)
        else:
            assert value == (1 if name in one else math.inf if name in never else 0), name


def test_between_the_levels_nothing_is_lost():
    some = Impairments(
        transmittance_out=0.9, transmittance_back=0.8, excess_noise=0.01, client_efficiency=0.7,
        server_efficiency=0.6, client_electronic_noise=0.02, server_electronic_noise=0.03,
    )  # fmt: skip
    link = some.link(1.3, photons=2.0)
    assert (link.gain, link.photons) == (1.3, 2.0)
    assert (link.transmittance_out, link.transmittance_back, link.excess_noise) == (0.9, 0.8, 0.01)
    assert link.client_detector == Detector(0.7, 0.02)
    assert link.server_detector == Detector(0.6, 0.03)
    assert Impairments().over(link) == some
    assert some.over(Link(1.3, 2.0)) == Impairments()
    # What a symbol-level link does not know of stays.
    kept = Impairments(linewidth=1e-6, delay_out=3).over(link)
    assert kept.without("linewidth", "delay_out") == some
    assert set(kept.on) == {*some.on, "linewidth", "delay_out"}
    assert some.transmittance == pytest.approx(0.72)


def test_values_cannot_be_changed_once_they_are_checked():
    assert Impairments.__dataclass_params__.frozen
