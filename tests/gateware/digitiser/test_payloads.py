"""Fields and widths of the digitiser's streams."""

from dataclasses import replace

import pytest
from amaranth.hdl import Shape

from shotveil.gateware.digitiser import payloads
from shotveil.models.digitiser.spec import DigitiserSpec

SPEC, ONE = DigitiserSpec(), DigitiserSpec(quadratures=1)
LABEL = {
    "kind": 2,
    "index": 12,
    "segment": 4,
    "last": 1,
    "lost": 1,
    "over": 1,
    "skip": 1,
}


def widths(layout):
    return {name: Shape.cast(field.shape).width for name, field in layout}


@pytest.mark.parametrize(
    "make, bits, others",
    [
        (payloads.codes, 14, {}),
        (payloads.samples, 14, {"over": 1}),
        (payloads.placed, 14, {"over": 1, "phase": 2, "fraction": 6, "mark": 1, "lost": 1}),
        (payloads.filtered, 22, {"mark": 1, "lost": 1, "over": 1}),
        (payloads.framed, 22, LABEL),
        (payloads.symbols, 17, LABEL | {"saturated": 1}),
    ],
)
def test_a_field_for_each_quadrature_and_others(make, bits, others):
    assert widths(make(SPEC)) == {"x": bits, "p": bits} | others
    assert widths(make(ONE)) == {"x": bits} | others
    for axis in ("x", "p"):
        assert Shape.cast(make(SPEC)[axis].shape).signed == (make is not payloads.codes)


def test_what_is_the_same_for_all_receivers():
    for spec in (SPEC, ONE):
        assert widths(payloads.sent(spec)) == {"x": 16, "p": 16}
        assert widths(payloads.phases(spec)) == {"angle": 16, "bad": 1}
    assert Shape.cast(payloads.phases(ONE)["angle"].shape).signed
    assert widths(payloads.CORRELATION) == {"power": 36, "hit": 1}
    assert widths(payloads.marks(SPEC)) == {"phase": 2, "fraction": 6, "mark": 1, "lost": 1}
    assert widths(payloads.marks(replace(SPEC, samples_per_symbol=2)))["phase"] == 1
    assert payloads.axes(SPEC) == ("x", "p") and payloads.axes(ONE) == ("x",)
    assert widths(payloads.framed(DigitiserSpec(row_capacity=513, modes=16)))["index"] == 10
