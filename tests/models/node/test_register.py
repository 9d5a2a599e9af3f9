"""A register by itself: its words, its physical values, what it refuses; and maps of registers."""

import math

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.packet import ADDRESS_BITS, WORD
from shotveil.models.node.register import ROLES_OF, Access, Register, RegisterMap, RegisterRole
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec


def test_words_of_a_register():
    wide = Register("wide", 38, Access.SETTING, "", signed=True, low=-(1 << 36))
    for raw in (-(1 << 36), -1, 0, 1, (1 << 37) - 1):
        words = wide.to_words(raw)
        assert len(words) == 2 and all(0 <= word < 1 << 32 for word in words)
        assert wide.from_words(words) == raw
    # Bits behind the last one are not the register's.
    assert wide.from_words([0xFFFFFFFF, 0xFFFFFFFF]) == -1
    for raw in (-(1 << 36) - 1, 1 << 37):
        with pytest.raises(RangeError, match=r"wide = -?\d+ is outside the integers in \[-6871"):
            wide.to_words(raw)


def test_a_map_that_cannot_be():
    flag = Register("flag", 1, Access.SETTING, "")
    with pytest.raises(ValueError, match="two registers are called 'flag'"):
        RegisterMap((flag, flag))
    many = tuple(Register(f"r{k}", 64, Access.STATUS, "") for k in range(1 << (ADDRESS_BITS - 1)))
    RegisterMap(many)
    with pytest.raises(ValueError, match="4097 words do not fit 12 address bits"):
        RegisterMap((*many, flag))
    with pytest.raises(RangeError, match="width of bad = 65"):
        Register("bad", 65, Access.STATUS, "")
    with pytest.raises(RangeError, match="reset of bad = 2"):
        Register("bad", 1, Access.SETTING, "", reset=2)


def test_an_unknown_name_shows_names_like_it():
    with pytest.raises(KeyError, match="no register 'scale'; there is drive_scale"):
        register_map(NodeSpec())["scale"]


# Ranges


def test_a_range_is_that_of_the_width_unless_it_is_named():
    plain = Register("plain", 5, Access.SETTING, "")
    assert (plain.lowest, plain.highest, plain.words) == (0, 31, 1)
    signed = Register("signed", 5, Access.SETTING, "", signed=True)
    assert (signed.lowest, signed.highest) == (-16, 15)
    named = Register("named", 5, Access.SETTING, "", low=0, high=30, reset=0)
    assert (named.lowest, named.highest) == (0, 30)
    assert [Register("r", width, Access.STATUS, "").words for width in (32, 33, 64)] == [1, 2, 2]
    for raw in (0, 30):
        named.require(raw)
    for raw in (-1, 31):
        with pytest.raises(RangeError, match=rf"named = {raw} is outside the integers in \[0, 30"):
            named.require(raw)


@pytest.mark.parametrize(
    "more, message",
    [
        ({"width": 0}, "width of bad = 0"),
        ({"low": -1}, "low of bad = -1"),
        ({"low": -9, "signed": True}, "low of bad = -9"),
        ({"high": 16}, "high of bad = 16"),
        ({"high": 8, "signed": True}, "high of bad = 8"),
        ({"reset": 16}, "reset of bad = 16"),
        ({"reset": -1}, "reset of bad = -1"),
    ],
)
def test_a_register_that_cannot_be(more, message):
    with pytest.raises(RangeError, match=message):
        Register(**{"name": "bad", "width": 4, "access": Access.SETTING, "doc": "", **more})


def test_ends_of_what_the_width_holds_are_allowed():
    Register("edge", 4, Access.SETTING, "", low=0, high=15, reset=15)
    Register("edge", 4, Access.SETTING, "", signed=True, low=-8, high=7, reset=-8)


# Physical values


