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
    """docs/hardware-in-the-loop.md has the table."""
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
from shotveil.sim.loop.design_command import main
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
assert "plug" in [choice for p in main.params if p.name == "question" for choice in p.type.choices]
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
