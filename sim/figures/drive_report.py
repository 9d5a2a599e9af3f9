"""Measured figures of the drive: `shotveil lab drive-report`."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from shotveil.models.common.fixedpoint import Rounding, round_shift, to_float
from shotveil.models.drive import chain, linearisation, reference
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.models.networks.network import load_network
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.drive import BLOCKS, UNEVEN, chain_cases, weight_symbols
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.verilator_bench import VerilatorBench

MODULATION_VARIANCE = 12.0  # SNU
BITS = range(8, 17)


def excess_noise() -> Iterable[str]:
    """The error of recovered weight symbols as excess noise, for each width of the DAC."""
    yield f"Excess noise of the drive at V_A = {MODULATION_VARIANCE:g} SNU, in SNU: all rows of a"
    yield "layer through the integer model, an ideal I/Q modulator and an ideal matched filter."
    yield "One constant gain a layer is taken out, since it only redefines s. Arms are uneven."
    yield f"{'network':<12} {'layer':>5} {'peak/rms':>8}  " + " ".join(f"{b:>7} b" for b in BITS)
    for name in ("mnist", "mnist-paper"):
        for number, layer in enumerate(load_network(name).layers):
            weights = np.asarray(layer.weights, dtype=np.float64)
            symbols = reference.symbols_of(reference.normalised(DriveSpec(), weights))
            crest = np.abs(weights).max() / np.sqrt(np.mean(weights**2))
            found = []
            for bits in BITS:
                spec = DriveSpec(dac_bits=bits)
                layout = FrameLayout(row=symbols.shape[-1])
                settings = DriveSettings(layout=layout, arms=UNEVEN)
                raw = reference.raw_symbols(spec, symbols)
                out = chain.model(spec, registers(spec, settings), raw)
                found.append(
                    reference.drive_excess_noise(
                        spec, settings, out.codes, symbols, MODULATION_VARIANCE
                    )
                )
            figures = " ".join(f"{value:9.1e}" for value in found)
            yield f"{name:<12} {number:>5} {crest:8.1f}  {figures}"
    h, spec = pulse.design(), DriveSpec()
    cut = pulse.root_raised_cosine((np.arange(spec.taps) - (spec.taps - 1) / 2) / 4, spec.rolloff)
    for what, taps in (("designed", h), ("its 18-bit taps", spec.pulse()), ("cut RRC", cut)):
        share = pulse.interference(taps, 4)
        yield (
            f"  of which intersymbol interference, pulse {what}: {MODULATION_VARIANCE * share:.1e}"
        )


def rounding(rng: np.random.Generator) -> Iterable[str]:
    """The mean error of each rounding on the path, over inputs that meet every residue."""
    spec, n = DriveSpec(), 4_000_000
    yield "Mean error of the roundings on the path, in LSB of their output (± is the spread)"
    products = (
        ("scaling", spec.symbol, spec.scale, spec.scaled),
        ("shaping", spec.scaled, spec.coefficient, spec.sample),
        ("gain", spec.sample, spec.gain, spec.request),
        ("voltage", spec.phase, spec.half_wave, spec.voltage),
    )
    for name, a, b, to in products:
        shift = a.fraction + b.fraction - to.fraction
        exact = rng.integers(a.lowest, a.highest, n) * rng.integers(1, b.highest, n)
        yield _mean(name, round_shift(exact, shift, Rounding.HALF_EVEN) - exact / 2**shift)
    sign = rng.choice([-1, 1], n)
    size = rng.integers(0, int(0.95 * spec.sample.highest), n)
    phase = sign * linearisation.arcsine(spec, size)
    ideal = np.arcsin(to_float(sign * size, spec.sample)) * 2 / np.pi
    yield _mean("arcsine", phase - ideal / spec.phase.lsb)
    shift = spec.voltage.fraction - spec.dac.fraction
    exact = rng.integers(-(1 << 17), 1 << 17, n)
    yield _mean("DAC", round_shift(exact, shift, Rounding.HALF_EVEN) - exact / 2**shift)


def _mean(name: str, error: np.ndarray) -> str:
    return f"  {name:<10} {error.mean():+.5f} ± {error.std() / np.sqrt(len(error)):.5f}"


def speeds() -> Iterable[str]:
    """The speeds of model and compiled simulation on this machine, each on one core."""
    spec = DriveSpec(row_capacity=512)
    raw = registers(spec, DriveSettings(arms=UNEVEN))
    rows = reference.raw_symbols(spec, weight_symbols(400))
    best = min(_seconds(lambda: chain.model(spec, raw, rows)) for _ in range(5))
    samples = len(rows) * raw.layout.length * spec.samples_per_symbol
    yield f"Model: {samples / best / 1e6:.1f}·10⁶ output samples a second of one core"
    block = BLOCKS["chain"]
    bench = VerilatorBench(block.component(spec), "drive_chain", {"o"}, "first", depth=1 << 20)
    cases = chain_cases(spec, 70_000, np.random.default_rng(4))
    results = check(bench, cases)
    clocks = sum(r.clocks for r in results)
    equal = sum(len(r.outputs["o"]["i"]) for r in results)
    seconds = sum(r.seconds for r in results)
    yield f"Verilog under cocotb and Verilator: {clocks / seconds / 1e6:.2f}·10⁶ clocks a second"
    yield f"RTL equal to the model, to the bit: {equal} pairs of DAC codes"


def _seconds(work) -> float:  # type: ignore[no-untyped-def]
    started = time.process_time()
    work()
    return time.process_time() - started


def report() -> dict[str, Iterable[str]]:
    """The parts of the report by name; each takes some minutes."""
    return {
        "excess_noise": excess_noise(),
        "rounding": rounding(np.random.default_rng(1)),
        "speeds": speeds(),
    }
