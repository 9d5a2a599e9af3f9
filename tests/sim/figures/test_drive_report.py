"""The report's figures meet the project's floors; the picture shows what was asked for."""

import re

import numpy as np

from shotveil.models.drive import chain, reference
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.sim.cases.drive import UNEVEN, weight_symbols
from shotveil.sim.figures import drive_report, drive_waveform


def test_roundings_have_no_bias():
    lines = list(drive_report.rounding(np.random.default_rng(2)))
    means = [float(re.search(r"([+-]\d\.\d+) ±", line)[1]) for line in lines[1:]]
    assert len(means) == 6
    assert max(map(abs, means)) <= 0.01


def test_picture_of_a_frame():
    spec, settings = DriveSpec(), DriveSettings(arms=UNEVEN)
    symbols = weight_symbols(1)[0]
    rows = reference.raw_symbols(spec, symbols)[None]
    codes = chain.model(spec, registers(spec, settings), rows).codes[0]
    figure = drive_waveform.draw(spec, settings, symbols, codes)
    titles = [axis.get_title() for axis in figure.axes]
    assert [title.split()[0] for title in titles] == ["Symbols", "Shaped", "DAC", "Spectrum"]
    np.testing.assert_array_equal(figure.axes[2].lines[0].get_ydata(), codes[0])
