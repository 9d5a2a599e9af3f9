"""Compares the published way of computing an accuracy curve with ours, for `shotveil bench`.

The published way is one dense noisy forward pass for each point: both matrix products over all
images, and fresh noise for each output, here in PyTorch. Each way runs in a process of its own with
all cores. They take turns, so that other load on the machine affects both, and the median counts.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.extras import import_extra
from shotveil.host.run.curves import OUTPUTS_IN_CHUNK, accuracy_curve
from shotveil.host.run.workers import leave_with_parent
from shotveil.models.link.normals import fill_normals
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Network, load_network

CURVE_POINTS = 512


def published(network: Network, f2: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the accuracy at each F², by a dense noisy forward pass of all images in PyTorch."""
    torch = import_extra("torch", "train")
    torch.manual_seed(seed)
    images, labels = _mnist()
    x, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    weights = [torch.from_numpy(np.array(layer.weights)) for layer in network.layers]
    accuracies = []
    with torch.inference_mode():
        for value in f2:
            seen = x
            for i, (w, layer) in enumerate(zip(weights, network.layers, strict=True)):
                if i:
                    seen = torch.relu(seen)
                if layer.bias:
                    seen = torch.nn.functional.pad(seen, (0, 1), value=1.0)
                unit = seen.norm(dim=1, keepdim=True) * (layer.rms / math.sqrt(value))
                products = seen @ w.T
                seen = products + torch.randn_like(products) * unit
            accuracies.append((seen.argmax(dim=1) == y).double().mean().item())
    return np.array(accuracies)


def ours(
    network: Network, f2: NDArray[np.float64], seed: int, shared_noise: bool
) -> NDArray[np.float64]:
    """Return the accuracy at each F² by `host.run.curves`, with fresh or with shared noise."""
    images, labels = _mnist()
    rng = np.random.default_rng(seed)
    return accuracy_curve(network, images, labels, f2, rng, shared_noise=shared_noise)


