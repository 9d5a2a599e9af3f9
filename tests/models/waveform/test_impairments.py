"""The room of impairments: all settings together, and how one file adds one."""

import math
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link
from shotveil.models.waveform import impairments as room
from shotveil.models.waveform.impairment import Impairment, Setting
from shotveil.models.waveform.impairments import IMPAIRMENTS, SETTINGS, Impairments


def test_the_default_is_the_ideal_link():
    assert Impairments().on == () and Impairments().noise == 0
    assert Impairments().link(1.3, photons=2.0) == Link(gain=1.3, photons=2.0)


def test_there_is_a_field_for_each_setting_of_each_file():
    names = [name for each in IMPAIRMENTS.values() for name in each.names]
    assert [f.name for f in fields(Impairments)] == names == list(SETTINGS)
    assert len(set(names)) == len(names)
    assert all(setting.meaning for setting in SETTINGS.values())


def test_each_is_switched_off_alone():
    some = Impairments(extinction=30, bias_error=(0.01, 0), linewidth=1e-5)
    assert some.without("bias_error").on == ("extinction", "linewidth")
    with pytest.raises(RangeError, match="'weather' is none of"):
        some.without("weather")
    with pytest.raises(RangeError, match="'on' is none of"):
        some.without("on")


def test_it_is_a_value():
    some = Impairments(linewidth=1e-5)
    assert some == Impairments(linewidth=1e-5) != Impairments() and hash(some) == hash(
        Impairments(linewidth=1e-5)
    )
    assert pickle.loads(pickle.dumps(some)) == some
    assert replace(some, linewidth=0.0) == Impairments()
    with pytest.raises(FrozenInstanceError):
        some.linewidth = 1.0
    with pytest.raises(TypeError, match="weather"):
        Impairments(weather=1.0)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_every_setting_is_checked(name):
    wrong = (math.nan, 0.0) if SETTINGS[name].pair else math.nan
    with pytest.raises(RangeError, match=name):
        Impairments(**{name: wrong})


def test_negative_excess_noise_is_refused():
    with pytest.raises(RangeError, match=r"excess_noise = -1e-09 is outside \[0, ∞\)"):
        Impairments(excess_noise=-1e-9)


def test_the_realistic_link_is_that_of_the_page():
    """docs/loop.md has the table."""
    assert Impairments.realistic() == Impairments(
        driver_bandwidth=2.0, sampling=0.5, extinction=30.0, bias_error=(0.05, -0.04),
        half_wave_error=(0.1, -0.08), imbalance=(0.02, -0.02), quadrature_error=0.005,
        transmittance_out=0.98, transmittance_back=0.98, delay_out=123, delay_back=77,
        excess_noise=0.001, linewidth=3.2e-5, unmatched_out=0.25, unmatched_back=0.25,
        drift_out=1e-7, drift_back=-5e-8, phase_out=2.0, phase_back=-1.0, angle_error=0.001,
        client_efficiency=0.9, server_efficiency=0.9, client_electronic_noise=0.03,
        server_electronic_noise=0.03, detector_bandwidth=1.2, adc_offset=7.3,
    )  # fmt: skip
    sourced = [s for s in SETTINGS.values() if s.realistic is not None]
    assert all(setting.source for setting in sourced)


def test_a_calibration_leaves_small_errors_of_the_modulator_and_nothing_else():
    left = Impairments.realistic().calibrated()
    assert left.bias_error == (0.0005, -0.0005)
    assert left.half_wave_error == left.imbalance == (0.001, -0.001)
    names = ("bias_error", "half_wave_error", "imbalance")
    assert left.without(*names) == Impairments.realistic().without(*names)


def test_distortions_are_what_is_no_plain_loss_or_noise():
    real = Impairments.realistic()
    plain = {
        "transmittance_out", "transmittance_back", "excess_noise", "client_electronic_noise",
        "server_electronic_noise",
    }  # fmt: skip
    assert set(real.on) - set(real.distortions().on) == plain
    assert real.noise == 0.001 and real.distortions().noise == 0


def test_all_but_offsets_of_time_and_phase_are_in_the_noise_budget():
    assert [name for name, each in IMPAIRMENTS.items() if not each.budgeted] == ["delay", "phase"]


