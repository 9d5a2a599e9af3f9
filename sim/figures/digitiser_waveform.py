"""A waveform file from a simulation of the digitiser's RTL, and a picture of its signals.

`shotveil lab digitiser-waveform` writes digitiser.vcd (for GTKWave or Surfer) and digitiser.png,
which shows eye diagram, constellation, spectrum and the transient of the homodyne lock.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from shotveil.gateware.digitiser.chain import Receiver
from shotveil.host.figures.style import new_figure, rendered, style
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.digitiser import chain, entry
from shotveil.models.digitiser.channel import SimulatedChannel
from shotveil.models.digitiser.spec import PILOT, ROW, VACUUM, DigitiserSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import Light, chain_cases, light
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.figures.digitiser_report import lock_transient, receive

SAMPLE_RATE = 125.0  # MS/s


def draw(spec: DigitiserSpec, given: Light, got: chain.Received, shot_noise: float) -> Figure:
    """Eye of the matched filter, symbols behind the phase, spectrum at the ADC, lock transient."""
    figure = new_figure(11, 9)
    eye, stars, spectrum, lock = figure.subplots(2, 2).ravel()
    samples, _ = entry.model(spec, given.codes)

    # The filter runs at every sample here; the receiver runs it at one in four.
    frame = got.frames[-3]
    taps = spec.coefficients()[frame.fraction] / 2.0**spec.coefficient.fraction
    part = samples[0, frame.start - 2 : frame.start + 4 * 300]
    line = np.correlate(part / shot_noise, taps, "valid")
    for k in range(0, len(line) - 9, 4):
        eye.plot(np.arange(9) / 4 - 0.5, line[k : k + 9], color="#0072B2", alpha=0.15, ls="-", lw=1)
    eye.axvline(0, color="#5A5A5A", lw=0.8)
    eye.axvline(1, color="#5A5A5A", lw=0.8)
    eye.set(title="Eye, x quadrature", xlabel="time (symbols)", ylabel="√SNU")

    value = to_float(got.value, spec.symbol)
    for kind, label, colour in (
        (ROW, "row", "#56B4E9"),
        (VACUUM, "vacuum", "#009E73"),
        (PILOT, "pilots", "#D55E00"),
    ):
        where = (got.kind == kind) & ~got.lost & (got.frame > 4)
        stars.plot(*value[:, where], ".", ms=2, color=colour, label=label)
    stars.set(title="Symbols, phase tracked", xlabel="x (√SNU)", ylabel="p (√SNU)", aspect="equal")
    stars.legend(loc="upper right")

    size = 1024
    pieces = samples[:, : samples.shape[1] // size * size].reshape(spec.quadratures, -1, size)
    field = (pieces[0] + 1j * pieces[1]) * np.hanning(size)
    power = np.mean(np.abs(np.fft.fft(field)) ** 2, axis=0)
    power /= np.sum(np.hanning(size) ** 2) * 2 * shot_noise**2
    frequency = np.fft.fftshift(np.fft.fftfreq(size, 1 / SAMPLE_RATE))
    spectrum.plot(frequency, 10 * np.log10(np.fft.fftshift(power)), lw=1)
    spectrum.axhline(0, color="#D55E00", ls="--", lw=1, label="shot noise")
    spectrum.set(title="Spectrum at the ADC", xlabel="frequency (MHz)", ylabel="dB of shot noise")
    spectrum.legend()

    for start in (-3.0, -1.5, 0.7, 2.5):
        line = np.rad2deg(lock_transient(start, 60)[:, -1])
        lock.plot(line, lw=1.2, label=f"{np.rad2deg(start):.0f}°")
    lock.set(title="Homodyne lock", xlabel="frame", ylabel="phase at the last pilot (°)")
    lock.legend(title="starts at")
    return figure


def write_waveform(folder: Path) -> dict[Path, str]:
    """Simulate, compare with the model, write both files; return what each holds, by its path."""
    folder.mkdir(parents=True, exist_ok=True)
    small = DigitiserSpec(modes=64)
    layout = FrameLayout(preamble=16, row=64, pilot_spacing=64, vacuum=64)
    cases = chain_cases(small, 2000, np.random.default_rng(4), layout)

    class Traced:
        def run(self, *runs):  # type: ignore[no-untyped-def]
            return AmaranthBench(Receiver(small)).run(*runs, waveform=folder / "digitiser.vcd")

    results = check(Traced(), cases)
    spec = DigitiserSpec()
    channel = SimulatedChannel(transmittance=0.8, delay=200.4, phase=0.5, linewidth=1e-6)
    given = light(spec, channel, 16, np.random.default_rng(7), FrameLayout())
    with style():
        figure = draw(spec, given, receive(spec, given), channel.shot_noise)
        (folder / "digitiser.png").write_bytes(rendered(figure, "png"))
    return {
        folder / "digitiser.vcd": f"{results[0].clocks} clocks, equal to the model",
        folder / "digitiser.png": "eye diagram, constellation, spectrum, transient of the lock",
    }
