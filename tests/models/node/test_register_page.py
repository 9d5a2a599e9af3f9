"""The page of registers: what is in the repository, and how entries of each kind are shown."""

from dataclasses import replace
from pathlib import Path

import pytest

from shotveil.models.node import register_page
from shotveil.models.node.register import Access, Register, RegisterMap
from shotveil.models.node.register_map import register_map
from shotveil.models.node.register_page import markdown

PAGE = Path(__file__).parents[3] / "docs/registers.md"


def row(name, page=None):
    """Cells of a register's line."""
    lines = (page or markdown()).splitlines()
    (line,) = [one for one in lines if f"| `{name}` |" in one]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_is_that_of_the_map():
    assert PAGE.read_text() == markdown()


@pytest.mark.parametrize(
    "name, kind, bits, span, reset, doc",
    [
        ("quadratures", "constant", "32", "", "2 / 1", "that the receiver samples"),
        ("map_hash", "constant", "32", "", "of the build", "first bits of SHA-256"),
        ("id", "constant", "32", "", "1398164529", "what this is"),
        ("commit", "strobe", "1", "", "", "all staged settings"),
        ("arm", "setting", "1", "", "0", "1 lets light out"),
        ("grant", "setting", "24", "0 … 16777215 rows", "0 rows", "rows (client: frames)"),
        ("drive_bias_i", "setting", "18, signed", "-0.99987 … 0.99987 full scale", "0 full scale",
         "voltage of the null of arm I; steps of 7.629e-06 full scale"),
        ("state", "status", "3", "0 … 6", "", "of the sequencer; values from 0: idle, lead-in"),
        ("fault", "status", "5", "0 … 31", "", "sticky; bits from 0: tripped, watchdog"),
    ],
)  # fmt: skip
def test_lines(name, kind, bits, span, reset, doc):
    *_, found, width, values, after, what = row(name)
    assert (found.strip("`"), width, values, after) == (kind, bits, span, reset)
    assert what.startswith(doc) or doc in what


def test_addresses_of_both_roles():
    assert row("digitiser_kp")[0] == "–" and row("digitiser_scale_p")[1] == "–"
    assert row("id")[:2] == ["000", "000"]


def test_a_new_register_is_on_the_page(monkeypatch):
    more = Register(
        "laser_power", 12, Access.STATUS, "of the laser", "laser", quantum=0.5, unit="mW"
    )

    def longer(spec):
        return RegisterMap((*register_map(spec), replace(more)))

    monkeypatch.setattr(register_page, "register_map", longer)
    page = markdown()
    assert "## Laser" in page
    assert row("laser_power", page)[2:] == [
        "`laser_power`", "status", "12", "0 … 2047.5 mW", "", "of the laser; steps of 0.5 mW",
    ]  # fmt: skip
