"""Screenshots: what a browser is asked for, and what it says of a page's width."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.sim.figures import screenshots as module
from shotveil.sim.figures.screenshots import browser, screenshots


def test_a_machine_without_a_browser_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RangeError, match=r"no browser was found; allowed: one of chromium, .* on"):
        browser()
    (tmp_path / "google-chrome").write_text("")
    (tmp_path / "google-chrome").chmod(0o755)
    assert browser() == str(tmp_path / "google-chrome")


def test_pages_in_a_real_browser(tmp_path):
    pytest.importorskip("playwright", reason="needs the extra screenshots")
    try:
        browser()
    except RangeError as error:
        pytest.skip(f"needs Chromium: {error}")
    image = pytest.importorskip("PIL.Image")
    head = "<!doctype html><meta name=viewport content='width=device-width'><style>"
    dark = ":root{color-scheme:light dark} body{margin:0;height:1200px}"
    (tmp_path / "slim.html").write_text(f"{head}{dark}</style><p>slim")
    (tmp_path / "wide.html").write_text(f"{head}p{{width:500px;margin:0}}</style><p>wide")
    pages = [tmp_path / "slim.html", tmp_path / "wide.html"]
    shots = list(screenshots(pages, tmp_path / "out"))
    names = [shot.path.name for shot in shots]
    assert names[:3] == ["slim-390-light.png", "slim-390-dark.png", "slim-800-light.png"]
    assert len(names) == 2 * len(module.WIDTHS) * len(module.SCHEMES)
    beyond = {(shot.path.name.split("-")[0], shot.width): shot.beyond for shot in shots}
    assert beyond.pop(("wide", 390)) >= 110 and set(beyond.values()) == {0}
    light, dark = (image.open(shot.path).convert("L") for shot in shots[:2])
    assert light.size[0] == 390 and light.size[1] >= 1200  # the whole page
    assert light.getpixel((380, 1000)) > 200 and dark.getpixel((380, 1000)) < 50
