"""What the console costs, and how it looks: `make console-report`, `make console-pictures`.

The report drives a page in Chromium that is told everything ten times a second: a new record,
channel, series and status each time. Chromium has to be on this machine.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from shotveil.host.console.bench import Bench
from shotveil.host.console.hub import packed
from shotveil.host.console.probe_light import BenchSettings
from shotveil.host.console.server import serve
from tests.host.console.conftest import CHROMIUM

SECONDS = 60.0
ITSELF = "import sys; from tests.host.console.measure import main; main(*sys.argv[1:])"
SETTLE = 20.0  # seconds before memory is compared


def until(source, topics, wanted):
    while not wanted(topics):
        topics |= source.changed()
        time.sleep(0.01)
    return topics


def a_run(records=20):
    """The topics of a calibrated bench, and some of what changed after it."""
    bench = Bench(["light:server"], BenchSettings(rows=20))
    topics = until(bench, {}, lambda t: "0/status" in t)
    bench.act({"act": "calibrate"})
    until(bench, topics, lambda t: t.get("0/calibration", {}).get("done"))
    until(bench, topics, lambda t: t["0/state"]["state"] == "here")
    changes = []
    for _ in range(records):
        bench.act({"act": "capture", "light": True})
        changes.append(until(bench, {}, lambda t: {"0/series", "0/record", "0/status"} <= t.keys()))
        topics |= changes[-1]
    bench.close()
    return topics, changes


def unpacked(value):
    """A topic with its packed numbers as arrays, so that they are packed again each time."""
    if isinstance(value, dict):
        if set(value) == {"f32"}:
            return np.frombuffer(base64.b64decode(value["f32"]), "<f4")
        return {name: unpacked(each) for name, each in value.items()}
    return value


def repacked(value):
    if isinstance(value, np.ndarray):
        return packed(value)
    if isinstance(value, dict):
        return {name: repacked(each) for name, each in value.items()}
    return value


class Busy:
    """A source that has something new in every topic each time, with series of full length."""

    def __init__(self, topics, changes):
        self.first = topics
        self.changes = [{n: unpacked(v) for n, v in change.items()} for change in changes]
        rng = np.random.default_rng(1)
        names = ("phase", "drift", "transmittance", "excess_noise")
        self.series = {name: rng.standard_normal(600).astype("<f4") for name in names}
        self.count = 0

    def changed(self):
        self.count += 1
        found = dict(self.changes[self.count % len(self.changes)])
        series = {n: np.roll(v, self.count) for n, v in self.series.items()}
        found["0/series"] = {"time": np.linspace(-60, 0, 600), **series}
        found["0/note"] = {"text": str(self.count), "kind": "good", "time": time.time()}
        first, self.first = self.first, {}
        return first | {name: repacked(value) for name, value in found.items()}

    def act(self, request):
        return "done"

    def close(self):
        pass


def processor(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def started(*arguments):
    child = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    return child, json.loads(child.stdout.readline())["console"]


def report(seconds):
    from playwright.sync_api import sync_playwright

    begin = time.monotonic()
    real, address = started(
        "-c", "from shotveil.host.commands.cli import main; main()",
        "console", "model:server", "--port", "0", "--json",
    )  # fmt: skip
    print(f"`shotveil console model:server` is ready after {time.monotonic() - begin:.1f} s")
    child, busy = started("-c", ITSELF, "busy")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            begin = time.monotonic()
            page.goto(address)
            page.wait_for_selector("#state0.good")
            print(
                f"its page shows the node {time.monotonic() - begin:.2f} s after it was asked for"
            )
            page.close()
            sizes, outside, frames = {}, [], [0, 0]
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.on("response", lambda a: a.status == 200 and sizes.update({a.url: len(a.body())}))
            place = busy.partition("/?")[0]
            page.on("request", lambda r: r.url.startswith(place) or outside.append(r.url))

            def heard(text):
                frames[0] += 1
                frames[1] += len(text)

            page.on("websocket", lambda line: line.on("framereceived", heard))
            page.goto(busy)
            page.wait_for_selector("#verdict0")
            page.wait_for_timeout(min(SETTLE, seconds) * 1000)
            size = sum(sizes.values())
            print(
                f"page {size / 1000:.0f} kB in {len(sizes)} requests, {len(outside)} to elsewhere"
            )
            before, start, at = processor(child.pid), time.monotonic(), memory(child.pid)
            drawn = page.evaluate("shotveil.shown.frames")
            frames[:] = [0, 0]
            while time.monotonic() - start < seconds:
                page.wait_for_timeout(min(5.0, seconds) * 1000)
            took = time.monotonic() - start
            print(f"{frames[0] / took:.1f} updates a second, {frames[1] / took / 1000:.0f} kB/s")
            drawn = (page.evaluate("shotveil.shown.frames") - drawn) / took
            print(f"the page was drawn {drawn:.1f} times a second")
            print(f"server: {100 * (processor(child.pid) - before) / took:.1f} % of a core")
            grown = memory(child.pid) - at
            print(f"server: {at:.1f} MiB of memory, {grown:+.2f} MiB in {took / 60:.1f} minutes")
            browser.close()
    finally:
        for process in (real, child):
            process.terminate()
            process.wait(30)


def throughput(images):
    """The processor that a server's console takes while the server serves."""
    from tests.host.parties.test_processes import AMPLE, Parties

    with tempfile.TemporaryDirectory() as name:
        three = Parties(Path(name))
        console = None
        try:
            three.serve("--network", "mnist-paper", *AMPLE)
            console, _ = started(
                "-c", "from shotveil.host.commands.cli import main; main()",
                "console", "--ledger", f"{name}/ledger.db", "--port", "0", "--json",
            )  # fmt: skip
            time.sleep(2)
            before, start = processor(console.pid), time.monotonic()
            three.ask("--images", images, "--batch", 64)
            took = time.monotonic() - start
            share = (processor(console.pid) - before) / took
            print(
                f"while {images} images were asked in {took:.0f} s, the server's console took "
                f"{share:.1%} of a core, {share / os.cpu_count():.2%} of this machine"
            )
        finally:
            for child in [*three.children, *([console] if console else [])]:
                child.terminate()
                child.wait(30)


def pictures(folder):
    """Pictures of a bench's page in both themes, wide and narrow."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    child, address = started("-c", ITSELF, "still")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                for name, width in (("console", 1280), ("console-narrow", 400)):
                    page = browser.new_page(
                        viewport={"width": width, "height": 900}, color_scheme=scheme
                    )
                    page.goto(address)
                    page.wait_for_selector("#verdict0")
                    page.wait_for_timeout(500)
                    path = folder / f"{name}-{scheme}.png"
                    page.screenshot(path=path, full_page=True)
                    # A page has few colours, and a file of few colours is a third of the size.
                    Image.open(path).quantize(256).save(path, optimize=True)
                    print(path)
                    page.close()
            browser.close()
    finally:
        child.terminate()
        child.wait(30)


class Still(Busy):
    """A source that shows one run and then nothing new."""

    def changed(self):
        first, self.first = self.first, {}
        return first


def main(what, *arguments):
    """Report for some seconds, or draw pictures into a folder; `busy` and `still` serve a page."""
    if what in ("busy", "still"):
        source = {"busy": Busy, "still": Still}[what](*a_run())
        serve(source, "127.0.0.1", 0, lambda a: print(json.dumps({"console": a}), flush=True))
    elif not CHROMIUM:
        sys.exit("there is no Chromium on this machine")
    elif what == "report":
        report(float(arguments[0]) if arguments else SECONDS)
        throughput(2000)
    else:
        pictures(Path(arguments[0]))
