import math

from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "fibre drift",
        "drift_out",
        default=0.0,
        realistic=1e-7,
        allowed=(-3.0,),
        refused=(math.inf,),
    )
    holds(
        "fibre drift",
        "drift_back",
        default=0.0,
        realistic=-5e-8,
        allowed=(3.0,),
        refused=(math.inf,),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["fibre drift"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
