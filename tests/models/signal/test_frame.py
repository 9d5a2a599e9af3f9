import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.signal.frame import FRANK, FrameLayout, Slot, diagonal


def test_default_layout():
    layout = FrameLayout()
    slots = layout.slots()
    assert layout.length == len(slots) == 432
    counts = {slot: int(np.sum(slots == slot)) for slot in Slot}
    assert counts == {
        Slot.PREAMBLE: 16,
        Slot.PILOT: 8,
        Slot.ROW: 392,
        Slot.VACUUM: 8,
        Slot.GUARD: 8,
    }
    assert counts[Slot.ROW] / layout.length > 0.9


@pytest.mark.parametrize("row, spacing, groups", [(10, 5, 3), (11, 5, 4), (1, 50, 2), (5, 1, 6)])
def test_every_row_symbol_lies_between_two_pilot_groups(row, spacing, groups):
    layout = FrameLayout(row=row, pilots=2, pilot_spacing=spacing)
    slots = layout.slots()
    assert layout.groups == groups
    assert layout.length == len(slots)
    (pilots,) = np.nonzero(slots == Slot.PILOT)
    (symbols,) = np.nonzero(slots == Slot.ROW)
    assert len(pilots) == 2 * groups
    assert len(symbols) == row
    assert pilots[0] < symbols[0]
    assert pilots[-1] > symbols[-1]
    assert np.diff(pilots).max() <= spacing + 1


def test_without_pilots():
    layout = FrameLayout(pilots=0, row=100, pilot_spacing=7)
    assert layout.groups == 0
    assert layout.length == 16 + 100 + 8 + 8


def test_references():
    layout = FrameLayout(preamble=20)
    signs = layout.references()
    slots = layout.slots()
    used = (slots == Slot.PREAMBLE) | (slots == Slot.PILOT)
    assert np.all(np.abs(signs[:, used]) == 1)
    assert not signs[:, ~used].any()
    # +45°, −45°, then the opposite of both, … whatever lies between: their mean is zero.
    i, q = signs[:, slots == Slot.PILOT]
    assert i.tolist() == [1, 1, -1, -1] * 2
    assert q.tolist() == [1, -1, -1, 1] * 2
    np.testing.assert_array_equal(signs[:, 16:20], signs[:, :4])


def test_preamble_has_no_periodic_sidelobes():
    phase = diagonal(FRANK)
    code = phase[0] + 1j * phase[1]
    correlation = np.fft.ifft(np.abs(np.fft.fft(code)) ** 2)
    assert correlation[0] == pytest.approx(32)
    np.testing.assert_allclose(correlation[1:], 0, atol=1e-12)
    # Once, between zeros, it has small ones: below a fifth of the peak.
    alone = np.abs(np.correlate(code, code, "full"))
    assert np.delete(alone, 15).max() < 32 / 5


@pytest.mark.parametrize(
    "lengths, message",
    [
        ({"row": 0}, r"row = 0 is outside the integers in \[1, 4096\]"),
        ({"row": 5000}, "row = 5000 is outside"),
        ({"preamble": 3}, "preamble = 3 is outside"),
        ({"guard": 1}, "guard = 1 is outside"),
        ({"pilots": -1}, "pilots = -1 is outside"),
        ({"pilot_spacing": 2.5}, "pilot_spacing = 2.5 is outside"),
    ],
)
def test_refusals(lengths, message):
    with pytest.raises(RangeError, match=message):
        FrameLayout(**lengths)


@pytest.mark.parametrize(
    "name, low", [("preamble", 4), ("row", 1), ("pilots", 0), ("pilot_spacing", 1), ("vacuum", 0),
                  ("guard", 2)],
)  # fmt: skip
def test_lengths_have_ends(name, low):
    for value in (low, 4096):
        assert getattr(FrameLayout(**{name: value}), name) == value
    for value in (low - 1, 4097, low + 0.5):
        with pytest.raises(RangeError, match=f"^{name} = "):
            FrameLayout(**{name: value})


def test_a_frame_in_its_order():
    layout = FrameLayout(preamble=5, row=5, pilots=2, pilot_spacing=3, vacuum=2, guard=3)
    assert (
        layout.slots().tolist() == [0] * 5 + [1, 1, 2, 2, 2, 1, 1, 2, 2, 1, 1] + [3] * 2 + [4] * 3
    )
    assert [(slot.name, int(slot)) for slot in Slot] == [
        ("PREAMBLE", 0), ("PILOT", 1), ("ROW", 2), ("VACUUM", 3), ("GUARD", 4),
    ]  # fmt: skip
    assert FRANK == (0, 0, 0, 0, 0, 1, 2, 3, 0, 2, 0, 2, 0, 3, 2, 1)
    # Shared by all who ask, so nobody may write to them.
    for shared in (layout.slots(), layout.references()):
        with pytest.raises(ValueError, match="read-only"):
            shared[0] = 1
    assert diagonal([0, 1, 2, 3, 4, -1]).tolist() == [[1, -1, -1, 1, 1, 1], [1, 1, -1, -1, 1, -1]]
    i, q = layout.references()[:, :5]
    assert (i + 1j * q).tolist() == [1 + 1j] * 5


def test_values_cannot_be_changed_once_they_are_checked():
    assert FrameLayout.__dataclass_params__.frozen
