import math

from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "I/Q angle",
        "quadrature_error",
        default=0.0,
        realistic=0.005,
        allowed=(-1.57, 1.57),
        refused=(-math.pi / 2, math.pi / 2),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["I/Q angle"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
