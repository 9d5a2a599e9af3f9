"""Screenshots of reports as browsers show them: on a phone, a tablet and a desk, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shotveil.host.extras import needs
from shotveil.models.common.checks import RangeError

WIDTHS = (390, 800, 1400)  # CSS pixels
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HEIGHT = 900  # CSS pixels, before a page is measured; the picture is of the whole page


@dataclass(frozen=True)
class Screenshot:
    """One page at one width (CSS pixels) and in one colour scheme, as a PNG file.

    beyond: How far the page reaches over its right edge (CSS pixels); what fits has 0.
    """

    path: Path
    width: int
    scheme: str
    beyond: int


def browser() -> str:
    """Return the path of a Chromium. Raises `RangeError` if there is none."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise RangeError(f"no browser was found; allowed: one of {', '.join(BROWSERS)} on the path")


def screenshots(pages: Sequence[Path], folder: Path) -> Iterator[Screenshot]:
    """Take pictures of HTML files at all widths, in both schemes; yield each as it is written.

    Raises `RangeError` where there is no browser, and `ModuleNotFoundError` without Playwright.
    """
    executable = browser()
    with needs("screenshots"):
        from playwright.sync_api import sync_playwright
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        # Chromium's sandbox refuses to run for root, as in containers; the files are our own.
        started = play.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for page in pages:
            for width in WIDTHS:
                for scheme in SCHEMES:
                    shown = started.new_page(
                        viewport={"width": width, "height": HEIGHT}, color_scheme=scheme
                    )
                    shown.goto(page.absolute().as_uri())
                    reach = shown.evaluate("document.documentElement.scrollWidth")
                    path = folder / f"{page.stem}-{width}-{scheme}.png"
                    shown.screenshot(path=path, full_page=True)
                    shown.close()
                    yield Screenshot(path, width, scheme, max(0, reach - width))
        started.close()