def random_numbers_alone(network: Network, points: int) -> None:
    """Only draw the noise of `points` points, in the same chunks and on all cores."""
    size = max(1, OUTPUTS_IN_CHUNK // max(layer.rows for layer in network.layers))

    def chunk(rng: np.random.Generator) -> None:
        noise = [np.empty((size, layer.rows), np.float32) for layer in network.layers]
        for _ in range(points):
            for array in noise:
                fill_normals(rng, array)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chunks = math.ceil(len(_mnist()[0]) / size)
        list(pool.map(chunk, np.random.default_rng(1).spawn(chunks)))


def memory_alone(network: Network) -> None:
    """Only read two numbers and write one for each output, in arrays too large for any cache."""
    sums, terms = _large(network)
    half = len(sums) // 2
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = (slice(0, half), slice(half, None))
        list(pool.map(lambda part: np.add(sums[part], terms[part], out=sums[part]), parts))


@cache
def _large(network: Network) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    size = len(_mnist()[0]) * sum(layer.rows for layer in network.layers)
    return np.zeros(size, np.float32), np.ones(size, np.float32)


@cache
def _mnist() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    return load_mnist(None, "test")


_network = cache(load_network)


def _timed(name: str, way: str, *arguments: Any) -> tuple[float, Any]:
    """Return the seconds of wall-clock time of one way, and its result; loading is not timed."""
    network = _network(name)
    _mnist()
    start = time.perf_counter()
    result = globals()[way](network, *arguments)
    return time.perf_counter() - start, result


def _peak_memory() -> float:
    """Return the peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, points: int, rounds: int) -> dict[str, Any]:
    """Measure all that the bench prints for the network called `name`, as plain values.

    points: Number of points of the curve. rounds: Number of measurements of which the median is
    taken. Raises `ModuleNotFoundError` without PyTorch.
    """
    import_extra("torch", "train")
    f2 = np.geomspace(1e-2, 1e2, points)
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn, leave_with_parent) as torch_side,
        ProcessPoolExecutor(1, spawn, leave_with_parent) as fresh_side,
        ProcessPoolExecutor(1, spawn, leave_with_parent) as shared_side,
        ProcessPoolExecutor(1, spawn, leave_with_parent) as limits,
    ):

        def timed(side: ProcessPoolExecutor, way: str, *arguments: Any) -> tuple[float, Any]:
            return side.submit(_timed, name, way, *arguments).result()

        # Each runs once without being timed, while libraries load and caches and clocks settle.
        timed(torch_side, "published", f2[:2], 0)
        timed(fresh_side, "ours", f2[:2], 0, False)
        timed(shared_side, "ours", f2[:2], 0, True)
        timed(limits, "random_numbers_alone", 1)
        timed(limits, "memory_alone")
        seconds: dict[str, list[float]] = {}
        accuracies: dict[str, list[Any]] = {}
        for seed in range(1, rounds + 1):
            for key, side, way, *arguments in (
                ("published", torch_side, "published", f2, seed),
                ("fresh", fresh_side, "ours", f2, seed, False),
                ("shared", shared_side, "ours", f2, seed, True),
                ("random_numbers", limits, "random_numbers_alone", points),
                ("memory", limits, "memory_alone"),
            ):
                took, result = timed(side, way, *arguments)
                count = 1 if way == "memory_alone" else points
                seconds.setdefault(key, []).append(took / count)
                accuracies.setdefault(key, []).append(result)
        peaks = {
            key: side.submit(_peak_memory).result()
            for key, side in (
                ("published", torch_side),
                ("fresh", fresh_side),
                ("shared", shared_side),
            )
        }
        curve = np.geomspace(1e-3, 1e2, CURVE_POINTS)
        whole = {
            key: timed(side, "ours", curve, 1, key == "shared")[0]
            for key, side in (("fresh", fresh_side), ("shared", shared_side))
        }
    point = {key: statistics.median(each) for key, each in seconds.items()}
    return {
        "network": name,
        "cores": os.cpu_count(),
        "images": len(_mnist()[0]),
        "points": points,
        "rounds": rounds,
        "seconds_per_point": point,
        "ratio_fresh": statistics.median(_ratios(seconds, "published", "fresh")),
        "ratio_shared": statistics.median(_ratios(seconds, "published", "shared")),
        "peak_memory_mib": peaks,
        "seconds_per_512_points": whole,
        **_agreement(accuracies, len(_mnist()[0])),
    }


def _ratios(seconds: dict[str, list[float]], over: str, under: str) -> list[float]:
    """Return the ratio in each round, whose two times were measured shortly after each other."""
    return [a / b for a, b in zip(seconds[over], seconds[under], strict=True)]


def _agreement(accuracies: dict[str, list[Any]], images: int) -> dict[str, float]:
    """Return the largest difference from the published way over all points, in counting errors.

    Both ways use the same images, so the difference of their means over the rounds varies less than
    with independent images. A difference above 4 is then not due to chance.
    """
    mean = {key: np.mean(accuracies[key], axis=0) for key in ("published", "fresh", "shared")}
    error = np.sqrt(2 * mean["published"] * (1 - mean["published"]) / images)
    rounds = len(accuracies["published"])
    error = np.maximum(error, 1 / images) / math.sqrt(rounds)
    return {
        f"largest_deviation_{key}": float(np.abs((mean[key] - mean["published"]) / error).max())
        for key in ("fresh", "shared")
    }


def show(r: dict[str, Any]) -> None:
    """Print a measurement for a person to read."""
    ms = {key: 1e3 * value for key, value in r["seconds_per_point"].items()}
    peak, whole = r["peak_memory_mib"], r["seconds_per_512_points"]
    print(
        f"{r['network']}: {r['images']:,} images, {r['points']} points of F², {r['cores']} cores, "
        f"median of {r['rounds']} rounds\n"
        f"\n                              ms a point   ratio   peak MiB   512 points"
        f"\n{'published, PyTorch':30}{ms['published']:10.1f}   {1:5.1f}   {peak['published']:8.0f}"
    )
    for key, name in (("fresh", "fresh noise at each point"), ("shared", "points share one noise")):
        print(
            f"ours, {name:24}{ms[key]:10.1f}   {r['ratio_' + key]:5.1f}   {peak[key]:8.0f}   "
            f"{whole[key]:8.1f} s"
        )
    print(
        f"\nlimits: one point's random numbers alone take {ms['random_numbers']:.1f} ms, "
        f"{ms['random_numbers'] / ms['fresh']:.0%} of ours with fresh noise;\n"
        f"        reading products and noise from memory and writing their sum once takes "
        f"{ms['memory']:.1f} ms,\n        {ms['memory'] / ms['shared']:.0%} of ours with shared "
        "noise (common random numbers), which keeps both in the cache"
    )
    print(
        f"accuracies: largest deviation from the published way "
        f"{r['largest_deviation_fresh']:.1f} counting errors with fresh noise, "
        f"{r['largest_deviation_shared']:.1f} with shared"
    )


def agrees(r: dict[str, Any]) -> bool:
    """Return whether the accuracies of both ways differ by at most 4 counting errors."""
    return max(r["largest_deviation_fresh"], r["largest_deviation_shared"]) <= 4
