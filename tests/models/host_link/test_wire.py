"""The wire does as much harm as it should, and no other."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.packet import to_frame
from shotveil.models.host_link.wire import LATEST, Wire, WireFaults, damaged


def frames(count):
    return [bytes([1 + k % 250, 1 + k // 250]) + b"\0" for k in range(count)]


def wire(seed=1, **faults):
    return Wire(WireFaults(**faults), np.random.default_rng(seed))


def test_a_good_wire_changes_nothing_in_whatever_pieces():
    data = b"".join(frames(500))
    good = wire()
    assert good.carry(data) == data
    assert good.frames == 500 and good.counts["good"] == 500
    assert b"".join(good.carry(data[k : k + 5]) for k in range(0, len(data), 5)) == data
    # A frame without its end waits for it.
    assert good.carry(b"\1\2") == b"" and good.carry(b"\3\0\4") == b"\1\2\3\0"


def test_lost_repeated_and_damaged_frames():
    data = b"".join(frames(200))
    assert wire(drop=1.0).carry(data) == b""
    assert wire(duplicate=1.0).carry(data) == b"".join(frame * 2 for frame in frames(200))
    assert wire(corrupt=1.0).carry(data) != data
    for name in ("drop", "duplicate", "corrupt"):
        harmed = wire(**{name: 1.0})
        harmed.carry(data)
        assert harmed.counts == dict.fromkeys(harmed.counts, 0) | {name: 200}


def test_a_frame_that_is_late_comes_up_to_four_frames_later():
    given = frames(20_000)
    late = wire(reorder=0.1)
    out = late.carry(b"".join(given) + b"\xff\xff\0" * 0)
    came = [frame + b"\0" for frame in out.split(b"\0")[:-1]]
    number = {frame: k for k, frame in enumerate(given)}
    assert len(number) == 20_000
    lags, behind = [], 0
    for frame in came:
        lag = behind - number[frame]
        lags.append(max(0, lag))
        behind = max(behind, number[frame])
    # It follows the frame that it was to wait for, each of 1 … 4 behind as often.
    counts = np.bincount(lags)
    assert len(counts) == LATEST + 1 == 5
    assert len(set(came)) == len(came) >= 20_000 - LATEST
    assert counts[1:].min() > 0.7 * counts[1:].max()
    assert abs(counts[1:].sum() - late.counts["reorder"]) <= 0.1 * late.counts["reorder"]


def test_damage_is_of_every_kind_and_leaves_no_frame_as_it_was():
    rng = np.random.default_rng(3)
    frame = bytes(range(1, 11)) + b"\0"
    bits = set()
    kinds = {"front": 0, "back": 0, "bit": 0, "byte": 0, "more": 0}
    for _ in range(4000):
        out = damaged(frame, rng)
        assert out != frame
        if len(out) == len(frame):
            ((a, b),) = [(a, b) for a, b in zip(out, frame, strict=True) if a != b]
            kinds["bit" if (a ^ b).bit_count() == 1 else "byte"] += 1
            bits |= {a ^ b}
        elif len(out) > len(frame):
            assert 1 <= len(out) - len(frame) < 20
            kinds["more"] += 1
        elif frame.endswith(out):
            kinds["front"] += 1  # a frame that lost all of it counts here
        else:
            assert frame.startswith(out)
            kinds["back"] += 1
    assert {1 << k for k in range(8)} <= bits and 200 < len(bits) <= 255
    # A fifth each; a byte is a bit's change in 8 of 255 cases, all is cut in one of 11.
    assert all(600 < count < 1000 for count in kinds.values()), kinds


def test_probabilities_are_checked():
    assert WireFaults() == WireFaults(0, 0, 0, 0)
    WireFaults(0.25, 0.25, 0.25, 0.25)
    for name in ("corrupt", "drop", "duplicate", "reorder"):
        for value in (-0.1, 1.1):
            with pytest.raises(RangeError, match=f"^{name} = "):
                WireFaults(**{name: value})
        WireFaults(**{name: 1})
        rest = {n: 0.3 for n in ("corrupt", "drop", "duplicate", "reorder") if n != name}
        with pytest.raises(RangeError, match="sum of the impairments"):
            WireFaults(**rest, **{name: 0.2})


def test_the_wire_does_as_much_harm_as_it_should():
    wire = Wire(WireFaults(0.1, 0.2, 0.05, 0.02), np.random.default_rng(5))
    frame = to_frame(bytes(10))
    out = wire.carry(frame * 50_000)
    counts = wire.counts
    assert wire.frames == 50_000
    for name, share in (("corrupt", 0.1), ("drop", 0.2), ("duplicate", 0.05), ("reorder", 0.02)):
        # Five standard deviations of a binomial.
        assert abs(counts[name] - 50_000 * share) < 5 * np.sqrt(50_000 * share)
    intact = sum(part + b"\0" == frame for part in out.split(b"\0"))
    due = counts["good"] + 2 * counts["duplicate"] + counts["reorder"]
    # A damaged one that lost its end takes the next with it; one with bytes before it may survive.
    assert due - counts["corrupt"] / 3 < intact <= due + counts["corrupt"] / 3
    with pytest.raises(RangeError):
        WireFaults(0.9, 0.2)


def test_values_cannot_be_changed_once_they_are_checked():
    assert WireFaults.__dataclass_params__.frozen
