"""Fields that say what they mean."""

from dataclasses import dataclass

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.parameters import check, parameter, parameters


@dataclass(frozen=True)
class Oven:
    heat: float = parameter(180.0, "Temperature inside", "degrees", above=0, at_most=250)
    door_gap: float = parameter(0.0, "Width of the gap", label="gap", at_least=0, below=1)
    colour: str = "white"

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Grill(Oven):
    power: float = parameter(3.0, "Power", above=1)


def test_parameters_are_the_marked_fields_in_their_order():
    heat, gap = parameters(Oven)
    assert (heat.name, heat.default, heat.label) == ("heat", 180.0, "heat")
    assert (gap.name, gap.label, gap.allowed) == ("door_gap", "gap", "[0, 1)")
    assert heat.described == "Temperature inside, in degrees, in (0, 250]."
    assert gap.described == "Width of the gap, in [0, 1)."


def test_a_subclass_has_those_of_its_base_too():
    assert [each.name for each in parameters(Grill)] == ["heat", "door_gap", "power"]
    with pytest.raises(RangeError, match="power = 1"):
        Grill(power=1.0)


def test_a_value_out_of_range_is_refused_by_its_label():
    assert Oven(250.0).heat == 250
    with pytest.raises(RangeError, match=r"^heat = 251 is outside \(0, 250\]$"):
        Oven(251.0)
    with pytest.raises(RangeError, match=r"^gap = 1 is outside \[0, 1\)$"):
        Oven(door_gap=1.0)
    with pytest.raises(RangeError, match="heat = 'hot' is not a number"):
        Oven("hot")


def test_underscores_are_spaces_in_errors():
    @dataclass(frozen=True)
    class Kettle:
        water_level: float = parameter(1.0, "Water", at_most=2)

    (level,) = parameters(Kettle)
    with pytest.raises(RangeError, match=r"water level = 3 is outside \(−∞, 2\]"):
        level.check(3)
    level.check(2)
