from shotveil.models.waveform.impairments import IMPAIRMENTS


def test_its_settings(holds):
    holds(
        "laser linewidth",
        "linewidth",
        default=0.0,
        realistic=3.2e-5,
        allowed=(2.0,),
        refused=(-1e-9,),
    )
    holds(
        "laser linewidth",
        "unmatched_out",
        default=0.0,
        realistic=0.25,
        allowed=(1 << 20,),
        refused=(-0.1, (1 << 20) + 1),
    )
    holds(
        "laser linewidth",
        "unmatched_back",
        default=0.0,
        realistic=0.25,
        allowed=(1 << 20,),
        refused=(-0.1, (1 << 20) + 1),
    )


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["laser linewidth"]
    assert cause.distorts and cause.budgeted
    assert not cause.stages
    assert cause.excess is None


def test_its_design_questions():
    wide, long = IMPAIRMENTS["laser linewidth"].sweeps
    assert wide.name == "linewidth" and wide.values == (1e-6, 1e-5, 1e-4, 1e-3, 1e-2) and wide.log
    assert wide.set(0.5) == {"linewidth": 0.5, "unmatched_out": 0.25, "unmatched_back": 0.25}
    assert long.name == "loop-delay" and long.values == (0.25, 1, 4, 16, 64, 256, 1024) and long.log
    assert long.set(8) == {"linewidth": 3.2e-5, "unmatched_out": 8, "unmatched_back": 8}
