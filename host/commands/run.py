"""What `demo` and `infer` share: load, run with a progress bar, summarise, show."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import host.inference
from host.commands.progress import progress
from host.summary import summarise
from models.checks import RangeError, require
from models.mnist import load_mnist
from models.network import Network
from models.optics import Link


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run, with all that a report needs."""

    network: Network
    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    link: Link
    inference: host.inference.Inference
    summary: dict[str, Any]
    seed: int


def run(
    network: Network,
    link: Link,
    *,
    images: int | None,
    data: Path | None,
    seed: int,
    symbol_level: bool = False,
) -> Run:
    """Classify the first `images` test images, all if None; raises `RangeError`."""
    require("seed", seed, at_least=0)
    pixels, labels = load_mnist(data, "test")
    if images is not None:
        require("images", images, at_least=1, at_most=len(pixels))
        pixels, labels = pixels[:images], labels[:images]
    if network.outputs <= int(labels.max()):
        raise RangeError(
            f"network {network.name} has {network.outputs} outputs; "
            f"allowed: at least {int(labels.max()) + 1}, one for each class"
        )
    with progress("images through the link", len(pixels)) as advance:
        start = time.perf_counter()
        inference = host.inference.infer(
            network,
            pixels,
            link,
            np.random.default_rng(seed),
            symbol_level=symbol_level,
            progress=advance,
        )
        seconds = time.perf_counter() - start
    summary = summarise(network, labels, link, inference, seconds, seed)
    summary["symbol_level"] = symbol_level
    return Run(network, pixels, labels, link, inference, summary, seed)


def show(summary: dict[str, Any]) -> None:
    """Print a summary for a person to read."""
    console = Console(highlight=False)
    error = 100 * summary["accuracy_error"]
    console.print(
        f"\n[bold]{summary['network']}[/bold]: {summary['images']:,} images, "
        f"accuracy [bold]{summary['accuracy']:.2%}[/bold] (± {error:.2f} counting error), "
        f"{summary['images_per_second']:,.0f} images a second"
    )
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in _optics(summary) + _leaks(summary) + _verdict(summary["verification"]):
        table.add_row(name, value)
    console.print(table)


def _optics(s: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("", ""),
        ("[bold]optics[/bold]", f"F² = {s['f2']:.4g} at the client (declared settings)"),
        ("  gain of the client", f"G = {s['gain']:.7g}"),
        ("  light of the server", f"μ = {s['photons']:.4g} photons per mode"),
        (
            "  loop",
            f"transmittance {s['transmittance']:.4g}, "
            f"technical excess noise {s['excess_noise']:.4g} SNU",
        ),
    ]


def _leaks(s: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("", ""),
        ("[bold]leakage, declared[/bold]", "upper bounds that the settings imply"),
        ("  weights → client", f"{s['weight_leakage_bits']:.3g} bits per weight and inference"),
    ]
    if s["inferences"] > 1:
        after, count = s["weight_leakage_bits_after"], s["inferences"]
        rows.append(("", f"{after:.3g} bits per weight after all {count:,} inferences"))
    named = {
        "crb_v1": "crb_v1, estimate for homodyning, as first published",
        "crb_prx": "crb_prx, estimate for homodyning",
        "qcrb": "qcrb, estimate for any measurement of each row",
        "holevo": "holevo, a theorem: any collective measurement",
    }
    for i, (bound, label) in enumerate(named.items()):
        bits = s["data_leakage_bits"][bound]
        rows.append(("" if i else "  data → server", f"{bits:.3g} bits per pixel ({label})"))
    return rows


def _verdict(v: dict[str, Any]) -> list[tuple[str, str]]:
    if not v:
        return []
    bits = v["weight_leakage_bits"]
    verdict = "[green]accepted[/green]" if v["accepted"] else "[red]rejected[/red]"
    rows = [
        ("", ""),
        ("[bold]verification[/bold]", f"{verdict} by the server, {v['symbols']:,} symbols"),
        (
            "  transmittance",
            f"{v['transmittance']:.6f} estimated, {v['declared_transmittance']:.6f} declared",
        ),
        (
            "  excess noise",
            f"{v['excess_noise']:.6f} SNU estimated, {v['declared_excess_noise']:.6f} declared",
        ),
        (
            "  weights → client",
            f"{bits['declared']:.3g} declared, {bits['estimated']:.3g} estimated, "
            f"{bits['certified']:.3g} certified (bits, at {v['failure_probability']:g})",
        ),
    ]
    if not v["accepted"]:
        rows += [("", layer["reason"]) for layer in v["layers"] if not layer["accepted"]]
    return rows