def test_what_the_symbol_level_link_knows_goes_both_ways():
    link = Link(
        1.3, 2.0, transmittance_out=0.9, transmittance_back=0.8, excess_noise=0.01,
        client_detector=Detector(0.7, 0.1), server_detector=Detector(0.6, 0.2),
    )  # fmt: skip
    some = Impairments(linewidth=1e-6).over(link)
    assert some.link(1.3, photons=2.0) == link and some.linewidth == 1e-6
    assert some.transmittance == pytest.approx(0.72)
    with pytest.raises(RangeError, match="phase error"):
        Impairments().over(Link(gain=1.3, photons=1, phase_error=0.1))


def test_one_name_for_two_settings_or_for_a_method_is_refused(monkeypatch):
    for taken in ("linewidth", "link"):
        more = Impairment("more", (Setting("linewidth", "m"), Setting(taken, "m")))
        monkeypatch.setattr(room, "IMPAIRMENTS", {"more": more})
        with pytest.raises(RangeError, match=f"setting '{taken}' of 'more' is taken"):
            room._gathered(type("Other", (), {"link": None}))


ATTENUATOR = '''
"""A fixed attenuator in front of the client, 0.1 dB where nobody looked."""

import math

from shotveil.models.waveform.impairment import Impairment, Place, Setting, Sweep


def _attenuate(impairments, rng):
    factor = 10 ** (-impairments.attenuation / 20)
    return lambda light: light * factor


ATTENUATOR = Impairment(
    "attenuator",
    (Setting("attenuation", "dB in front of the client", 0.0, 0.1, "a dirty plug", at_least=0,
             at_most=60),),
    stages={Place.WAY_OUT: _attenuate},
    excess=lambda impairments: impairments.attenuation / 1000,
    sweeps=(Sweep("plug", "dirt of the plug (dB)", (0.1, 1.0), lambda v: {"attenuation": v}),),
)
'''

USE = """
import json
import numpy as np
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network
from shotveil.models.signal.frame import FrameLayout
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.optics import Optics, OpticsSetup
from shotveil.sim.loop.budget import budget
from shotveil.sim.loop.design import QUESTIONS
from shotveil.sim.loop.design_answer import questions
from shotveil.sim.loop.settings import LoopSettings, realistic

assert Impairments.realistic().attenuation == 0.1
layout = FrameLayout(row=48, pilot_spacing=16)
straight = Mesh(np.zeros((2, 48)), np.zeros((2, 48)))

def light(**settings):
    setup = OpticsSetup(layout, 1.3, 14.0, 20, Impairments(**settings), vacuum=False)
    optics = Optics(setup, straight, np.random.default_rng(1))
    return optics.way_out(optics.modulate(np.full((2, 100), 3000)))

np.testing.assert_allclose(light(attenuation=20), light() / 10)
for wrong in (-0.1, 61):
    try:
        Impairments(attenuation=wrong)
    except RangeError as error:
        print(error)
assert "plug" in QUESTIONS
assert "plug" in questions()
layer = Layer(np.random.default_rng(1).normal(size=(30, 48)).clip(-2, 2))
plain = realistic(1.3, 2.4, Impairments())
dirty = plain.with_impairments(Impairments(attenuation=0.1))
part = Network("part", (layer,))
found = budget(part, dirty)
assert set(found) == {"all", "attenuator"}
assert abs(found["attenuator"] - 1e-4) < 2e-5, found
"""


def test_one_file_adds_an_impairment(package_tree):
    """It acts on the light, has its range, its line in the budget and its design question."""
    package_tree.add("models/waveform/impairments/attenuator.py", ATTENUATOR)
    said = package_tree.run(USE).splitlines()
    assert said == [
        "attenuation = -0.1 is outside [0, 60]",
        "attenuation = 61 is outside [0, 60]",
    ]


def test_the_default_is_the_ideal_link_as_well():
    assert Impairments().on == ()
    assert Impairments().link(1.3, photons=2.0) == Link(gain=1.3, photons=2.0)


def test_each_is_switched_off_alone_as_well():
    some = Impairments(extinction=30, bias_error=(0.01, 0), linewidth=1e-5)
    assert some.without("bias_error").on == ("extinction", "linewidth")
    with pytest.raises(RangeError, match="'weather' is none of"):
        some.without("weather")


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
    "loss_imbalance": ((0, 0.5), (-1e-9, 1.0)),
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
        with pytest.raises(
            RangeError, match=rf"{name} = \(0, 0, 0\); allowed: 2 numbers, for I and Q"
        ):
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
