"""Fields and widths of the drive's streams."""

import pytest
from amaranth.hdl import Shape

from shotveil.gateware.drive import payloads
from shotveil.models.drive.spec import DriveSpec


@pytest.mark.parametrize(
    "make, bits, flags",
    [
        (payloads.host_symbol, 16, []),
        (payloads.framed, 16, ["reference", "first"]),
        (payloads.scaled, 18, ["fault", "first"]),
        (payloads.shaped, 18, ["fault", "first"]),
        (payloads.voltage, 20, ["fault", "first"]),
        (payloads.code, 14, ["first"]),
    ],
)
def test_a_pair_of_numbers_and_flags(make, bits, flags):
    layout = make(DriveSpec())
    shapes = {name: Shape.cast(field.shape) for name, field in layout}
    assert list(shapes) == ["i", "q", *flags]
    assert all(shapes[name] == Shape(bits, signed=True) for name in ("i", "q"))
    assert all(shapes[name].width == 1 for name in flags)
