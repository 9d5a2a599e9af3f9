"""ADC entry: code format and overrange. Integer model of `gateware.digitiser.entry`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser.spec import DigitiserSpec


def model(
    spec: DigitiserSpec, codes: npt.ArrayLike, offset_binary: int = 0
) -> tuple[IntArray, BoolArray]:
    """Samples, shape (quadratures, n), and whether any quadrature is at an end of the ADC's range.

    `codes`, of the same shape, are the ADC's unsigned words, in two's complement or in offset
    binary. Raises `RangeError` for a word of more bits than the ADC has.
    """
    word = np.asarray(codes, dtype=np.int64)
    require("codes", word, at_least=0, below=1 << spec.adc_bits)
    half = 1 << (spec.adc_bits - 1)
    sample: IntArray
    if offset_binary:
        sample = word - half
    else:  # extend the sign bit
        sample = word << (64 - spec.adc_bits)
        sample >>= 64 - spec.adc_bits
    over = (sample == spec.sample.lowest) | (sample == spec.sample.highest)
    any_over: BoolArray = np.logical_or.reduce(over, axis=0)
    return sample, any_over
