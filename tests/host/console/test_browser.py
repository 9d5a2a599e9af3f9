"""The console in a real browser: what a person sees, against simulated nodes and real parties."""

import re
import threading
from contextlib import contextmanager

import pytest

from shotveil.host.adversaries.attacks import interference
from shotveil.host.console.bench import Bench
from shotveil.host.console.client_books import ClientBooks
from shotveil.host.console.journal import Journal
from shotveil.host.console.probe_light import BenchSettings
from shotveil.host.console.replay import RunReplay
from shotveil.host.console.server_books import ServerBooks
from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.light import FibreSettings, LightDevice
from shotveil.host.devices.node import Node
from shotveil.host.ledger.data_ledger import DataLedger
from shotveil.host.parties.kept_receipts import KeptReceipts
from shotveil.host.protocol.wire import ProtocolError
from shotveil.models.node.spec import NodeSpec
from tests.host.console.conftest import WAIT, served
from tests.host.parties.parties import IMAGES, parties

LOST = 2000  # milliseconds within which a lost node is on the page
PAGE_BYTES = 150_000
HAS_INK = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
BENCH = {"Node", "Channel", "T̂ and ε̂ over time", "Constellation", "Eye", "Spectrum",
         "Lock, phase and drift", "Frame", "Faults and flags", "Counters", "Self-test",
         "Calibration", "Settings"}  # fmt: skip


class Breakable(LightDevice):
    """A node with light whose plug can be pulled."""

    pulled = threading.Event()

    def _read(self, registers):
        if self.pulled.is_set():
            raise DeviceError("the plug is out")
        return super()._read(registers)


class Pages:
    """Tabs of one browser, which note all that went wrong."""

    def __init__(self, browser, address):
        self.address, self.context = address, browser.new_context()
        self.context.set_default_timeout(1000 * WAIT)
        self.place = address.partition("/?")[0]
        self.bytes, self.errors, self.outside = {}, [], []

    def open(self, width=1280, height=900):
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda asked: self._asked(asked.url))
        page.on("response", self._answered)
        page.goto(self.address)
        page.wait_for_selector("#link.good")
        return page

    def _asked(self, url):
        if not url.startswith((self.place, self.place.replace("http", "ws"), "data:")):
            self.outside.append(url)

    def _answered(self, answer):
        if answer.status == 200:
            self.bytes[answer.url] = len(answer.body())


@contextmanager
def watched(browser, source, record=None):
    with served(source, record) as address:
        pages = Pages(browser, address)
        try:
            yield pages
            assert pages.errors == [] and pages.outside == []
        finally:
            pages.context.close()


@contextmanager
def bench(browser, record=None, nodes=1):
    devices = []
    Breakable.pulled.clear()

    def at(url):
        devices.append(device := Breakable(NodeSpec("server"), FibreSettings(drift=0.0)))

        def reach():
            if Breakable.pulled.is_set():
                raise DeviceError("nobody is there")
            return Node(device)

        return reach

    source = Bench(["light:server"] * nodes, BenchSettings(batches=3, rows=40), at)
    with watched(browser, source, record) as pages:
        yield devices[0], pages


def click(page, name):
    page.get_by_role("button", name=name, exact=True).first.click()


def card(page, title):
    return page.get_by_role("region", name=title, exact=True).first


def calibrated(page):
    page.wait_for_selector("#state0.good")
    click(page, "Calibrate")
    page.wait_for_selector("#calibrated0 .good")


def test_every_panel_of_a_bench_updates_and_a_tap_is_on_screen(browser, tmp_path):
    with bench(browser, tmp_path / "run") as (device, pages):
        page = pages.open()
        page.wait_for_selector("#state0.good")
        assert {region.get_attribute("aria-label") for region in
                page.get_by_role("region").all()} == BENCH  # fmt: skip
        assert "calibrate first" in card(page, "Channel").inner_text()
        calibrated(page)
        assert card(page, "Calibration").locator("canvas").count() == 2  # a picture of each fit
        click(page, "Live")
        page.wait_for_selector("#verdict0 .good")
        before = page.inner_text("#excess0")
        data = "k => shotveil.topics['0/' + k] && JSON.stringify(shotveil.topics['0/' + k])"
        for topic in ("record", "series", "status", "frame", "settings", "channel"):
            assert page.evaluate(data, topic)
        for topic in ("record", "series", "channel"):
            was = page.evaluate(data, topic)
            page.wait_for_function(f"([k, was]) => ({data})(k) !== was", arg=[topic, was])
        for title in BENCH - {"Node", "Channel", "Settings", "Self-test"}:
            text = card(page, title).inner_text()
            assert "Nothing was" not in text, title
        for title in ("Constellation", "Eye", "Spectrum", "Lock, phase and drift"):
            canvas = card(page, title).locator("canvas").first
            assert canvas.evaluate(HAS_INK), title
        device.change(transmittance=0.7, excess_noise=0.5)
        page.wait_for_selector("#verdict0 .bad")
        said = page.inner_text("#verdict0")
        assert "rejected: T̂" in said and "ε̂" in said
        assert page.inner_text("#excess0") != before
        click(page, "Stop")
        page.get_by_text("the light is off").wait_for()
        assert sum(pages.bytes.values()) < PAGE_BYTES
    with watched(browser, RunReplay(tmp_path / "run")) as pages:
        page = pages.context.new_page()
        page.goto(pages.address)
        page.wait_for_selector("#link:text('replay')")
        page.wait_for_selector("#calibrated0 .good")
        click(page, "Capture")
        page.get_by_text("this is the replay of a run").wait_for()
        pages.errors.clear()  # the refusal is HTTP 400, which the browser notes


