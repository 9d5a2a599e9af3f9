import math

from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "beam-splitter angles",
        "angle_error",
        default=0.0,
        realistic=0.001,
        allowed=(math.pi,),
        refused=(-1e-9, 3.142),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["beam-splitter angles"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None


def test_its_design_questions():
    (sweep,) = IMPAIRMENTS["beam-splitter angles"].sweeps
    assert sweep.name == "angle-error" and sweep.values == (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    assert sweep.log and sweep.set(0.2) == {"angle_error": 0.2}
