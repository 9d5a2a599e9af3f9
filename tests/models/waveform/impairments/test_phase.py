import math

from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds("phase", "phase_out", default=0.0, realistic=2.0, allowed=(-9.0,), refused=(math.inf,))
    holds("phase", "phase_back", default=0.0, realistic=-1.0, allowed=(9.0,), refused=(math.inf,))


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["phase"]
    assert cause.distorts and not cause.budgeted
    assert not cause.stages
    assert cause.excess is None
