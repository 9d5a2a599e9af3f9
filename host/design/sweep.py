"""Sweeps: one row of results for each of many settings, on local cores or a Dask cluster.

A sweep is a TOML file. `[settings]` holds for all points, `[grid]` has lists whose product is
taken, and `[[points]]` adds single points. Every finished point is appended to a journal beside the
result and flushed to disk before the next one counts, so a sweep that was killed continues where it
stopped and computes no point twice. At the end the journal becomes one Parquet file. A point is
computed from its settings and its seed alone, by the same function wherever it runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib import metadata
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from shotveil import host, models
from shotveil.host.extras import import_extra
from shotveil.host.leakage.catalogue import DATA_BOUNDS, WEIGHT_BOUNDS
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.inference import infer
from shotveil.host.run.run import classified
from shotveil.host.run.samples import load_samples
from shotveil.host.run.summary import summarise
from shotveil.host.run.workers import leave_with_parent
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.files import write_atomically
from shotveil.models.common.foreign import ForeignFile
from shotveil.models.link.channel import Channel
from shotveil.models.link.labs import IDEAL, lab
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network, load_network
from shotveil.models.networks.samples import Samples

Row = dict[str, Any]

FORMAT = "shotveil sweep journal 1"
MOST_POINTS = 1_000_000


_KINDS: dict[str, type] = {"str": str, "int": int, "bool": bool}  # other types are real numbers


def _number(name: str, value: Any) -> float:
    if type(value) not in (int, float):
        raise RangeError(f"{name} = {value!r}; allowed: a number")
    try:
        return float(value)
    except OverflowError:
        raise RangeError(
            f"{name} is an integer of more than 308 digits; allowed: a number"
        ) from None


@dataclass(frozen=True)
class Point:
    """A point of a sweep: all settings that determine a row.

    network: Name or file of the network.
    images: Number of test images, from the first on; 0 computes only the leakage.
    seed: Seed of the noise, ≥ 0.
    gain: Power gain G > 1.
    photons, f2: Photons per mode or F²; exactly one of them is given.
    channel: The fibre and the detectors.
    inferences: Number K of inferences for `weight_leakage_bits_after`.
    verify: Whether to collect the server's statistics.

    Raises `RangeError` for a value of the wrong type or out of range.
    """

    network: str = "mnist"
    images: int = 10_000
    seed: int = 1
    gain: float = 1.3
    photons: float | None = None
    f2: float | None = None
    channel: Channel = field(default_factory=Channel)
    inferences: int = 1
    verify: bool = True

    @classmethod
    def of(cls, **settings: Any) -> Point:
        """Return the point with the given settings, by the names in `SETTINGS`.

        Settings of the channel are given beside the others, as on the command line, and `lab` names
        the laboratory whose imperfections they replace. Raises
        `RangeError` for an unknown name or an impossible value.
        """
        for name in settings:
            _require_setting(name)
        channel = {
            each.name: _number(each.name, settings.pop(each.name))
            for each in Channel.settings()
            if each.name in settings
        }
        return cls(channel=lab(settings.pop("lab", IDEAL.name)).channel(**channel), **settings)

    def __post_init__(self) -> None:
        for each in fields(self):
            value, kind = getattr(self, each.name), _KINDS.get(str(each.type))
            if kind is None and each.name != "channel":  # 1 and 1.0 are one setting
                if value is not None or "None" not in str(each.type):
                    object.__setattr__(self, each.name, _number(each.name, value))
            elif kind is not None and type(value) is not kind:
                raise RangeError(f"{each.name} = {value!r}; allowed: {each.type}")
        require("images", self.images, at_least=0)
        require("seed", self.seed, at_least=0, below=2**63)
        require("inferences", self.inferences, at_least=1)
        if self.photons is not None or self.f2 is not None:
            require("photons or f2", self.f2 if self.photons is None else self.photons, above=0)
        self.link()

    def link(self) -> Link:
        """Return the optical link that these settings describe."""
        return Link.through(self.channel, self.gain, photons=self.photons, f2=self.f2)

    @property
    def key(self) -> str:
        """The point's name: a digest of all its settings."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:32]


