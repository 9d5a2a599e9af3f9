"""The pictures of a run in the loop, each one or more panels (see `host.reports.pictures`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.signal import welch

from shotveil.host.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PANEL,
    PURPLE,
    VERMILION,
    new_figure,
)
from shotveil.host.reports.pictures import SAMPLES, SMALL
from shotveil.models.digitiser import entry
from shotveil.models.digitiser.spec import PILOT, ROW, VACUUM
from shotveil.models.networks.mnist import SIDE
from shotveil.models.signal.frame import Slot
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.optics import Optics
from shotveil.sim.loop.run import LoopRun

Real = NDArray[np.float64]
SECTIONS = {
    Slot.PREAMBLE: ("preamble", BLUE),
    Slot.PILOT: ("pilot", VERMILION),
    Slot.ROW: ("row", "#BBBBBB"),
    Slot.VACUUM: ("vacuum", GREEN),
    Slot.GUARD: ("guard", PURPLE),
}


def predictions(run: LoopRun) -> tuple[Figure, ...]:
    """Digits with what the loop and the ideal link read; differences and errors come first."""
    ours, ideal = run.outcome.inference.predictions, run.ideal
    odd = np.flatnonzero((ours != run.labels) | (ideal != run.labels))
    rest = np.setdiff1d(np.arange(len(ours)), odd)
    return tuple(_digit(run, int(index)) for index in [*odd, *rest][:SAMPLES])


def _digit(run: LoopRun, index: int) -> Figure:
    ours, ideal = run.outcome.inference.predictions[index], run.ideal[index]
    label = run.labels[index]
    figure = new_figure(1.05, 1.5)
    axes = figure.add_subplot()
    axes.axis("off")
    axes.imshow(run.images[index].reshape(SIDE, SIDE), cmap="gray_r", vmin=0)
    title = f"loop {ours}\nideal {ideal}"
    if ours != label or ideal != label:
        title += f", is {label}"
    colour = VERMILION if ours != label else BLACK
    axes.set_title(title, color=colour, fontsize=SMALL, loc="center")
    return figure


def channel_estimates(run: LoopRun) -> tuple[Figure, ...]:
    """Transmittance and excess noise, estimated from the first layer for each image, and true.

    Bars are 99 % limits."""
    counts = np.array([n for n, _ in run.growing])
    panels = []
    for name, true, label in zip(
        ("transmittance", "excess_noise"),
        (run.true_transmittance, run.true_excess[0]),
        ("transmittance T", "excess noise ε (SNU)"),
        strict=True,
    ):
        figure = new_figure(PANEL, 3.2)
        axes = figure.add_subplot()
        found = [getattr(e, name) for _, e in run.growing]
        value = np.array([q.value for q in found])
        low, high = (np.array([getattr(q, side) for q in found]) for side in ("low", "high"))
        axes.errorbar(
            counts, value, [value - low, high - value], fmt="o", ms=4, capsize=2,
            label="estimated",
        )  # fmt: skip
        axes.axhline(true, color=VERMILION, ls="--", label=f"true, {true:.4f}")
        axes.set(xscale="log", xlabel="images so far", ylabel=label)
        axes.set_xticks(_apart(counts), minor=False)
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
        panels.append(figure)
    return tuple(panels)


def _apart(counts: NDArray[np.int64]) -> list[int]:
    """Some of these numbers, far enough apart for their labels on a logarithmic axis."""
    shown = [int(count) for count in counts[-1:]]
    for count in counts[-2::-1]:
        if count * 1.4 < shown[-1]:
            shown.append(int(count))
    return shown


def excess_budget(run: LoopRun) -> Figure:
    """Excess noise by impairment: how much disappears when each is switched off."""
    names = [name for name in run.budget if name != "all"]
    values = np.array([run.budget[name] for name in names])
    order = np.argsort(np.abs(values))
    figure = new_figure(PANEL, 0.9 + 0.3 * len(names))
    axes = figure.add_subplot()
    floor = 1e-7
    size = np.abs(values[order])
    for sign, colour, name in ((1, BLUE, "less without it"), (-1, ORANGE, "more without it")):
        of_sign = np.where((np.sign(values[order]) == sign) & (size > floor), size, 0)
        axes.barh([names[k] for k in order], of_sign, color=colour, label=name)
    axes.axvline(1e-4, color=GREY, ls="--", lw=1)
    axes.text(1.1e-4, len(names) - 0.5, "10⁻⁴ SNU", va="bottom", fontsize=SMALL)
    for place, k in enumerate(order):
        text = f"{values[k]:.1e}".replace("-", "−") if size[place] > floor else "below 10⁻⁷"
        axes.text(
            max(size[place], floor) * 1.15, place, text, va="center", fontsize=SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    axes.set(xscale="log", xlim=(floor, max(0.03, 30 * size.max())),
             xlabel="excess noise (SNU)")  # fmt: skip
    axes.legend(loc="lower right", fontsize=SMALL)
    axes.grid(axis="y", visible=False)
    return figure


def eye(run: LoopRun) -> tuple[Figure, ...]:
    """Eye diagram of the preamble at the server's ADC, two symbols, with the phase removed."""
    light = run.outcome.loop.layers[0]
    volts = _volts(run)
    frames = run.probe.server.frames[-64:]
    pilots = light.setup.layout.groups * light.setup.layout.pilots
    theta = run.probe.server.phases.angle[-64 * pilots :: pilots] / 2.0**16 * 2 * np.pi
    panels = []
    for part, name in zip(("real", "imag"), "XP", strict=True):
        figure = new_figure(PANEL, 3.0)
        axes = figure.add_subplot()
        for frame, angle in zip(frames, theta, strict=True):
            start = frame.start - 4 * 16 + 14  # the pulse peaks 15½ samples after its first
            field = (volts[0] + 1j * volts[1])[start : start + 4 * 15 + 1] * np.exp(-1j * angle)
            lines = np.lib.stride_tricks.sliding_window_view(getattr(field, part), 9)[::4]
            time = np.arange(9) / 4
            axes.plot(time, lines.T, color=BLUE, alpha=0.03, lw=1, ls="-", rasterized=True)
        axes.set(xlabel="time (symbols)", ylabel=f"{name} of a sample (√SNU)")
        panels.append(figure)
    return tuple(panels)


