import math

from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "ADC offset",
        "adc_offset",
        default=0.0,
        realistic=7.3,
        allowed=(-500.5,),
        refused=(math.inf,),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["ADC offset"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
