import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.pace import longest_wait
from shotveil.models.digitiser.spec import (
    SIGNAL_RECORD,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)
from shotveil.models.signal.frame import FrameLayout


def wait(quadratures=2, **lengths):
    spec = DigitiserSpec(quadratures)
    return longest_wait(quadratures, spec.iterations, spec.symbol_fifo, FrameLayout(**lengths))


def test_layouts_that_lost_symbols_in_the_gateware_are_told():
    """Those with `fits` lose none there; `tests/gateware/node/test_any_host.py` plays some.

    The last of the second row loses none in three frames, and then some in every frame.
    """
    for pilots, spacing, runs, fits in (
        (1, 8, 16, False), (2, 16, 16, False), (2, 16, 8, False), (8, 64, 2, False),
        (6, 84, 16, False), (8, 256, 2, False), (1, 9, 16, False),
        (1, 12, 16, True), (4, 52, 16, True), (4, 64, 16, True),
    ):  # fmt: skip
        layout = {"row": spacing * runs, "pilots": pilots, "pilot_spacing": spacing}
        assert (wait(**layout) < 64) == fits, layout
        settings = DigitiserSettings(FrameLayout(**layout), mode_shift=3)
        if fits:
            settings.validate(DigitiserSpec())
        else:
            with pytest.raises(RangeError, match=f"pilots = {pilots} in each of {runs + 1} groups"):
                settings.validate(DigitiserSpec())


def test_homodyne_measures_once_a_frame():
    assert wait(1, row=512, pilots=8, pilot_spacing=64) < 10


def test_a_longer_gap_between_frames_lets_the_sums_catch_up():
    tight = wait(row=128, pilot_spacing=8, guard=8)
    assert wait(row=128, pilot_spacing=8, guard=200) < tight


def test_shorter_symbols_leave_less_time_for_pauses():
    """Symbols behind those that measure the offset wait on top in a vacuum record."""
    spec = DigitiserSpec(samples_per_symbol=2)
    lengths = {"row": 192, "pilot_spacing": 48, "guard": 16}
    layout = FrameLayout(preamble=16, **lengths)
    signal, vacuum = (longest_wait(2, spec.iterations, 64, layout, 2, every) for every in (0, 4))
    assert wait(**lengths) < signal < vacuum < 64
    records = SIGNAL_RECORD, VACUUM_RECORD
    assert [spec.waiting(layout, record) for record in records] == [signal, vacuum]
    assert DigitiserSpec().waiting(layout, VACUUM_RECORD) == wait(**lengths)


def test_what_piles_up_slowly_is_refused_too():
    """Three frames fit the FIFO, a session does not: in the gateware, 24 of either lost symbols."""
    for lengths in ({"pilots": 4, "pilot_spacing": 64}, {"row": 144, "pilot_spacing": 9}):
        assert wait(vacuum=1, **lengths) >= 64
    # A frame of 484 clocks takes 510.
    spec = DigitiserSpec(samples_per_symbol=2)
    layout = FrameLayout(preamble=16, row=192, pilot_spacing=22, guard=16)
    assert spec.waiting(layout, SIGNAL_RECORD) >= spec.symbol_fifo
    longer = FrameLayout(preamble=16, row=192, pilot_spacing=22, guard=40)
    assert spec.waiting(longer, SIGNAL_RECORD) < 64


def test_what_grows_from_frame_to_frame_counts_as_lost_though_it_still_fits():
    """36 of 64 symbols wait at most in these frames, and more in each than in the one before."""
    assert wait(row=48, pilots=2, pilot_spacing=16, vacuum=1) == 64
    assert wait(row=48, pilots=2, pilot_spacing=16, vacuum=1, guard=60) < 36
