"""ADC words in both formats, and where the converter is at its end."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import entry
from shotveil.models.digitiser.spec import DigitiserSpec

ONE = DigitiserSpec(quadratures=1)


def test_entry_formats():
    words = np.array([[0, 1, 8191, 8192, 8193, 16383]])
    sample, over = entry.model(ONE, words)
    assert sample.tolist() == [[0, 1, 8191, -8192, -8191, -1]]
    assert over.tolist() == [False, False, True, True, False, False]
    sample, over = entry.model(ONE, words, offset_binary=1)
    assert sample.tolist() == [[-8192, -8191, -1, 0, 1, 8191]]
    assert over.tolist() == [True, False, False, False, False, True]
    with pytest.raises(RangeError, match=r"codes = 16384 is outside \[0, 16384\)"):
        entry.model(ONE, np.array([[16384]]))


def test_any_quadrature_at_its_end_counts_and_other_widths_work():
    ten = DigitiserSpec(adc_bits=10)
    words = np.array([[0, 511, 0, 512, 1023], [0, 0, 512, 511, 1]])
    sample, over = entry.model(ten, words)
    assert sample.tolist() == [[0, 511, 0, -512, -1], [0, 0, -512, 511, 1]]
    assert over.tolist() == [False, True, True, True, False]
    with pytest.raises(RangeError, match="codes = -1"):
        entry.model(ten, np.array([[-1], [0]]))
    with pytest.raises(RangeError, match="codes = 1024"):
        entry.model(ten, np.array([[1024], [0]]))
