"""A raw record holds the samples from its first clock on, packed."""

import numpy as np
import pytest

from shotveil.models.node import capture

CODES = np.array([[1, 2, 3, 4, 5], [16383, 0, 7, 8, 9]])


def test_words_hold_both_quadratures_from_the_start_or_the_frame():
    assert capture.model(CODES, 0, 3).tolist() == [1 | 16383 << 16, 2, 3 | 7 << 16]
    assert capture.model(CODES, 1, 2, frame=3).tolist() == [4 | 8 << 16, 5 | 9 << 16]
    assert capture.model(CODES[:1], 1, 4).tolist() == [2, 3, 4, 5]
    assert CODES[0, 0] == 1  # the samples stay as they are


def test_a_record_must_end_with_the_samples_at_the_latest():
    assert len(capture.model(CODES, 2, 3)) == 3
    with pytest.raises(ValueError, match="2 samples are left for a record of 3"):
        capture.model(CODES, 3, 3)
