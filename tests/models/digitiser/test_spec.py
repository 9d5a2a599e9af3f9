"""Specs and settings that cannot be are refused, with value and range; tables hold what is due."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    KINDS,
    PILOT,
    RECORDS,
    ROW,
    SIGNAL_RECORD,
    VACUUM,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
    fractional_delay,
)
from shotveil.models.signal.frame import FrameLayout

SPEC = DigitiserSpec()
ONE = DigitiserSpec(quadratures=1)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"quadratures": 3}, "quadratures = 3"),
        ({"adc_bits": 16}, "adc_bits = 16"),
        ({"delay": 100}, "delay = 100"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused(change, message):
    with pytest.raises(RangeError, match=message):
        DigitiserSpec(**change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layout": FrameLayout(preamble=32)}, "preamble = 32"),
        ({"layout": FrameLayout(row=600)}, "row = 600"),
        ({"layout": FrameLayout(row=32, pilot_spacing=16)}, "samples in a frame"),
        ({"layout": FrameLayout(pilots=4, pilot_spacing=28)}, "pilot_spacing = 28"),
        ({"scale": (0, 1)}, "scale = 0"),
        ({"mode": 392}, "mode = 392"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(RangeError, match=message):
        DigitiserSettings(**change).validate(SPEC)


def test_homodyne_needs_pairs_of_pilots():
    layout = FrameLayout(row=400, pilot_spacing=40)
    DigitiserSettings(layout=layout).validate(SPEC)
    with pytest.raises(RangeError, match="pilots in a frame = 11 is odd"):
        DigitiserSettings(layout=layout).validate(ONE)


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("quadratures", (1, 2), (0, 3, 1.5)),
        ("rolloff", (0.01, 1), (0, 1.01)),
        ("adc_bits", (8, 14), (7, 15, 9.5)),
        ("symbol", (Q(6, 4), Q(6, 11)), (Q(6, 3), Q(6, 12))),
        ("centred", (Q(15, -5), Q(15, 3)), (Q(15, -6), Q(15, 4))),
        ("scale", (Q(-4, 12), Q(-4, 22)), (Q(-4, 11), Q(-4, 23))),
        ("reference", (Q(1, 7), Q(1, 16)), (Q(1, 6), Q(1, 17))),
        ("coefficient", (Q(1, 17),), (Q(1, 18),)),
        ("delay", (160, 1024), (159, 1025, 200.5)),
        ("segments", (1, 16), (0, 17, 2.5)),
        ("modes", (16, 4096), (15, 16.5)),
        ("row_capacity", (512, 4096), (511, 4097, 600.5)),
        ("iterations", (8, 20), (7, 21, 9.5)),
    ],
)
def test_ranges_of_a_spec(name, good, bad):
    for value in good:
        DigitiserSpec(**{name: value})
    for value in bad:
        with pytest.raises(RangeError, match=name.split("_")[0]):
            DigitiserSpec(**{name: value})


def test_what_the_gateware_is_built_for_is_no_choice():
    fixed = {"taps": 32, "fractions": 64}
    for name, value in fixed.items():
        assert getattr(SPEC, name) == value
        with pytest.raises(TypeError, match=name):
            DigitiserSpec(**{name: value})


def test_a_symbol_lasts_two_or_four_samples():
    assert SPEC.samples_per_symbol == 4
    for samples, span, peak, every in ((2, 16, 16, 4), (4, 8, 17, 1)):
        spec = DigitiserSpec(samples_per_symbol=samples)
        assert (spec.span, spec.peak, spec.measures_every) == (span, peak, every)
    for samples in (1, 3, 8):
        with pytest.raises(RangeError, match=f"symbol = {samples} .* allowed: 2 and 4"):
            DigitiserSpec(samples_per_symbol=samples)


def test_settings_belong_to_as_many_samples_a_symbol_as_the_digitiser_takes():
    layout = FrameLayout(preamble=16, guard=16)
    brisk = DigitiserSettings(layout=layout, samples_per_symbol=2)
    brisk.validate(DigitiserSpec(samples_per_symbol=2))
    assert 2 * brisk.period == DigitiserSettings(layout=layout).period
    with pytest.raises(RangeError, match=r"samples_per_symbol of the settings = 2 .*\[4, 4\]"):
        brisk.validate(SPEC)
    with pytest.raises(RangeError, match=r"guard = 8"):
        DigitiserSettings(samples_per_symbol=2).validate(DigitiserSpec(samples_per_symbol=2))


def of(**lengths):
    return {"layout": FrameLayout(**{"preamble": 16} | lengths)}


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("preamble", (of(),), (of(preamble=15), of(preamble=17))),
        ("row", (of(row=512, pilot_spacing=64),), (of(row=513, pilot_spacing=64),)),
        ("pilots", (of(pilots=4, pilot_spacing=98),),
         (of(pilots=0), of(pilots=8, pilot_spacing=64), of(pilots=9))),
        ("pilot_spacing", (of(pilots=3),), (of(pilots=8), of(pilots=2, pilot_spacing=15))),
        (
            "pilot groups",
            (of(row=384, pilot_spacing=24), of(row=300, pilot_spacing=300)),
            (of(row=385, pilot_spacing=24),),
        ),
        ("vacuum", (of(vacuum=1), of(vacuum=255)), (of(vacuum=0), of(vacuum=256))),
        ("guard", (of(guard=8),), (of(guard=7),)),
        # 28 words of 20 and 40 are 600 samples, 150 symbols.
        (
            "samples in a frame",
            (of(row=116, pilot_spacing=116, guard=8),),
            (of(row=115, pilot_spacing=115, guard=8),),
        ),
        ("mode_shift", ({"mode_shift": 0}, {"mode_shift": 7}), ({"mode_shift": -1},)),
        ("mode_shift", (of(row=4096, pilot_spacing=512) | {"mode_shift": 3},),
         ({"mode_shift": 8}, {"mode_shift": 0.5})),
        ("offset_binary", ({"offset_binary": 1},), ({"offset_binary": -1}, {"offset_binary": 2})),
        ("minimum", ({"minimum": 1}, {"minimum": 2**36 - 1}), ({"minimum": 0}, {"minimum": 2**36})),
        ("free_run", ({"free_run": 1},), ({"free_run": -1}, {"free_run": 2}, {"free_run": 0.5})),
        ("record", ({"record": 2},), ({"record": -1}, {"record": 3}, {"record": 0.5})),
        ("timing_shift", ({"timing_shift": 0}, {"timing_shift": 9}),
         ({"timing_shift": -1}, {"timing_shift": 10}, {"timing_shift": 0.5})),
        ("offset_shift", ({"offset_shift": 0}, {"offset_shift": 15}),
         ({"offset_shift": -1}, {"offset_shift": 16}, {"offset_shift": 0.5})),
        ("phase_shift", ({"phase_shift": 0}, {"phase_shift": 7}),
         ({"phase_shift": -1}, {"phase_shift": 8}, {"phase_shift": 0.5})),
        ("scale", ({"scale": (1, 2**17 - 1)},), ({"scale": (1, 2**17)}, {"scale": (0, 1)})),
        ("pilot", ({"pilot": 1}, {"pilot": 32767}), ({"pilot": 0}, {"pilot": 32768})),
        ("mode", ({"mode": 0}, {"mode": 391}), ({"mode": -1}, {"mode": 392}, {"mode": 0.5})),
    ],
)  # fmt: skip
def test_ranges_of_settings(name, good, bad):
    for change in good:
        DigitiserSettings(**change).validate(SPEC)
    for change in bad:
        with pytest.raises(RangeError, match=f"^{name} = "):
            DigitiserSettings(**change).validate(SPEC)


def test_homodyne_sums_thirty_two_pilots_at_most():
    for groups, pilots, fits in ((2, 1, True), (16, 2, True), (17, 2, False), (3, 1, False)):
        layout = FrameLayout(preamble=16, row=24 * (groups - 1), pilots=pilots, pilot_spacing=24,
                             guard=200)  # fmt: skip
        assert layout.groups == groups
        settings = DigitiserSettings(layout=layout)
        if fits:
            settings.validate(ONE)
        else:
            with pytest.raises(RangeError, match="pilots in a frame = "):
                settings.validate(ONE)
        settings.validate(SPEC)


def test_words_and_lengths():
    spec = DigitiserSpec(segments=5, adc_bits=12)
    assert (spec.words, spec.pilot_word, spec.vacuum_word, spec.dark_word) == (9, 5, 6, 7)
    assert spec.span == 8 and str(spec.sample) == "Q12.0"
    assert DigitiserSettings().period == 4 * DigitiserSettings().layout.length == 1728
    assert (PILOT, ROW, VACUUM) == (0, 1, 2)
    assert KINDS == ("pilot", "row", "vacuum") and RECORDS == ("signal", "vacuum", "dark")
    assert (SIGNAL_RECORD, VACUUM_RECORD, DARK_RECORD) == (0, 1, 2)


def test_defaults_are_those_of_the_documentation():
    spec, settings = DigitiserSpec(), DigitiserSettings()
    found = [str(getattr(spec, name)) for name in
             ("coefficient", "filtered", "centred", "scale", "symbol", "reference")]  # fmt: skip
    assert found == ["Q1.17", "Q16.6", "Q15.3", "Q-4.22", "Q6.11", "Q1.15"]
    assert (spec.quadratures, spec.adc_bits, spec.fractions, spec.rolloff) == (2, 14, 64, 0.5)
    assert (spec.phase_bits, spec.iterations, spec.guard_bits, spec.offset_guard) == (16, 16, 4, 16)
    assert (spec.segments, spec.row_capacity, spec.modes, spec.frame_bits) == (16, 4096, 512, 12)
    assert (spec.symbol_fifo, spec.output_fifo, spec.delay) == (64, 512, 192)
    given = {
        "offset_binary": 0, "minimum": 1 << 22, "free_run": 0, "record": 0, "period": 1728,
        "row": 392, "pilots": 1, "spacing": 56, "vacuum": 8, "timing_shift": 6,
        "offset_shift": 14, "phase_shift": 3, "scale_x": 1 << 14, "scale_p": 1 << 14,
        "pilot": 1 << 14, "mode": 0, "mode_shift": 0,
    }  # fmt: skip
    assert settings.ports() == given
    assert DigitiserSettings(scale=(5, 6)).ports()["scale_p"] == 6


def test_taps_have_unit_energy_and_their_delay():
    taps = SPEC.coefficients()
    assert taps.shape == (64, 32) and not taps.flags.writeable
    # 32 roundings of half a unit change the energy by 2·½·Σ|h|/2^17, and Σ|h| < 4.
    np.testing.assert_allclose(np.sum((taps / 2**17) ** 2, axis=1), 1, atol=4 / 2**17)
    # The spectrum of a delayed pulse turns by the delay: at a sixteenth of the sample rate.
    tone = np.exp(-2j * np.pi * np.arange(32) / 16)
    delays = -np.unwrap(np.angle(taps @ tone)) * 16 / (2 * np.pi)
    # Cut to 32 taps, ends of up to 1e-3 are missing.
    np.testing.assert_allclose(delays - delays[32], (np.arange(64) - 32) / 64, atol=3e-3)


def test_a_fractional_delay_is_the_sincs():
    rng = np.random.default_rng(1)
    given = np.convolve(rng.normal(size=8), np.hanning(9)).tolist() + [0.0] * 40
    given = np.array([0.0] * 40 + given)
    n = np.arange(len(given))
    for delay in (0.3, -0.7, 2.0):
        sinc = np.sinc(n[:, None] - n - delay) @ given
        # A period of 1024 in place of an endless line.
        np.testing.assert_allclose(fractional_delay(given, delay), sinc, atol=2e-2)
    np.testing.assert_allclose(fractional_delay(given, 2.0)[2:], given[:-2], atol=1e-12)


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (DigitiserSpec, DigitiserSettings):
        assert kind.__dataclass_params__.frozen
