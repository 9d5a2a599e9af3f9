from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "modulator bias",
        "bias_error",
        default=(0.0, 0.0),
        realistic=(0.05, -0.04),
        allowed=((-0.99, 0.99),),
        refused=((1, 0), (0, -1), (0.1,), 0.1),
        calibrated=(0.0005, -0.0005),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["modulator bias"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None


def test_its_design_questions():
    (sweep,) = IMPAIRMENTS["modulator bias"].sweeps
    assert sweep.name == "bias" and sweep.values == (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)
    assert sweep.log and sweep.set(0.3) == {"bias_error": (0.3, -0.3)}
