from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "modulator Vπ",
        "half_wave_error",
        default=(0.0, 0.0),
        realistic=(0.1, -0.08),
        allowed=((-0.99, 0.99),),
        refused=((1, 0), (0, -1), (0.1,), 0.1),
        calibrated=(0.001, -0.001),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["modulator Vπ"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None