def test_bad_input_is_refused_in_words_and_two_tabs_agree(browser):
    with bench(browser) as (_, pages):
        first, second = pages.open(), pages.open()
        first.wait_for_selector("#state0.good")
        first.get_by_text("drive", exact=True).click()
        first.fill("#set0-drive_scale", "7")
        first.press("#set0-drive_scale", "Enter")
        first.wait_for_selector("#answer.bad")
        assert "drive_scale = 7 is outside [0, " in first.inner_text("#answer")
        first.fill("#set0-drive_scale", "0.25")
        first.press("#set0-drive_scale", "Enter")
        first.wait_for_selector("#answer.good")
        pages.errors.clear()  # the refusal is HTTP 400, which the browser notes
        value = "() => shotveil.topics['0/settings'].find(s => s.name === 'drive_scale').value"
        for page in (first, second):
            page.wait_for_function(f"() => ({value})() === 0.25")
        click(first, "Capture")
        record = "() => shotveil.topics['0/record'] && shotveil.topics['0/record'].x.f32"
        shown = first.wait_for_function(record).json_value()
        second.wait_for_function(f"shown => ({record})() === shown", arg=shown)
        third = pages.open()
        assert third.wait_for_function(record).json_value() == shown


def test_a_lost_node_is_on_screen_within_two_seconds_and_comes_back(browser):
    with bench(browser) as (_, pages):
        page = pages.open()
        page.wait_for_selector("#state0.good")
        Breakable.pulled.set()
        page.wait_for_selector("#state0.bad", timeout=LOST)
        assert "lost" in page.inner_text("#state0")
        Breakable.pulled.clear()
        page.wait_for_selector("#state0.good")


def test_faults_are_on_screen_with_what_they_mean(browser):
    with bench(browser) as (device, pages):
        page = pages.open()
        page.wait_for_selector("#state0.good")
        assert "none" in card(page, "Faults and flags").inner_text()
        device._faults.add("watchdog")
        page.wait_for_selector("text=the host was silent for longer")
        assert "fault" in card(page, "Faults and flags").inner_text()


def test_a_narrow_page_needs_no_scrolling_sideways_and_has_two_themes(browser):
    with bench(browser, nodes=2) as (_, pages):
        page = pages.open(width=400)
        calibrated(page)
        page.wait_for_selector("#state1")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        colours = []
        for _ in range(2):
            colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            click(page, "Dark or light")
        assert colours[0] != colours[1]
        light = {c: sum(map(int, re.findall(r"\d+", c)[:3])) for c in colours}
        assert min(light.values()) < 150 < 600 < max(light.values())


def test_the_page_of_a_server_shows_its_books_and_a_tap(browser, tmp_path):
    tap = interference("tap", 0.2)
    with (
        parties(tmp_path, symbol_level=True, interference=tap, budget=50.0) as (_, _, client),
        watched(browser, ServerBooks(tmp_path / "ledger.db")) as pages,
    ):
        page = pages.open()
        page.get_by_text("No light has returned yet.").wait_for()
        with pytest.raises(ProtocolError):
            client("mallory").classify(IMAGES[:60])
        page.wait_for_selector("[data-client=mallory] .verdict .bad")
        text = card(page, "Verification").inner_text()
        assert "refused: less transmittance than declared" in text
        assert "of 50.00 bits per weight" in page.inner_text("#spent")
        assert "mallory" in card(page, "Clients").inner_text()
        assert "client mallory is refused" in card(page, "Last events").inner_text()
        seen = page.content() + page.evaluate("JSON.stringify(shotveil.topics)")
    assert "digit" not in page_text(seen) and "pictures" not in seen


def test_the_page_of_a_client_shows_its_images_and_what_leaked(browser, tmp_path):
    files = tmp_path / "data.db", tmp_path / "receipts", tmp_path / "journal"
    with watched(browser, ClientBooks(*files)) as pages, parties(tmp_path) as (_, _, client):
        page = pages.open()
        page.get_by_text("There is no ledger yet.").wait_for()
        ledger = DataLedger(files[0])
        alice = client(ledger=ledger)
        outputs = alice.classify(IMAGES[:50])
        ledger.close()
        KeptReceipts(files[1]).add(alice.close().checkpoint)
        journal = Journal(files[2])
        journal.progress(50, 50)
        # Pictures of 6 × 6 elements, as far as the inputs of the small network go.
        journal.answers(IMAGES[:50, :36], outputs, outputs.argmax(axis=1), "small")
        journal.checks({"count": 2, "variance": 1.01, "expected": 1.0, "brightness": 1.0,
                        "warnings": 0, "image_bits": 3.0, "bound": "holevo"})  # fmt: skip
        journal.close()
        page.wait_for_selector("#leaked")
        page.wait_for_selector("canvas.digit")
        assert card(page, "Last images").locator("canvas.digit").count() == 12
        assert "images a second" in page.inner_text("#rate")
        assert (
            "as coherent light has to be" in card(page, "Checks of the server's light").inner_text()
        )
        assert "only ever grew" in card(page, "Receipts").inner_text()


def page_text(html):
    """The words of a page, without its tags."""
    return re.sub(r"<[^>]*>", " ", html)
