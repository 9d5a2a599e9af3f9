from shotveil.models.waveform.impairments import IMPAIRMENTS, Impairments


def test_its_settings(holds):
    holds(
        "technical noise",
        "excess_noise",
        default=0.0,
        realistic=0.001,
        allowed=(7.0,),
        refused=(-1e-9,),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["technical noise"]
    assert not cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is not None


def test_what_it_adds():
    # No run without noise shows it, so it says itself what it adds.
    assert Impairments(excess_noise=0.25).noise == 0.25
