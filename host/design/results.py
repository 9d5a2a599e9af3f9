"""Measures the tables of results in the README; `shotveil results` prints them as Markdown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shotveil.host.design.operating_point import Budgets, most_light
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.leakage.default_bounds import CERTIFIED_BOUND, DATA_BOUND, WEIGHT_BOUND
from shotveil.host.run.inference import infer
from shotveil.models.link.labs import lab
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network

SEED = 1


@dataclass(frozen=True)
class Showcase:
    """A shipped network in a laboratory, with the most light inside two budgets for one inference.

    total_bits: Budget of the weights, in bits of all of them; None leaves it to `weight_bits`.
    weight_bits: Budget of the weights, in bits per weight. data_bits: Budget of the data, in bits
        per element. The data's count `holevo`, the weights' `weight_bound`.
    """

    network: str
    lab: str
    weight_bits: float | None = None
    total_bits: float | None = None
    data_bits: float | None = 0.01
    weight_bound: str = WEIGHT_BOUND

    @property
    def budget(self) -> str:
        """The budget in words."""
        weights = (
            f"{self.weight_bits:g} per weight"
            if self.weight_bits is not None
            else f"{self.total_bits:,.0f} in all"
        ) + ("" if self.weight_bound == WEIGHT_BOUND else " from any client")
        return f"≤ {weights}, " + (
            "data open" if self.data_bits is None else f"≤ {self.data_bits:g} per data element"
        )


POINTS = (
    Showcase("mnist-head", "ideal", total_bits=1800),
    Showcase("mnist-head", "realistic", weight_bits=0.1),
    Showcase("mnist-head", "realistic", weight_bits=0.1, weight_bound=CERTIFIED_BOUND),
    Showcase("mnist", "ideal", weight_bits=0.05),
    Showcase("mnist", "realistic", weight_bits=0.1, data_bits=None),
    Showcase("mnist-paper", "ideal", weight_bits=0.1),
)
HEAD = (
    "network and laboratory",
    "budget (bits)",
    "private weights",
    "bits per weight",
    "from any client",
    "total bits",
    "bits per image",
    "accuracy",
)


def accuracies() -> Iterator[tuple[str, ...]]:
    """Yield rows of the fields `HEAD` for 10,000 test images; leakages are for one inference."""
    images, labels = load_mnist(None, "test")
    for point in POINTS:
        network = load_network(point.network)
        limits = Budgets(
            point.weight_bits,
            point.data_bits,
            weight_bound=point.weight_bound,
            total_bits=point.total_bits,
        )
        link = most_light(network, lab(point.lab).channel(), limits)
        seen = infer(network, images, link, np.random.default_rng(SEED), verify=False)
        leakage = network_leakage(network, link)
        yield (
            f"`{point.network}`, {point.lab}",
            point.budget,
            f"{network.weights:,}",
            f"{leakage.weight_leakage_bits:.4f}",
            f"{leakage.weight_bounds_bits[CERTIFIED_BOUND]:.4f}",
            f"{leakage.total_weight_bits[WEIGHT_BOUND]:,.0f}",
            f"{leakage.image_bits[DATA_BOUND]:,.1f}",
            f"{(seen.predictions == labels).mean():.2%}",
        )


def demo_cost() -> tuple[float, float, float]:
    """Run the whole demo command; return its seconds, its peak memory (GiB) and its accuracy."""
    program = (
        "import resource, sys; from shotveil.host.commands.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                program,
                "demo",
                "--json",
                "--out",
                str(Path(folder) / "r.html"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - start
    kibibytes = int(done.stderr.split()[-1])
    return seconds, kibibytes / 2**20, json.loads(done.stdout)["accuracy"]


def symbol_level_speed(images: int = 100) -> float:
    """Return the complex modes per second on all processors, homodyne detection included."""
    network = load_network("mnist")
    pixels, _ = load_mnist(None, "test")
    start = time.perf_counter()
    infer(network, pixels[:images], Link(1.3, 6), np.random.default_rng(SEED), symbol_level=True)
    seconds = time.perf_counter() - start
    return images * sum(layer.rows * layer.modes for layer in network.layers) / seconds


def measured() -> dict[str, Any]:
    """Return both tables: accuracies with their leakage, and speed and memory on this machine."""
    rows = [dict(zip(HEAD, row, strict=True)) for row in accuracies()]
    seconds, memory, _ = demo_cost()
    return {
        "accuracies": rows,
        "processors": os.cpu_count(),
        "demo_seconds": seconds,
        "demo_memory_gib": memory,
        "symbol_level_modes_per_second": symbol_level_speed(),
    }


def markdown() -> Iterator[str]:
    """Yield the lines of both tables in Markdown."""
    found = measured()
    yield f"10,000 test images, seed {SEED}, declared leakage of one inference (`holevo`):\n"
    yield "| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|"
    for row in found["accuracies"]:
        yield "| " + " | ".join(row.values()) + " |"
    yield f"\nOn {found['processors']} processors of this machine:\n"
    yield "| what | measured |\n|---|---|"
    yield f"| `shotveil demo`, 10,000 images with report | {found['demo_seconds']:.0f} s |"
    yield f"| its peak memory | {found['demo_memory_gib']:.2f} GiB |"
    speed = found["symbol_level_modes_per_second"] / 1e6
    yield f"| symbol-level path | {speed:.0f} million complex modes a second |"
