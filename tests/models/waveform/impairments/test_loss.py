from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "loss",
        "transmittance_out",
        default=1.0,
        realistic=0.98,
        allowed=(1e-3,),
        refused=(0, 1.001),
    )
    holds(
        "loss",
        "transmittance_back",
        default=1.0,
        realistic=0.98,
        allowed=(1e-3,),
        refused=(0, 1.001),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["loss"]
    assert not cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
