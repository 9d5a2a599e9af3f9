from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "delay",
        "delay_out",
        default=0,
        realistic=123,
        allowed=(1 << 20,),
        refused=(-1, (1 << 20) + 1, 1.5),
    )
    holds(
        "delay",
        "delay_back",
        default=0,
        realistic=77,
        allowed=(1 << 20,),
        refused=(-1, (1 << 20) + 1, 1.5),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["delay"]
    assert cause.distorts and not cause.budgeted
    assert not cause.stages
    assert cause.excess is None
