from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "I/Q balance",
        "imbalance",
        default=(0.0, 0.0),
        realistic=(0.02, -0.02),
        allowed=((-0.99, 0.99),),
        refused=((1, 0), (0, -1), (0.1,), 0.1),
        calibrated=(0.001, -0.001),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["I/Q balance"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
