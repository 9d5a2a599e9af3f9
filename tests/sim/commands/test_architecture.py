"""`shotveil lab architecture`: what it writes into a checkout, and what it prints."""

import json
from pathlib import Path

import pytest

from shotveil.sim.figures import architecture as house


@pytest.fixture
def checkout(tmp_path):
    """Two rooms and a page."""
    for path, text in (
        ("models/low.py", '"""What is at the bottom."""'),
        ("models/high.py", '"""What stands on it."""\nimport shotveil.models.low\n'),
        ("gateware/one.py", '"""One block."""'),
        ("host/one.py", '"""One command."""'),
        ("sim/one.py", '"""One bench."""'),
        ("docs/architecture.md", f"The house.\n\n{house.MARKER}\nan old table\n"),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_picture_and_table_are_made_anew(lab, checkout):
    page, picture = checkout / "docs/architecture.md", checkout / "docs/architecture.svg"
    expected = house.page(page.read_text(), checkout)
    assert lab("architecture", "--checkout", checkout) == (0, f"{picture}\n{page}\n", "")
    assert picture.read_text() == house.picture(checkout)
    assert page.read_text() == expected
    assert "What stands on it" in expected and "an old table" not in expected


def test_rooms_as_one_json_object(lab, checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    code, out, err = lab("architecture", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "picture": "docs/architecture.svg",
        "page": "docs/architecture.md",
        "rooms": {
            "models.high": ["models.low"], "models.low": [], "gateware.one": [], "host.one": [],
            "sim.one": [],
        },
    }  # fmt: skip
    assert Path("docs/architecture.svg").exists()


def test_a_folder_that_is_no_checkout_is_refused(lab, tmp_path):
    code, out, err = lab("architecture", "--checkout", tmp_path)
    assert (code, out) == (2, "") and not list(tmp_path.iterdir())
    assert f"checkout = {tmp_path} has no docs/architecture.md; allowed: a checkout" in err
