"""`shotveil bench`: the published way of computing an accuracy curve against ours, in one run.

The published way is a dense noisy forward pass per point: both matrix products over all images and
fresh noise for each output, here in PyTorch. Either way runs in a process of its own, with all
cores, in turns, so that whatever else the machine does hits both; the figure of each is its median.
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
from shotveil.models.link.normals import fill_normals
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Network, load_network

CURVE_POINTS = 512


def published(network: Network, f2: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Accuracies by a dense noisy forward pass of all images per point, in PyTorch on all cores."""
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
    """Accuracies by `host.run.curves`, with fresh noise at each point or noise that all share."""
    images, labels = _mnist()
    rng = np.random.default_rng(seed)
    return accuracy_curve(network, images, labels, f2, rng, shared_noise=shared_noise)


def random_numbers_alone(network: Network, points: int) -> None:
    """Draw the noise of so many points and do nothing else, in the same chunks on all cores."""
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
    """Read two numbers and write one per output, from arrays too large for any cache."""
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
    """Wall-clock seconds of one way, and what it returned; network and images are loaded before."""
    network = _network(name)
    _mnist()
    start = time.perf_counter()
    result = globals()[way](network, *arguments)
    return time.perf_counter() - start, result


def _peak_memory() -> float:
    """Of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, points: int, rounds: int) -> dict[str, Any]:
    """All that the bench prints, for one network."""
    import_extra("torch", "train")
    f2 = np.geomspace(1e-2, 1e2, points)
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn) as torch_side,
        ProcessPoolExecutor(1, spawn) as fresh_side,
        ProcessPoolExecutor(1, spawn) as shared_side,
        ProcessPoolExecutor(1, spawn) as limits,
    ):

        def timed(side: ProcessPoolExecutor, way: str, *arguments: Any) -> tuple[float, Any]:
            return side.submit(_timed, name, way, *arguments).result()

        # Once for each without counting it: libraries load, caches and clocks settle.
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
    """Round by round, so that both were measured at nearly the same time."""
    return [a / b for a, b in zip(seconds[over], seconds[under], strict=True)]


def _agreement(accuracies: dict[str, list[Any]], images: int) -> dict[str, float]:
    """Largest difference from the published way over all points, in counting errors.

    Both ways see the same images, so the difference of their means over the rounds varies less than
    counting independent images would: 4 is then more than chance allows at these many points.
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
    """Whether the accuracies of both ways differ by no more than counting error."""
    return max(r["largest_deviation_fresh"], r["largest_deviation_shared"]) <= 4
