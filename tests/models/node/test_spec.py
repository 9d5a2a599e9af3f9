"""A node's spec refuses what cannot be, and its hash tells specs apart."""

import dataclasses
import hashlib

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.spec import NodeSpec


def test_each_role_has_its_receiver():
    assert NodeSpec().digitiser == DigitiserSpec(quadratures=2)
    assert NodeSpec(role="client").digitiser == DigitiserSpec(quadratures=1)
    brisk = NodeSpec(role="client", drive=DriveSpec(samples_per_symbol=2))
    assert brisk.digitiser == DigitiserSpec(quadratures=1, samples_per_symbol=2)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"role": "referee"}, "role"),
        ({"role": "client", "digitiser": DigitiserSpec()}, "quadratures = 2"),
        ({"drive": DriveSpec(samples_per_symbol=8)}, "samples_per_symbol = 8 .* allowed: 2 and 4"),
        (
            {"drive": DriveSpec(samples_per_symbol=2), "digitiser": DigitiserSpec()},
            "samples_per_symbol is 2",
        ),
        ({"drive": DriveSpec(symbol=Q(1, 14))}, "symbol"),
        ({"capture": 5000}, "capture = 5000"),
        ({"capture": 8}, "capture = 8"),
        ({"replay": 2048}, "replay = 2048"),
        ({"window": 3}, "window = 3"),
        ({"store": 5000}, "store = 5000; allowed: multiples of row_capacity = 4096"),
        ({"store": 1 << 21}, r"store = 2.09715e\+06"),
        ({"role": "client", "store": 4096}, "store = 4096"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(RangeError, match=message):
        NodeSpec(**changes)


def test_every_field_changes_the_hash():
    spec = NodeSpec()
    assert spec.spec_hash() == NodeSpec().spec_hash() < 1 << 32
    others = [
        NodeSpec(role="client"),
        NodeSpec(capture=2048),
        NodeSpec(window=4),
        NodeSpec(replay=16384),
        NodeSpec(loopback=True),
        NodeSpec(store=4096),
        NodeSpec(drive=DriveSpec(dac_bits=12)),
        NodeSpec(digitiser=DigitiserSpec(modes=256)),
    ]
    assert len({spec.spec_hash(), *(other.spec_hash() for other in others)}) == 9
    named = {f.name for f in dataclasses.fields(NodeSpec)} - {"drive", "digitiser"}
    inner = {f"drive.{f.name}" for f in dataclasses.fields(DriveSpec)}
    inner |= {f"digitiser.{f.name}" for f in dataclasses.fields(DigitiserSpec)}
    assert set(spec.fields()) == named | inner


def test_the_hash_stays_the_same():
    """It is compared between a bitstream and a host of another day: only the spec may change it."""
    text = "".join(f"{name}={value}\n" for name, value in sorted(NodeSpec().fields().items()))
    assert "digitiser.modes=512\n" in text and "role=server\n" in text


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("capture", (16, 1 << 15), (8, 1 << 16, 24)),
        ("window", (1, 32), (0, 64, 3)),
        ("replay", (4096, 1 << 16), (2048, 1 << 17, 5000)),
    ],
)
def test_lengths_are_powers_of_two_within_their_ends(name, good, bad):
    for value in good:
        assert getattr(NodeSpec(**{name: value}), name) == value
    for value in bad:
        with pytest.raises(RangeError, match=f"^{name} = "):
            NodeSpec(**{name: value})


def test_drive_and_digitiser_have_one_pulse_and_one_symbol():
    for change in ({"taps": 40}, {"rolloff": 0.4}):
        with pytest.raises(RangeError, match=f"^{next(iter(change))} is "):
            NodeSpec(drive=DriveSpec(**change))
    narrow = {"drive": DriveSpec(symbol=Q(1, 12)), "digitiser": DigitiserSpec(reference=Q(1, 12))}
    assert NodeSpec(**narrow).drive.symbol.width == 13
    wide = {"drive": DriveSpec(symbol=Q(1, 16)), "digitiser": DigitiserSpec(reference=Q(1, 16))}
    with pytest.raises(RangeError, match="width of symbol = 17"):
        NodeSpec(**wide)


def test_defaults():
    spec = NodeSpec()
    assert (spec.role, spec.capture, spec.window, spec.replay) == ("server", 4096, 8, 8192)
    assert spec.loopback is False and spec.drive == DriveSpec()


def test_the_hash_is_the_start_of_a_sha256_over_all_fields():
    text = "".join(f"{name}={value}\n" for name, value in sorted(NodeSpec().fields().items()))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert f"{NodeSpec().spec_hash():08x}" == digest[:8]


def test_values_cannot_be_changed_once_they_are_checked():
    assert NodeSpec.__dataclass_params__.frozen


def test_what_boards_and_builds_choose_is_in_the_spec():
    assert NodeSpec.chosen("client") == NodeSpec("client")
    made = NodeSpec.chosen(
        "server", samples_per_symbol=2, dac_bits=12, adc_bits=10, clock_hz=62_500_000, capture=64
    )
    assert made == NodeSpec(
        "server",
        DriveSpec(samples_per_symbol=2, dac_bits=12),
        DigitiserSpec(quadratures=2, samples_per_symbol=2, adc_bits=10),
        capture=64,
        clock_hz=62_500_000,
    )
    with pytest.raises(RangeError, match="role = 'bob' is not one of server, client"):
        NodeSpec.chosen("bob")
    with pytest.raises(RangeError, match="samples_per_symbol = 3 cannot be received"):
        NodeSpec.chosen("server", samples_per_symbol=3)


@pytest.mark.parametrize("clock_hz", [999_999, 1_000_000_001, 62.5e6 + 0.5])
def test_a_clock_out_of_range_is_refused(clock_hz):
    with pytest.raises(RangeError, match="clock_hz = "):
        NodeSpec(clock_hz=clock_hz)
    assert NodeSpec(clock_hz=10**6).clock_hz == 10**6 and NodeSpec(clock_hz=10**9)


def test_another_clock_is_another_node():
    assert NodeSpec(clock_hz=62_500_000).spec_hash() != NodeSpec().spec_hash()
