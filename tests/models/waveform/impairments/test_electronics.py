from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "electronic noise",
        "client_electronic_noise",
        default=0.0,
        realistic=0.03,
        allowed=(5.0,),
        refused=(-1e-9,),
    )
    holds(
        "electronic noise",
        "server_electronic_noise",
        default=0.0,
        realistic=0.03,
        allowed=(5.0,),
        refused=(-1e-9,),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["electronic noise"]
    assert not cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
