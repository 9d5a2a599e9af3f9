import math

from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "extinction",
        "extinction",
        default=math.inf,
        realistic=30.0,
        allowed=(0.1,),
        refused=(0, -1),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["extinction"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None


def test_its_design_questions():
    (sweep,) = IMPAIRMENTS["extinction"].sweeps
    assert sweep.name == "extinction" and sweep.values == (15, 20, 25, 30, 35, 40, 50)
    assert not sweep.log and sweep.set(22) == {"extinction": 22}