def test_a_number_with_a_step_is_rounded_to_the_nearest():
    step = Register("step", 8, Access.SETTING, "", signed=True, unit="V", quantum=0.25)
    for value, raw in ((0.3, 1), (-0.3, -1), (0.374, 1), (0.376, 2), (31.75, 127), (-32, -128)):
        assert step.to_raw(value) == raw
    assert step.to_physical(-3) == -0.75 and step.number(-3) == "-0.75"
    for value, shown in ((32.0, "32"), (-32.2, "-32.2"), (math.inf, "inf"), ("much", "'much'")):
        with pytest.raises(RangeError, match=rf"step = {shown} is outside \[-32, 31.75\] V"):
            step.to_raw(value)
    fine = Register("fine", 8, Access.SETTING, "", quantum=1 / 3)
    assert (fine.number(1), fine.number(1, 2)) == ("0.333333333", "0.33")


def test_a_plain_number_is_taken_as_it_is():
    wide = Register("wide", 2 * WORD, Access.SETTING, "", unit="rows")
    assert wide.to_raw(2**63 + 1) == 2**63 + 1  # no float in between
    assert wide.to_raw(3.0) == 3 and wide.to_physical(3) == 3
    for value in (1.5, math.nan, None, -1):
        with pytest.raises(RangeError, match=r"is outside the integers in \[0, \d+\] rows"):
            wide.to_raw(value)


def test_a_single_bit_is_on_or_off():
    bit = Register("bit", 1, Access.SETTING, "")
    assert bit.switch and not Register("part", 1, Access.SETTING, "", quantum=0.5).switch
    assert not Register("two", 2, Access.SETTING, "").switch
    assert [bit.to_raw(v) for v in (True, False, 1, 0)] == [1, 0, 1, 0]
    assert bit.to_physical(1) is True and bit.to_physical(0) is False
    with pytest.raises(RangeError, match="bit = 2; allowed: True, False"):
        bit.to_raw(2)


def test_names_of_choices_and_of_flags():
    choice = Register("choice", 2, Access.SETTING, "", choices=("one", "two", "three"))
    assert [choice.to_raw(name) for name in choice.choices] == [0, 1, 2]
    assert [choice.to_physical(k) for k in range(4)] == ["one", "two", "three", "unknown (3)"]
    with pytest.raises(RangeError, match="choice = 'four'; allowed: one, two, three"):
        choice.to_raw("four")
    up = Register("up", 3, Access.STATUS, "", flags=("a", "b", "c"))
    assert up.to_physical(0b101) == {"a", "c"} and up.to_physical(0) == frozenset()


# Roles


def test_a_role_fits_the_access_and_has_a_usual_one():
    usual = {
        Access.CONSTANT: RegisterRole.DIMENSION,
        Access.STROBE: RegisterRole.CONTROL,
        Access.SETTING: RegisterRole.CONTROL,
        Access.STATUS: RegisterRole.STATE,
    }
    for access in Access:
        assert Register("r", 1, access, "").role is usual[access]
        for role in RegisterRole:
            if role in ROLES_OF[access]:
                assert Register("r", 1, access, "", role=role).role is role
            else:
                with pytest.raises(RangeError, match=f"role of r = {role.value}; allowed for a "):
                    Register("r", 1, access, "", role=role)


def test_a_map_finds_registers_by_access_and_by_role():
    known = RegisterMap(
        (
            Register("who", 32, Access.CONSTANT, "", reset=7, role=RegisterRole.IDENTITY),
            Register("size", 32, Access.CONSTANT, "", reset=9),
            Register("seen", 40, Access.STATUS, "", role=RegisterRole.COUNTER),
            Register("now", 3, Access.STATUS, ""),
        )
    )
    assert len(known) == 4 and known.size == 5 and "now" in known and "then" not in known
    assert [known.address(r.name) for r in known] == [0, 1, 2, 4]
    assert list(known.of(Access.STATUS)) == ["seen", "now"]
    assert list(known.of(RegisterRole.COUNTER)) == ["seen"]
    assert known.constants == {"who": 7, "size": 9} and known.identity == {"who": 7}
    with pytest.raises(KeyError, match="no register 'then'"):
        known.address("then")
