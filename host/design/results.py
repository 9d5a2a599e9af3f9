"""Measures the tables of results in the README; `shotveil results` prints them as Markdown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shotveil.host.design.operating_point import within_budgets
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.inference import infer
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network

SEED = 1
GAIN = 1.3
IDEAL = Channel()


def accuracies() -> Iterator[tuple[str, str, str]]:
    """Yield rows (setting, accuracy, leakage) for 10,000 test images, T = 1, no technical noise."""
    paper = within_budgets(load_network("mnist-paper"), 0.1, 0.01, "crb_prx", IDEAL)
    ours = within_budgets(load_network("mnist"), 0.05, 0.01, "holevo", IDEAL)
    images, labels = load_mnist(None, "test")
    for name, setting, link, bound in (
        ("mnist-paper", "≤ 0.1 bit per weight, ≤ 0.01 bit per pixel (`crb_prx`)", paper, "crb_prx"),
        ("mnist-paper", "F² = 2.4", Link.through(IDEAL, GAIN, f2=2.4), "crb_prx"),
        ("mnist", "≤ 0.05 bit per weight, ≤ 0.01 bit per pixel (`holevo`)", ours, "holevo"),
        ("mnist", "F² = 0.3", Link.through(IDEAL, GAIN, f2=0.3), "holevo"),
    ):
        network = load_network(name)
        seen = infer(network, images, link, np.random.default_rng(SEED), verify=False)
        leakage = network_leakage(network, link)
        yield (
            f"`{name}`, {setting}",
            f"{(seen.predictions == labels).mean():.2%}",
            f"{leakage.weight_leakage_bits:.4f} per weight, "
            f"{leakage.data_leakage_bits[bound]:.4f} per pixel (`{bound}`), F² = {link.f2:.3g}",
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
    rows = [dict(zip(("setting", "accuracy", "leakage"), row, strict=True)) for row in accuracies()]
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
    yield f"10,000 test images, T = 1, no technical noise, seed {SEED}:\n"
    yield "| network and setting | accuracy | leakage, declared (bits) |\n|---|---|---|"
    for row in found["accuracies"]:
        yield "| " + " | ".join(row.values()) + " |"
    yield f"\nOn {found['processors']} processors of this machine:\n"
    yield "| what | measured |\n|---|---|"
    yield f"| `shotveil demo`, 10,000 images with report | {found['demo_seconds']:.0f} s |"
    yield f"| its peak memory | {found['demo_memory_gib']:.2f} GiB |"
    speed = found["symbol_level_modes_per_second"] / 1e6
    yield f"| symbol-level path | {speed:.0f} million complex modes a second |"
