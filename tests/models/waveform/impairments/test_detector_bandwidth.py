import math

from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "detector bandwidth",
        "detector_bandwidth",
        default=math.inf,
        realistic=1.2,
        allowed=(1e-3,),
        refused=(0, -1, -math.inf),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["detector bandwidth"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
