"""A waveform file and a picture of one frame of the drive, from a simulation of the RTL.

`shotveil lab drive-waveform` writes drive.vcd (for GTKWave or Surfer) and drive.png.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from shotveil.gateware.drive.chain import Drive
from shotveil.host.figures.style import new_figure, style
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import framing, reference, scaling, shaping
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import Slot
from shotveil.sim.cases.drive import UNEVEN, drive_cases, weight_symbols
from shotveil.sim.engines.amaranth_bench import AmaranthBench

SAMPLE_RATE = 125.0  # MS/s
COLOURS = {
    Slot.PREAMBLE: "tab:orange",
    Slot.PILOT: "tab:red",
    Slot.ROW: "tab:blue",
    Slot.VACUUM: "tab:green",
    Slot.GUARD: "tab:gray",
}


def draw(
    spec: DriveSpec, settings: DriveSettings, symbols: np.ndarray, codes: np.ndarray
) -> Figure:
    """Symbols, shaped samples, DAC codes and spectrum of one frame, `codes` of shape (2, n)."""
    raw = registers(spec, settings)
    layout = settings.layout
    framed = framing.model(spec, layout, reference.raw_symbols(spec, symbols))
    scaled, fault = scaling.model(spec, raw, framed, framing.is_reference(layout))
    shaped, _ = shaping.model(spec, raw.coefficients, scaled, fault)
    microseconds = np.arange(codes.shape[-1]) / SAMPLE_RATE
    figure = new_figure(11, 11)
    axes = figure.subplots(4, 1)

    at = np.arange(layout.length) * spec.samples_per_symbol / SAMPLE_RATE
    for slot in Slot:
        where = layout.slots() == slot
        for arm, marker in ((0, "."), (1, "x")):
            label = f"{slot.name.lower()}, {'IQ'[arm]}"
            values = to_float(scaled[arm, where], spec.scaled)
            axes[0].plot(at[where], values, marker, color=COLOURS[slot], ms=4, label=label)
    axes[0].set(title="Symbols behind the scaling", ylabel="amplitude")
    axes[0].legend(ncols=5, fontsize="x-small", loc="upper right")

    for arm in (0, 1):
        axes[1].plot(microseconds, to_float(shaped[arm], spec.sample), lw=0.7, label="IQ"[arm])
        axes[2].step(microseconds, codes[arm], lw=0.7, where="post", label="IQ"[arm])
    axes[1].set(title="Shaped samples", ylabel="field / largest field")
    axes[2].set(title=f"DAC codes, {spec.dac_bits} bits", ylabel="code")
    for axis in axes[1:3]:
        axis.legend(loc="upper right")
        axis.set_xlabel("time (µs)")

    # This compares the field behind the modulator with the spectrum of the pulse.
    field = reference.modulator(settings.arms, to_float(codes, spec.dac))
    line = np.abs(np.fft.fftshift(np.fft.fft(field[0] + 1j * field[1], 4096))) ** 2
    shape = np.abs(np.fft.fftshift(np.fft.fft(to_float(raw.coefficients, spec.coefficient), 4096)))
    frequency = np.fft.fftshift(np.fft.fftfreq(4096, 1 / SAMPLE_RATE))
    smooth = np.convolve(line, np.ones(33) / 33, "same")
    axes[3].plot(frequency, _decibel(smooth), lw=0.7, label="field, smoothed")
    axes[3].plot(frequency, _decibel(shape**2), lw=1, label="pulse")
    edge = SAMPLE_RATE / spec.samples_per_symbol * (1 + spec.rolloff) / 2
    for side in (-edge, edge):
        axes[3].axvline(side, color="black", ls=":", lw=0.8)
    share = pulse.out_of_band(
        to_float(raw.coefficients, spec.coefficient), spec.samples_per_symbol, spec.rolloff
    )
    axes[3].set(
        title=f"Spectrum (band edges dotted; {10 * np.log10(share):.0f} dB of the pulse beyond)",
        xlabel="frequency (MHz)",
        ylabel="dB of its maximum",
        ylim=(-90, 5),
    )
    axes[3].legend(loc="upper right")
    return figure


def _decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power / power.max(), 1e-12))


def write_waveform(folder: Path) -> dict[Path, str]:
    """Simulate, compare with the model, write both files; return what each holds, by its path."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = DriveSpec(row_capacity=512)
    settings = DriveSettings(arms=UNEVEN)
    layer = weight_symbols()
    symbols = layer[np.abs(layer).max(axis=(1, 2)).argmax()]  # the row with the largest weight
    rows = reference.raw_symbols(spec, symbols)[None]
    cases = drive_cases(spec, registers(spec, settings), rows)
    bench = AmaranthBench(Drive(spec), {"o"}, "first")
    results = bench.run(*(case.run for case in cases), waveform=folder / "drive.vcd")
    sent = next(r.outputs["o"] for r in results if len(r.outputs["o"]["i"]))
    codes = np.stack([sent["i"], sent["q"]])
    expected: Any = next(case.expected["o"] for case in cases if case.expected)
    for arm, name in enumerate(("i", "q")):
        if not np.array_equal(codes[arm], expected[name]):
            raise AssertionError(f"the codes of {name} are not the model's")
    with style():
        draw(spec, settings, symbols, codes).savefig(folder / "drive.png", dpi=120)
    return {
        folder / "drive.vcd": f"{sum(r.clocks for r in results)} clocks",
        folder / "drive.png": f"{codes.shape[1]} samples, equal to the model",
    }