def _settings() -> Iterator[tuple[str, type]]:
    for each in fields(Point):
        if each.name == "channel":
            yield from ((one.name, float) for one in Channel.settings())
        else:
            yield each.name, _KINDS.get(str(each.type), float)


SETTINGS = dict(_settings())
"""Names and types of all settings of a sweep, in the order of the columns."""


def _require_setting(name: str) -> None:
    """Raise `RangeError` unless a point can be given a setting of this `name`."""
    known = {*SETTINGS, "lab"}
    if name not in known:
        raise RangeError(f"setting {name!r} is none of {', '.join(sorted(known))}")


def read_points(path: Path) -> list[Point]:
    """Return the points of a TOML file, those of the grid first, in the order of the file.

    The last name of a grid changes fastest. Raises `RangeError` for a file that is missing or not
    TOML, an unknown setting, an impossible value, a file without points, and a point that occurs
    twice.
    """
    text = ForeignFile("sweep", path).toml()
    settings, grid, further = text.get("settings", {}), text.get("grid", {}), text.get("points", [])
    unknown = text.keys() - {"settings", "grid", "points"}
    tables: list[Any] = [settings, grid, *(further if isinstance(further, list) else [None])]
    if unknown or not all(isinstance(table, dict) for table in tables):
        raise RangeError(
            f"sweep {path} holds {', '.join(sorted(unknown)) or 'values where tables belong'}; "
            "allowed: [settings], [grid] and [[points]]"
        )
    for name in itertools.chain(*tables):
        _require_setting(name)
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise RangeError(f"grid {name} = {values!r}; allowed: a list of at least one value")
    # Four axes of a few kilobytes would otherwise make more points than memory holds.
    require(
        "points of the grid", prod(len(values) for values in grid.values()), at_most=MOST_POINTS
    )
    combinations = itertools.product(*grid.values()) if grid else ()
    chosen = [dict(zip(grid, values, strict=True)) for values in combinations] + further
    points = [Point.of(**{**settings, **each}) for each in chosen]
    if not points:
        raise RangeError(f"sweep {path} holds no point; give [grid], [[points]] or both")
    seen: set[str] = set()
    for point, each in zip(points, chosen, strict=True):
        if point.key in seen:
            raise RangeError(f"sweep {path} holds a point twice: {each}")
        seen.add(point.key)
    return points


def compute(point: Point, data: str | None = None, threads: int | None = None) -> Row:
    """Compute the row of a point, with the names and types of `COLUMNS`.

    Values that the point does not ask for are None. The result is deterministic.

    data: File or folder with labelled images (`host.run.samples`); None takes those that come
        with Shotveil.
    threads: Number of threads; None takes as many as there are processors.

    Raises `RangeError` where network and images do not fit.
    """
    network = _network(point.network)
    link = point.link()
    leakage = network_leakage(network, link, point.inferences)
    row: Row = dict.fromkeys(COLUMNS)
    row |= {each.name: getattr(point, each.name) for each in fields(point)}
    row |= row.pop("channel").as_settings()
    row |= {
        "digest": network.digest,
        "code": code_version(),
        "photons": link.photons,
        "f2": link.f2,
        "weight_leakage_bits": leakage.weight_leakage_bits,
        "weight_leakage_bits_after": leakage.weight_leakage_bits_after,
        **{f"weight_leakage_bits_{k}": bits for k, bits in leakage.weight_bounds_bits.items()},
        **{f"data_leakage_bits_{k}": bits for k, bits in leakage.data_leakage_bits.items()},
        **{f"total_weight_bits_{k}": bits for k, bits in leakage.total_weight_bits.items()},
        **{
            f"total_weight_bits_after_{k}": bits
            for k, bits in leakage.total_weight_bits_after.items()
        },
        **{f"image_bits_{k}": bits for k, bits in leakage.image_bits.items()},
    }
    if point.images == 0:
        return row
    samples, row["data"] = _images(data)
    require("images", point.images, at_most=len(samples.inputs))
    pixels, labels = classified(network, samples.first(point.images))
    rng = np.random.default_rng(point.seed)
    inference = infer(network, pixels, link, rng, verify=point.verify, threads=threads)
    summary = summarise(network, labels, link, inference, 1.0, point.seed)
    row |= {name: summary[name] for name in ("accuracy", "accuracy_error")}
    if point.verify:
        seen = summary["verification"]
        row |= {name: seen[name] for name in ("accepted", "symbols", "declared_excess_noise")}
        row |= {
            "estimated_transmittance": seen["transmittance"],
            "estimated_excess_noise": seen["excess_noise"],
            "estimated_weight_leakage_bits": seen["weight_leakage_bits"]["estimated"],
            "certified_weight_leakage_bits": seen["weight_leakage_bits"]["certified"],
        }
    return row


