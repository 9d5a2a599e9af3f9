"""A node's spec refuses what cannot be, and its hash tells specs apart."""

import dataclasses

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.spec import NodeSpec


def test_each_role_has_its_receiver():
    assert NodeSpec().digitiser == DigitiserSpec(quadratures=2)
    assert NodeSpec(role="client").digitiser == DigitiserSpec(quadratures=1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"role": "referee"}, "role"),
        ({"role": "client", "digitiser": DigitiserSpec()}, "quadratures = 2"),
        ({"drive": DriveSpec(samples_per_symbol=8)}, "samples_per_symbol is 8"),
        ({"drive": DriveSpec(symbol=Q(1, 14))}, "symbol"),
        ({"capture": 5000}, "capture = 5000"),
        ({"capture": 8}, "capture = 8"),
        ({"replay": 2048}, "replay = 2048"),
        ({"window": 3}, "window = 3"),
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
        NodeSpec(drive=DriveSpec(dac_bits=12)),
        NodeSpec(digitiser=DigitiserSpec(modes=256)),
    ]
    assert len({spec.spec_hash(), *(other.spec_hash() for other in others)}) == 8
    named = {f.name for f in dataclasses.fields(NodeSpec)} - {"drive", "digitiser"}
    inner = {f"drive.{f.name}" for f in dataclasses.fields(DriveSpec)}
    inner |= {f"digitiser.{f.name}" for f in dataclasses.fields(DigitiserSpec)}
    assert set(spec.fields()) == named | inner


def test_the_hash_stays_the_same():
    """It is compared between a bitstream and a host of another day: only the spec may change it."""
    text = "".join(f"{name}={value}\n" for name, value in sorted(NodeSpec().fields().items()))
    assert "digitiser.modes=512\n" in text and "role=server\n" in text
