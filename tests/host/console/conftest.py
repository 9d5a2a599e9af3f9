"""What tests of the console share: a console in this process, and a browser where there is one."""

import shutil
import threading
from contextlib import contextmanager

import pytest

from shotveil.host.console.server import serve

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
WAIT = 60.0  # seconds, far longer than anything takes


@contextmanager
def served(source, record=None):
    """Serve a source from a thread; give the address with its token."""
    ready, stop, found = threading.Event(), threading.Event(), []

    def told(address):
        found.append(address)
        ready.set()

    thread = threading.Thread(
        target=serve, args=(source, "127.0.0.1", 0, told, record, stop.is_set), daemon=True
    )
    thread.start()
    assert ready.wait(WAIT), "the console never got ready"
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join(WAIT)
        source.close()


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def until(topics, source, wanted):
    """Collect what a source tells until `wanted(topics)` holds."""
    import time

    end = time.monotonic() + WAIT
    while not wanted(topics):
        assert time.monotonic() < end, "it never came"
        topics |= source.changed()
        time.sleep(0.01)
    return topics