def constellation(run: LoopRun) -> tuple[Figure, Figure]:
    """Symbols as the server's receiver gives them, and minus what was sent."""
    got, light = run.probe.server, run.outcome.loop.layers[0]
    unit = np.sqrt(run.outcome.seen.records.server.shot_variance)
    y = (got.value[0] + 1j * got.value[1]) / unit
    q = (got.q[0] + 1j * got.q[1]) * light.unit
    late = np.arange(len(y)) > len(y) // 10
    row = late & (got.kind == ROW)
    slope = np.vdot(q[row], y[row]) / np.vdot(q[row], q[row])
    points, noises = new_figure(PANEL, 4.2), new_figure(PANEL, 4.2)
    left, right = points.add_subplot(), noises.add_subplot()
    for kind, colour, name, size in (
        (ROW, GREY, "row", 1.0), (VACUUM, GREEN, "vacuum", 2.0), (PILOT, VERMILION, "pilots", 2.0),
    ):  # fmt: skip
        (at,) = np.nonzero(late & (got.kind == kind))
        at = at[:: max(1, len(at) // 4000)]
        left.plot(
            y.real[at], y.imag[at], ".", ms=size, color=colour, label=name, alpha=0.6,
            rasterized=True,
        )  # fmt: skip
    left.set(xlabel="X (√SNU)", ylabel="P (√SNU)", aspect="equal", title="received symbols")
    left.legend(markerscale=6, loc="upper left")
    rest = (y - slope * q)[row]
    bins = np.linspace(-5, 5, 101)
    right.hist(rest.real, bins.tolist(), density=True, histtype="step", color=BLUE, label="X")
    right.hist(rest.imag, bins.tolist(), density=True, histtype="step", color=VERMILION, label="P")
    noise = run.outcome.seen.records.server.receiver.noise_variance(run.true_excess[0])
    right.plot(
        bins, np.exp(-(bins**2) / 2 / noise) / np.sqrt(2 * np.pi * noise), ":", color=BLACK,
        label=f"vacuum, electronics\nand ε: {noise:.3f} SNU",
    )  # fmt: skip
    right.set(
        xlabel="row symbols less t̂ · sent (√SNU)", ylabel="density (1/√SNU)", yscale="log",
        ylim=(1e-5, 1), title="their noise",
    )  # fmt: skip
    right.legend(loc="lower center")
    return points, noises


def spectrum(run: LoopRun) -> Figure:
    """Power spectrum at the server's ADC: signal, vacuum and dark records."""
    figure = new_figure(PANEL, 3.4)
    axes = figure.add_subplot()
    loop = run.outcome.loop
    volts = {"signal": _volts(run)[0], "vacuum": _record(run, True), "dark": _record(run, False)}
    unit, clock = loop.settings.step, loop.settings.clock_hz
    for (name, line), colour in zip(volts.items(), (BLUE, GREEN, GREY), strict=True):
        frequency, power = welch(line, fs=clock / 1e6, nperseg=1024)
        level = power * clock / 2e6 * (1 if name == "signal" else unit**-2)
        # The mean, which is the converter's offset, and the last bin, a half one, are left out.
        level = 10 * np.log10(np.maximum(level, 1e-12))[2:-1]
        axes.plot(frequency[2:-1], level, color=colour, label=name)
    axes.set(xlabel="frequency (MHz)", ylabel="power density (dB over shot noise)")
    axes.legend()
    return figure


def lock_transient(run: LoopRun) -> tuple[Figure, Figure]:
    """How both receivers find the phase, from the first frame on."""
    light = run.outcome.loop.layers[0]
    settings = run.outcome.loop.settings
    lead, frame = settings.lead_in, light.setup.period / settings.clock_hz * 1e6
    client = run.probe.client
    frames = min(3 * lead, len(client.received.phases.angle))
    at_client, at_server = new_figure(PANEL, 3.2), new_figure(PANEL, 3.2)
    left, right = at_client.add_subplot(), at_server.add_subplot()
    time = np.arange(1, frames + 1) * frame
    angle = client.received.phases.angle[:frames] / 2.0**16 * 360
    left.plot(time, angle, color=BLUE, label="phase that is left")
    turns = np.unwrap(client.codes[1 : frames + 1] / light.setup.span * 2 * np.pi)
    left.plot(time, np.degrees(turns), color=VERMILION, label="phase shifter")
    left.set(xlabel="time (µs)", ylabel="degrees", title="client: its shifter follows")
    pilots = light.setup.layout.groups * light.setup.layout.pilots
    theta = np.unwrap(run.probe.server.phases.angle[: frames * pilots] / 2.0**16 * 2 * np.pi)
    right.plot(
        np.repeat(time, pilots)[: len(theta)],
        np.degrees(theta),
        color=PURPLE,
        label="phase of the light",
    )
    right.set(xlabel="time (µs)", ylabel="degrees", title="server: it turns the symbols back")
    for axes in (left, right):
        axes.axvline(lead * frame, color=GREY, lw=1, ls="--")
        axes.text(
            lead * frame, axes.get_ylim()[0], " rows begin",
            fontsize=SMALL,
            va="bottom",
        )  # fmt: skip
        axes.legend(loc="center right")
    return at_client, at_server


def frame_timeline(run: LoopRun) -> Figure:
    """One frame on its way: server's DAC, client's ADC, server's ADC, on one clock."""
    light = run.outcome.loop.layers[0]
    setup = light.setup
    number = len(light.starts) - 3
    start = light.starts[number]
    span = np.arange(-100, setup.period + setup.to_server + 100)
    clock = run.outcome.loop.settings.clock_hz
    time = span / clock * 1e6
    figure = new_figure(PANEL, 5.2)
    rows = figure.subplots(3, 1, sharex=True)
    client = run.probe.client.words
    samples, _ = entry.model(setup.client, client)
    at = np.clip(start + span, 0, None)
    lines = (
        ("server's DAC (I)", light.codes[0] / 2.0**13, 0, "full scale"),
        ("client's ADC", samples[0] / setup.step, setup.to_client, "√SNU"),
        ("server's ADC (X)", _volts(run)[0], setup.to_server, "√SNU"),
    )
    for axes, (name, line, delay, unit) in zip(rows, lines, strict=True):
        axes.plot(
            time, line[np.minimum(at, len(line) - 1)], color=BLACK, lw=0.4, ls="-", rasterized=True
        )
        _shade(axes, setup.layout.slots(), delay, setup.drive.samples_per_symbol, clock)
        axes.set_ylabel(unit)
        axes.set_title(name)
    rows[-1].set_xlabel("time since the frame's first code (µs)")
    for label, colour in SECTIONS.values():
        rows[0].fill_between([], [], color=colour, alpha=0.4, label=label)
    figure.legend(
        *rows[0].get_legend_handles_labels(), ncols=3, loc="outside upper left", fontsize=SMALL
    )
    return figure


def _shade(
    axes: Axes, slots: NDArray[np.int8], delay: int, samples_per_symbol: int, clock_hz: int
) -> None:
    edges = np.flatnonzero(np.diff(slots, prepend=-1))
    for first, last in zip(edges, [*edges[1:], len(slots)], strict=True):
        _, colour = SECTIONS[Slot(int(slots[first]))]
        left, right = (
            (samples_per_symbol * edge + delay) / clock_hz * 1e6 for edge in (first, last)
        )
        axes.axvspan(left, right, color=colour, alpha=0.35, lw=0)


def _volts(run: LoopRun) -> Real:
    """The server's samples (2, n) in √SNU of its ADC, without the converter's offset."""
    setup = run.outcome.loop.layers[0].setup
    samples, _ = entry.model(setup.server, run.probe.words)
    return np.asarray((samples - setup.impairments.adc_offset) / setup.step)


def _record(run: LoopRun, oscillator: bool) -> Real:
    """A short vacuum or dark record of the server's first detector, in ADC steps."""
    light = run.outcome.loop.layers[0]
    setup = replace(light.setup, signal=False, oscillator=oscillator)
    none = np.zeros((2, light.setup.layout.row))
    optics = Optics(setup, Mesh(none, none), np.random.default_rng(7))
    samples, _ = entry.model(setup.server, optics.way_back(np.zeros(1 << 17, np.complex128)))
    return np.asarray(samples[0] - setup.impairments.adc_offset)


PICTURES = (
    predictions,
    channel_estimates,
    excess_budget,
    eye,
    constellation,
    spectrum,
    lock_transient,
    frame_timeline,
)
