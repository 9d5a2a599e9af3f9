"""Stimuli for the digitiser: formats' corners, Gaussian rows, and light with trouble on its way."""

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import Q
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.sim.cases.digitiser import (
    BLOCKS,
    MODULATION_VARIANCE,
    REFERENCE,
    SHORT,
    fields,
    light,
    outgoing,
    settings_of,
    symbols_of_rows,
    wide,
)

SPEC = DigitiserSpec(modes=48)
CHANNEL = SimulatedChannel(delay=20.0, noise=False)


def rng():
    return np.random.default_rng(4)


def test_quadratures_are_the_fields_of_a_stream():
    one, two = np.array([[1, 2]]), np.array([[1, 2], [3, 4]])
    assert {k: v.tolist() for k, v in fields(two).items()} == {"x": [1, 2], "p": [3, 4]}
    assert {k: v.tolist() for k, v in fields(one).items()} == {"x": [1, 2]}


def test_settings_are_picked_by_name():
    ports = DigitiserSettings().ports()
    name = next(iter(ports))
    assert settings_of(DigitiserSettings(), name) == {name: ports[name]}


def test_wide_values_begin_with_corners_in_every_line():
    q = Q(0, 3)
    values = wide(q, (2, 500), rng())
    edges = {q.lowest, q.highest, -1, 0, 1, q.lowest + 1}
    assert set(values[0, :6]) == set(values[1, :6]) == edges
    assert (values[0, :6] != values[1, :6]).all()  # not the same ones at once
    assert set(np.unique(values)) == set(range(q.lowest, q.highest + 1))
    assert wide(q, (2, 3), rng()).shape == (2, 3) and wide(q, (2, 0), rng()).size == 0


def test_rows_are_gaussian_with_the_variance_of_the_modulation():
    q, unit = symbols_of_rows(SPEC, 50_000, rng())
    light_variance = (q * unit).var(axis=1)
    np.testing.assert_allclose(light_variance, MODULATION_VARIANCE, rtol=0.03)
    assert q.dtype == np.int64 and q.max() <= SPEC.reference.highest
    assert q.min() >= SPEC.reference.lowest
    # Full scale are four deviations.
    assert SPEC.reference.highest * unit == pytest.approx(4 * np.sqrt(MODULATION_VARIANCE))
    assert pytest.approx(0.7 * 4 * np.sqrt(MODULATION_VARIANCE), rel=0.01) == REFERENCE
    assert abs(np.corrcoef(q)[0, 1]) < 0.02


def test_frames_leave_late_and_a_receiver_is_told_of_them():
    sent, q, unit, settings = outgoing(SPEC, CHANNEL, 3, rng(), SHORT)
    assert q.shape == (2, 3 * SHORT.row) and settings.layout == SHORT
    samples = 4 * 3 * SHORT.length
    assert samples < len(sent) < samples + 400 and np.iscomplexobj(sent)
    assert np.abs(sent[:10]).max() < 0.05 * REFERENCE  # `delay` samples of nothing, but for tails
    assert 0.8 * REFERENCE < np.abs(sent).max() < 3 * REFERENCE
    assert settings.pilot == round(REFERENCE / unit) and settings.mode == SHORT.row // 3
    assert settings.scale == (round(2**22 / CHANNEL.shot_noise),) * 2


def test_light_with_trouble_fails_clips_and_returns():
    well = light(SPEC, CHANNEL, 30, rng(), SHORT)
    ill = light(SPEC, CHANNEL, 30, rng(), SHORT, trouble=True)
    assert well.codes.shape == ill.codes.shape == (2, well.codes.shape[1])
    np.testing.assert_array_equal(well.q, ill.q)
    n = well.codes.shape[1]
    frame = 4 * SHORT.length
    level = well.codes.astype(float).std()

    def still(codes, first, last):
        part = codes[1, int(first) : int(last)].astype(float)
        return part.std() < 0.2 * level

    for start, frames in ((0.2, 2.5), (0.4, 6.4)):
        first, last = start * n, start * n + frames * frame
        assert still(ill.codes, first + 50, last - 50) and not still(well.codes, first, last)
        assert not still(ill.codes, last + 50, last + frame)
    highest = 2 ** (SPEC.adc_bits - 1) - 1
    assert (ill.codes[0] == highest).sum() >= 3 and (well.codes == highest).sum() == 0


@pytest.mark.parametrize(
    "name, quadratures", [(name, q) for name in sorted(BLOCKS) for q in BLOCKS[name].quadratures]
)
def test_cases_repeat_by_their_seed_and_ask_for_what_they_expect(name, quadratures):
    block = BLOCKS[name]
    spec = DigitiserSpec(modes=128, quadratures=quadratures, row_capacity=512)
    cases, again = (block.cases(spec, 40, rng()) for _ in range(2))
    ports = set(block.component(spec).signature.members)
    assert cases and any(case.expected or case.status for case in cases)
    for one, other in zip(cases, again, strict=True):
        assert one.run.settings == other.run.settings and one.status == other.status
        for stream, expected in one.expected.items():
            parts = expected if isinstance(expected, dict) else {"": expected}
            others = (
                other.expected[stream]
                if isinstance(expected, dict)
                else {"": other.expected[stream]}
            )
            for part, values in parts.items():
                np.testing.assert_array_equal(values, others[part])
                assert one.run.due[stream] >= np.size(values)
        assert {*one.run.settings, *one.run.inputs, *one.run.due, *one.status} <= ports
