"""The ADCs' offset."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

ADC_OFFSET = Impairment(
    "ADC offset",
    (
        Setting(
            "adc_offset",
            "offset of every ADC, in its steps",
            realistic=7.3,
            source="usual of 14-bit converters; a null record tells it",
        ),
    ),
)
