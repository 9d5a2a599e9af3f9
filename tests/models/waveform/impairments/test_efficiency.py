from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "detector efficiency",
        "client_efficiency",
        default=1.0,
        realistic=0.9,
        allowed=(1e-3,),
        refused=(0, 1.001),
    )
    holds(
        "detector efficiency",
        "server_efficiency",
        default=1.0,
        realistic=0.9,
        allowed=(1e-3,),
        refused=(0, 1.001),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["detector efficiency"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