COLUMNS: dict[str, type] = {
    **SETTINGS,
    "digest": str,
    "data": str,
    "code": str,
    "weight_leakage_bits": float,
    "weight_leakage_bits_after": float,
    **{f"weight_leakage_bits_{name}": float for name in WEIGHT_BOUNDS},
    **{f"data_leakage_bits_{name}": float for name in DATA_BOUNDS},
    **{f"total_weight_bits_{name}": float for name in WEIGHT_BOUNDS},
    **{f"total_weight_bits_after_{name}": float for name in WEIGHT_BOUNDS},
    **{f"image_bits_{name}": float for name in DATA_BOUNDS},
    "accuracy": float,
    "accuracy_error": float,
    "accepted": bool,
    "symbols": int,
    "declared_excess_noise": float,
    "estimated_transmittance": float,
    "estimated_excess_noise": float,
    "estimated_weight_leakage_bits": float,
    "certified_weight_leakage_bits": float,
    "point": str,
}
"""Names and types of the columns: settings, provenance, declared leakage and measured results.

`digest` is the digest of the network, `data` that of all images and labels in the folder. `code`
identifies this program (`code_version`), and `point` the settings (`Point.key`).
"""


def run(
    points: Sequence[Point],
    out: Path,
    *,
    data: str | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Compute the missing rows of `points`, and write all rows in order to the Parquet file `out`.

    data: File or folder, as in `compute`.
    scheduler: Address of a Dask cluster whose workers have the same code; None uses local
        processes.
    workers: Number of local processes; None takes one for each core.
    progress: Function that is called with the number of points newly done. Its first call reports
        the points of an earlier start.

    Return how many points this call computed.

    Raises `RangeError` when `out` cannot be written, belongs to a sweep of other code or is being
    written by another process, when a worker runs other code, or for a point that cannot be
    computed. Rows that were finished by then are kept for the next start.
    """
    import_extra("pyarrow", "sweep")
    for point in points:
        available = len(_images(data)[0].inputs) if point.images else None
        require(f"images of {point.network}", point.images, at_most=available)
        _network(point.network)
    with _journal(out.with_name(f"{out.name}.journal")) as (rows, keep):
        rows |= _finished(out)
        missing = [point for point in points if not _is_of(rows.get(point.key), point, data)]
        progress(len(points) - len(missing))
        if missing:
            for row in _computed(missing, data, scheduler, workers):
                if row["code"] != code_version():
                    raise RangeError(
                        f"a worker runs code {row['code']}; allowed: {code_version()}, as here"
                    )
                rows[row["point"]] = row
                keep(row)
                progress(1)
        write_atomically(out, _as_parquet([rows[point.key] for point in points]))
    return len(missing)


def _is_of(row: Row | None, point: Point, data: str | None) -> bool:
    """Return whether a row belongs to the point; a file may have changed under the same name."""
    if row is None or row["digest"] != _network(point.network).digest:
        return False
    return point.images == 0 or bool(row["data"] == _images(data)[1])


@cache
def code_version() -> str:
    """Return the package's version with a digest of all source files that a row may depend on."""
    digest = hashlib.sha256()
    for package in (models, host):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return f"{metadata.version('shotveil')}+{digest.hexdigest()[:12]}"


def _computed(
    points: Sequence[Point], data: str | None, scheduler: str | None, workers: int | None
) -> Iterator[Row]:
    """Yield rows as soon as they are finished, in any order."""
    with _executor(len(points), scheduler, workers) as (pool, threads):
        futures = [pool.submit(_task, point, data, threads) for point in points]
        for future in as_completed(futures):
            yield future.result()


def _task(point: Point, data: str | None, threads: int | None) -> Row:
    _one_blas_thread()
    return {**compute(point, data, threads), "point": point.key}


@contextlib.contextmanager
def _executor(
    count: int, scheduler: str | None, workers: int | None
) -> Iterator[tuple[Executor, int]]:
    """Give the executor that runs the points, and the number of threads for each point.

    If the block ends early for any reason, points that were not begun are dropped.
    """
    if scheduler is not None:
        distributed = import_extra("distributed", "cluster")
        try:
            client = distributed.Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise RangeError(f"scheduler {scheduler} cannot be reached: {error}") from None
        with client:
            yield client.get_executor(pure=False), 1
        return
    cores = os.cpu_count() or 1
    workers = min(count, cores if workers is None else workers)
    # Processes are spawned, because a forked process would inherit locks and ends of other pipes.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        yield pool, max(1, cores // workers)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Make a worker ignore Ctrl-C, and end together with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()


@cache
def _one_blas_thread() -> None:
    """Limit matrix products to one thread for the life of the process: points run in parallel."""
    threadpool_limits(1, "blas")


@cache
def _network(name: str) -> Network:
    return load_network(name)


@cache
def _images(data: str | None) -> tuple[Samples, str]:
    samples = load_samples(data, "test")
    inputs, labels = samples.labelled("a sweep")
    return samples, hashlib.sha256(inputs.tobytes() + labels.tobytes()).hexdigest()


@contextlib.contextmanager
def _journal(path: Path) -> Iterator[tuple[dict[str, Row], Callable[[Row], None]]]:
    """Give the rows that were finished earlier, by point, and a function that appends a row.

    The journal has a line that names the code, and then one line for each row. An incomplete last
    line, after a kill, is removed. The journal is deleted when the block ends without an error.
    """
    head = {"format": FORMAT, "code": code_version()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise RangeError(f"journal {path} cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RangeError(f"journal {path} is in use by another sweep") from None

        def keep(entry: Row) -> None:
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

        file.seek(0)
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)
        entries = [json.loads(line) for line in text.split(b"\n")[:-1]]
        if not entries:
            keep(head)
        elif entries[0] != head:
            raise RangeError(
                f"journal {path} is of code {entries[0].get('code')}, not {code_version()}; "
                "allowed: the same code to go on, or another --out"
            )
        yield {row["point"]: row for row in entries[1:]}, keep
        path.unlink()


def _finished(out: Path) -> dict[str, Row]:
    """Return the rows of a finished sweep, so that only additional points are computed."""
    if not out.exists():
        return {}
    pq = import_extra("pyarrow.parquet", "sweep")
    try:
        rows = pq.read_table(out).to_pylist()
        codes = {row["code"] for row in rows}
        found = {row["point"]: row for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise RangeError(f"{out} exists and is no sweep's result: {error}") from None
    if codes - {code_version()}:
        raise RangeError(
            f"{out} is of code {', '.join(sorted(codes))}, not {code_version()}; "
            "allowed: the same code to go on, or another --out"
        )
    return found


def _as_parquet(rows: Sequence[Row]) -> bytes:
    pa, pq = import_extra("pyarrow", "sweep"), import_extra("pyarrow.parquet", "sweep")
    kinds = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema), buffer)
    return buffer.getvalue()
