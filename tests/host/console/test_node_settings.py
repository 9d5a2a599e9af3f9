"""Settings in physical units, with the ranges of the register map."""

import pytest

from shotveil.host.console.node_settings import KEPT, offered, required, table
from shotveil.models.common.checks import RangeError
from shotveil.models.node.register import Access
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec

MAP = register_map(NodeSpec("server"))


def test_all_settings_but_those_that_let_light_out_are_offered():
    assert set(MAP.of(Access.SETTING)) - set(offered(MAP)) == set(KEPT) == {"arm", "grant"}


def test_a_setting_has_its_value_and_range_in_its_unit():
    raw = {name: register.reset for name, register in MAP.of(Access.SETTING).items()}
    rows = {row["name"]: row for row in table(MAP, raw)}
    watchdog = rows["watchdog"]
    assert watchdog["unit"] == "s" and watchdog["value"] == pytest.approx(1, rel=1e-3)
    assert float(watchdog["range"][0]) == pytest.approx(2**16 / 125e6)
    assert rows["triggered"]["switch"] and rows["digitiser_record"]["choices"]
    for name, row in rows.items():
        assert required(MAP, name, row["value"])[0] == name
        if "range" in row:
            required(MAP, name, row["range"][0])
            required(MAP, name, row["range"][1])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("watchdog", 1e9, r"watchdog = 1e\+09 is outside"),
        ("watchdog", "soon", "watchdog = 'soon' is outside"),
        ("watchdog", "nan", "outside"),
        ("watchdog", None, "outside"),
        ("watchdog", [1], "outside"),
        ("drive_row", 1.5, "integers"),
        ("triggered", 2, "allowed: True, False"),
        ("digitiser_record", "loud", "allowed: signal, vacuum, dark"),
        ("arm", 1, "no setting that the console changes"),
        ("grant", 5, "no setting that the console changes"),
        ("state", 1, "no setting that the console changes"),
        ("start", 1, "no setting that the console changes"),
        (3, 1, "no setting that the console changes"),
    ],
)
def test_what_cannot_be_set_is_refused_with_the_range(name, value, message):
    with pytest.raises(RangeError, match=message):
        required(MAP, name, value)


def test_what_is_written_is_what_the_node_can_have():
    _name, value = required(MAP, "watchdog", "0.5")
    assert value != 0.5 and value == pytest.approx(0.5, abs=2**16 / 125e6)
