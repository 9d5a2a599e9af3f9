"""A node on the console: a thread that looks at it ten times a second, and acts when it is told to.

The thread alone talks to the node. Whatever it learns, it leaves as topics (`host.console.source`).
A node that does not answer is shown as lost, and opened again until it is back.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from shotveil.host.console import guided, signals
from shotveil.host.console.faults import counters, problems, shown
from shotveil.host.console.hub import packed
from shotveil.host.console.node_settings import required, table
from shotveil.host.console.probe_light import BenchSettings, Measured, ProbeLight
from shotveil.host.console.source import Topics
from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.node import Node
from shotveil.host.devices.selftest import selftest
from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.verification.verdict import Verification
from shotveil.models.common.checks import RangeError

LOOK = 0.1  # seconds between two looks at the node's registers
LIVE = 0.2  # seconds between two measurements, at least
SILENT = 1.2  # seconds without an answer after which a node counts as lost
AGAIN = 0.5  # seconds between two attempts to reach a lost node
HISTORY = 600  # measurements that the plots over time show
PATIENCE = 5.0  # seconds for which a batch may stand still
ACTIONS = ("capture", "live", "calibrate", "selftest", "stop", "set", "continue")


class _Halted(Exception):
    """Somebody asked for a stop."""


class NodeWorker:
    """One node, opened by `reach` from its `url`, and test light with `settings` through it."""

    def __init__(
        self,
        url: str,
        reach: Callable[[], Node],
        settings: BenchSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._reach, self._settings, self._clock = reach, settings, clock
        self._guard = threading.Lock()
        self._changed: Topics = {}
        self._orders: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._closing, self._halt, self._go_on = (threading.Event() for _ in range(3))
        self._node: Node | None = None
        self._light: ProbeLight | None = None
        self._live = False
        self._doing = ""
        self._patient = False  # whether what is being done may be silent for long
        self._beat = clock()
        self._told = ("", "")  # the state that was told last
        self._why = ""
        self._measured = 0.0
        self._series: deque[tuple[float, ...]] = deque(maxlen=HISTORY)
        self._thread = threading.Thread(target=self._run, name=f"console {url}", daemon=True)
        self._thread.start()

    # Called by other threads

    def changed(self) -> Topics:
        """Return what has changed since the last call, by topic."""
        with self._guard:
            found, self._changed = self._changed, {}
        state, why = self._state()
        if (state, why) != self._told:
            self._told = (state, why)
            found["state"] = {"url": self.url, "state": state, "why": why}
        return found

    def _state(self) -> tuple[str, str]:
        silent = self._clock() - self._beat
        if self._node is None:
            return ("lost", self._why) if self._why else ("opening", "")
        if silent > SILENT and not self._patient:
            return "lost", f"no answer for {silent:.0f} s"
        if self._doing and not self._live:
            return "busy", self._doing
        return "here", "live" if self._live else ""

    def act(self, request: Mapping[str, Any]) -> str:
        """Take an order; return a sentence on it. Raises `RangeError` for what cannot be done."""
        what = request.get("act")
        if what not in ACTIONS:
            raise RangeError(f"act = {what!r}; allowed: {', '.join(ACTIONS)}")
        if what == "stop":
            self._live = False
            self._halt.set()
            self._orders.put(("stop", None))
            return "the light is being switched off"
        if what == "continue":
            self._go_on.set()
            return "the calibration goes on"
        node, light = self._node, self._light
        if node is None or light is None:
            raise RangeError(f"the node at {self.url} is lost; allowed: once it is back")
        if self._doing and not self._live:
            raise RangeError(f"the node is busy: {self._doing}; allowed: to stop it")
        if what == "set":
            value = required(node.device.map, request.get("name"), request.get("value"))
            self._orders.put(("set", value))
            return f"{value[0]} is set to {_text(value[1])}"
        if what == "live":
            self._live = bool(request.get("on"))
            return "measuring goes on until it is stopped" if self._live else "measuring stops"
        if what == "calibrate" and node.spec.role != "server":
            raise RangeError("this is a client's node; allowed: to calibrate a server's")
        self._orders.put((what, bool(request.get("light"))))
        return {"capture": "a record is being made", "calibrate": "the calibration begins",
                "selftest": "the self-test begins"}[what]  # fmt: skip

    def close(self) -> None:
        """Switch the light off and stop."""
        self._closing.set()
        self._halt.set()
        self._go_on.set()
        self._thread.join(10)

    # The thread

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                if self._node is None:
                    self._open()
                self._turn()
            except DeviceError as error:
                self._lose(str(error))
                self._closing.wait(AGAIN)
            except _Halted:
                self._note("stopped", "good")
            except RangeError as error:
                self._live = False
                self._note(str(error), "bad")
            finally:
                self._doing, self._patient = "", False
        if self._node is not None:
            self._node.close()

    def _open(self) -> None:
        node = self._reach()
        self._light = ProbeLight(node, self._settings)
        self._beat, self._why, self._node = self._clock(), "", node
        spec = node.spec
        self._tell("about", {
            "url": self.url, "role": spec.role, "loopback": spec.loopback,
            "shutters": isinstance(node.device, guided.HasShutters),
            "declared": [float(v) for v in self._settings.declared],
        })  # fmt: skip

    def _lose(self, why: str) -> None:
        node, self._node = self._node, None
        self._why = why
        if node is not None:
            with suppress(DeviceError):  # it is gone; its watchdog switches the light off
                node.close()

    def _turn(self) -> None:
        """Carry out an order, or measure, and look at the registers."""
        try:
            what, given = self._orders.get(timeout=LOOK)
        except queue.Empty:
            what, given = "", None
        self._halt.clear() if what != "stop" else None
        if what:
            getattr(self, f"_do_{what}")(given)
        elif self._live and self._clock() - self._measured >= LIVE:
            self._measured = self._clock()
            self._doing = "measuring"
            self._measure()
            self._doing = ""
        self._look()

    def _alive(self, *_: object) -> None:
        self._beat = self._clock()
        if self._halt.is_set():
            raise _Halted

    def _tell(self, topic: str, value: Any) -> None:
        with self._guard:
            self._changed[topic] = value

    def _note(self, text: str, kind: str) -> None:
        self._tell("note", {"text": text, "kind": kind, "time": time.time()})

    def _look(self) -> None:
        node = self._node
        assert node is not None
        known, raw = node.device.map, node.device.read_all()
        self._beat = self._clock()
        status = {
            "state": shown(known["state"], raw["state"]),
            "locked": bool(raw["digitiser_locked"]),
            "steady": bool(raw["digitiser_steady"]) if "digitiser_steady" in known else None,
            "phase": known["digitiser_theta"].to_physical(raw["digitiser_theta"]),
            "armed": bool(raw["drive_armed"]),
            "buffered": raw["drive_buffered"],
            "granted_left": raw["rows_granted_left"],
            "problems": problems(known, raw),
            "counters": counters(known, raw),
            "clock": node.spec.clock_hz,
        }
        self._tell("status", status)
        self._tell("settings", table(known, raw))
        self._tell("frame", frame_of(raw))

    # Orders

    def _do_stop(self, _: object) -> None:
        assert self._node is not None
        device = self._node.device
        device.strobe("stop")
        device.write(arm=0)
        self._halt.clear()
        self._note("stopped; the light is off", "good")

    def _do_set(self, given: tuple[str, Any]) -> None:
        assert self._node is not None and self._light is not None
        name, value = given
        self._node.registers.set(**{name: value})
        self._light.overrides[name] = value
        self._light.forget()

    def _do_capture(self, with_light: bool) -> None:
        assert self._node is not None
        self._doing = "recording"
        if with_light:
            self._measure()
        else:
            self._show_record(self._node.capture())
        self._note("recorded" + (" with test light" if with_light else ""), "good")

    def _do_selftest(self, _: object) -> None:
        assert self._node is not None and self._light is not None
        self._doing, self._patient = "self-test", True
        checks = selftest(self._node, np.random.default_rng(1))
        self._light.delay = None
        failed = [check for check in checks if not check.passed]
        verdict = f"{len(checks) - len(failed)} of {len(checks)} checks passed"
        if failed and not self._node.spec.loopback:
            verdict += "; only a loopback returns every bit, and light never does"
        self._tell("selftest", {
            "verdict": verdict, "good": not failed,
            "failed": [{"name": c.name, "detail": c.detail} for c in failed],
        })  # fmt: skip
        self._note(verdict, "bad" if failed else "good")

    def _do_calibrate(self, _: object) -> None:
        assert self._light is not None
        self._doing, self._patient = "calibration", True
        state: dict[str, Any] = {"step": "", "prompt": "", "done": False}

        def step(text: str) -> None:
            state.update(step=text, prompt="")
            self._tell("calibration", dict(state))

        def shutters(signal: bool, oscillator: bool, prompt: str) -> None:
            device = self._light.node.device if self._light else None
            if isinstance(device, guided.HasShutters):
                device.shutter(signal=signal, oscillator=oscillator)
                return
            self._go_on.clear()
            state.update(prompt=prompt)
            self._tell("calibration", dict(state))
            while not self._go_on.wait(LOOK):
                self._look()
                self._alive()

        light = self._light
        try:
            found, pictures, self._light = guided.run(light, shutters, step, self._alive)
        except (RangeError, _Halted) as error:
            why = f"The bench is not calibrated: {str(error) or 'stopped'}."
            state.update(step="", prompt="", done=True, good=False, rows=[], verdict=why)
            self._tell("calibration", dict(state))
            shutters_back(light)
            raise
        self._light.forget()
        receiver = found.receiver
        state.update(guided.in_words(found), step="", prompt="", done=True, pictures=[
            {name: packed(values) for name, values in vars(picture).items()}
            for picture in pictures
        ])  # fmt: skip
        self._tell("calibration", dict(state))
        self._tell("shot", {
            "unit": receiver.shot_variance, "error": receiver.shot_error,
            "clearance": 10 * math.log10(1 + receiver.shot_variance / receiver.dark_variance),
        })  # fmt: skip
        self._note(state["verdict"], "good" if state["good"] else "bad")

    def _measure(self) -> None:
        assert self._light is not None
        found = self._light.measure(self._alive)
        assert found.batch.samples is not None
        self._show_record(found.batch.samples)
        if found.batch.refusals:
            raise RangeError(f"the batch is spoilt: {', '.join(found.batch.refusals)}")
        self._show(found)

    def _show_record(self, samples: Any) -> None:
        assert self._light is not None
        spec = self._light.node.spec.digitiser
        unit, name = 1.0, "ADC steps"
        receiver = self._light.receiver
        if receiver is not None:
            # The scale takes ADC steps to raw symbol units.
            unit = math.sqrt(receiver.shot_variance) / _steps(spec, receiver.scale[0])
            name = "√SNU"
        smooth = signals.filtered(spec, samples) / unit
        phase = signals.best_phase(spec, smooth)
        points = signals.constellation(spec, smooth, phase)
        traces = signals.eye(spec, smooth, phase)
        frequencies, power = signals.spectrum(samples, self._light.node.spec.clock_hz)
        self._tell("record", {
            "unit": name, "both": spec.quadratures == 2,
            "x": packed(points[0]), "y": packed(points[1]),
            "eye": packed(traces), "traces": len(traces),
            "frequency": packed(frequencies), "power": packed(power),
            "rms": float(samples.std()), "peak": int(np.abs(samples).max()),
            "full": 1 << (spec.adc_bits - 1),
        })  # fmt: skip

    def _show(self, found: Measured) -> None:
        now, verdict, limits = time.time(), found.verdict, found.limits
        phase = float(found.phases[-1]) if len(found.phases) else math.nan
        point = [now, phase, found.drift if found.drift is not None else math.nan]
        channel: Topics | None = None
        if verdict is not None and limits is not None:
            point += [verdict.transmittance, verdict.excess_noise]
            channel = {
                "transmittance": verdict.transmittance,
                "transmittance_error": verdict.transmittance_error,
                "excess_noise": verdict.excess_noise,
                "excess_noise_error": verdict.excess_noise_error,
                "transmittance_min": verdict.transmittance_min,
                "excess_noise_max": _finite(verdict.excess_noise_max),
                "limits": [float(v) for v in limits],
                "declared": [float(v) for v in self._settings.declared],
                "accepted": verdict.accepted,
                "reason": in_words(verdict, limits),
                "symbols": verdict.symbols,
                "failure_probability": verdict.failure_probability,
            }
        else:
            point += [math.nan, math.nan]
        self._series.append(tuple(point))
        columns = np.array(self._series).T
        self._tell("series", {
            "time": packed(columns[0] - now), "phase": packed(columns[1]),
            "drift": packed(columns[2]), "transmittance": packed(columns[3]),
            "excess_noise": packed(columns[4]),
        })  # fmt: skip
        self._tell("channel", channel)


def in_words(verdict: Verification, limits: ChannelEstimate) -> str:
    """Return the verdict on test light as a sentence."""
    if verdict.accepted:
        return "accepted: the light is as declared, within what the calibration's error tolerates"
    transmittance, noise = verdict.transmittance, verdict.excess_noise
    reasons = []
    if transmittance < limits.transmittance:
        reasons.append(f"T̂ {transmittance:.4f} is below {float(limits.transmittance):.4f}")
    if noise > limits.excess_noise:
        reasons.append(f"ε̂ {noise:.4f} SNU is above {float(limits.excess_noise):.4f}")
    level = verdict.false_alarm_probability
    return f"rejected: {' and '.join(reasons)}, by more than chance allows ({level:g})"


def shutters_back(light: ProbeLight) -> None:
    """Let all light through again, if the device can."""
    if isinstance(light.node.device, guided.HasShutters):
        light.node.device.shutter(signal=True, oscillator=True)


def frame_of(raw: Mapping[str, int]) -> dict[str, Any]:
    """Return the sections of the frame that the drive is set to, in symbols, in their order."""
    row, spacing, pilots = raw["drive_row"], raw["drive_pilot_spacing"], raw["drive_pilots"]
    sections: list[tuple[str, int]] = [("preamble", raw["drive_preamble"])]
    left = row
    while pilots and left > 0:
        sections += [("pilots", pilots), ("row", min(spacing, left))]
        left -= spacing
    sections += [("pilots", pilots)] if pilots else [("row", row)]
    sections += [("vacuum", raw["drive_vacuum"]), ("guard", raw["drive_guard"])]
    return {"sections": sections, "symbols": sum(length for _, length in sections)}


def _steps(spec: Any, scale: int) -> float:
    """Return the raw symbol units of one ADC step."""
    return float(spec.scale.lsb * scale / spec.symbol.lsb)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
