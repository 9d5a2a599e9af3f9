"""Good files of every format, damaged in many ways, for every reader: what may come of each.

Whatever a file holds, a reader gives a value or one `RangeError` (a `DeviceError` for a record
that is played back) in a line that names the file, within a second, and within 256 MiB more memory
than the file has.
"""

from __future__ import annotations

import gzip
import io
import json
import resource
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shotveil.host.commands.cli import cli
from shotveil.host.commands.config import read_config
from shotveil.host.compile.onnx_graph import OnnxSource
from shotveil.host.design.sweep import read_points
from shotveil.host.devices.calibration import NodeCalibration
from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.opening import open_device
from shotveil.host.devices.record import ReplayDevice
from shotveil.host.parties.calibration import ClientCalibration, ServerCalibration
from shotveil.host.parties.keys import make_keys, require_usable
from shotveil.host.run.samples import load_samples
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.features import learn_front_end, load_front_end
from shotveil.models.networks.idx import read_idx
from shotveil.models.networks.network import Layer, Network, load_network

SECONDS, KIBIBYTES = 1.0, 256 * 1024
# Values that readers met in reports on their like; they replace numbers and texts of a JSON file.
STRANGE = (
    None, True, -1, 0, 1e308, -1e-320, 10**400, "", "x" * 70_000, "a[/b]c\n\x1b", [], {}, [[]],
    {"value": []}, "NaN", 2**64, [1] * 1000,
)  # fmt: skip


@dataclass
class Reader:
    """A reader, a good file for it, and how to damage that file beyond flipping bytes."""

    read: Callable[[Path], object]
    good: bytes
    mutate: Callable[[bytes, np.random.Generator], bytes]


def readers(folder: Path) -> dict[str, Reader]:
    """Return all readers by name; `folder` takes the files that they are made from."""
    rng = np.random.default_rng(5)
    Network("small", (Layer(rng.normal(size=(6, 5)), True), Layer(rng.normal(size=(3, 6))))).save(
        folder / "net.npz"
    )
    idx = struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4) + bytes(range(24))
    with open_device("model:server", record=folder / "record") as node:
        registers = list(node.map)[:6]
        node._read(registers)
    make_keys(folder, [])
    pems = [(folder / name).read_bytes() for name in ("authority.pem", "link.pem", "link.key")]
    each = {"value": 0.5, "error": 0.1}
    receiver = {
        "vacuum_variance": 2.0, "dark_variance": 0.1, "vacuum_count": 9, "dark_count": 9,
        "scale": [1, 1], "efficiency": 0.9, "quadratures": 2,
    }  # fmt: skip
    arms = [{"half_wave": 0.5, "bias": 0.1, "gain": 1.0}] * 2
    node = {
        "receiver": receiver,
        "arms": [dict.fromkeys(("bias", "half_wave", "leak", "size"), each)] * 2,
        **dict.fromkeys(("quadrature", "delay", "phase", "drift"), each),
    }
    party = {"role": "server", "receiver": receiver, "arms": arms, "full_scale": 2.0, "delay": 3,
             "offset": [0, 0], "distortion": 0.0}  # fmt: skip
    sweep = (
        b"[settings]\ngain = 1.3\n[grid]\nphotons = [1.0, 2.0]\nseed = [1, 2]\n[[points]]\nf2 = 1\n"
    )
    config = b'[infer]\ngain = 1.3\nf2 = 2.4\nnetwork = "mnist"\n[lab.cosim]\nimages = 10\n'
    text = _bytes_or(_json_values)
    return {
        "network": Reader(load_network, (folder / "net.npz").read_bytes(), _bytes_or(_npz_parts)),
        "idx": Reader(read_idx, idx, _bytes_or(_idx_header)),
        "idx.gz": Reader(read_idx, gzip.compress(idx, mtime=0), _bytes_or(_gzipped_idx)),
        **_data_readers(folder),
        "record": Reader(
            lambda path: _play(path, registers), (folder / "record").read_bytes(), _bytes_or(_lines)
        ),
        "calibration": Reader(NodeCalibration.load, json.dumps(node).encode(), text),
        "server's calibration": Reader(ServerCalibration.load, json.dumps(party).encode(), text),
        "client's calibration": Reader(
            ClientCalibration.load, json.dumps({**party, "role": "client"}).encode(), text
        ),
        "sweep": Reader(read_points, sweep, _bytes_or(_toml_values)),
        "config": Reader(_config, config, _bytes_or(_toml_values)),
        "certificate": Reader(
            lambda path: require_usable(path.parent, "link", pems[0], path.read_bytes(), pems[2]),
            pems[1],
            _bytes,
        ),
        "key": Reader(
            lambda path: require_usable(path.parent, "link", pems[0], pems[1], path.read_bytes()),
            pems[2],
            _bytes,
        ),
    }


def _data_readers(folder: Path) -> dict[str, Reader]:
    """Readers of data of one's own, and of front ends."""
    import pyarrow
    from PIL import Image
    from pyarrow import parquet

    x = np.arange(24.0).reshape(6, 4)
    np.savez_compressed(folder / "x.npz", x=x, y=list("abcabc"))
    np.save(folder / "x.npy", x)
    table = b"a,b,label\n1,2,x\n3.5,-4e2,y\n0,1,x\n"
    columns = {"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "label": ["x", "y", "x"]}
    parquet.write_table(pyarrow.table(columns), folder / "x.parquet")
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(pixels).save(folder / "x.png")
    learn_front_end(np.random.default_rng(1).random((20, 64)), patch=4, dictionary=3, pool=2).save(
        folder / "x.features"
    )

    def as_named(suffix: str) -> Callable[[Path], Any]:
        def read(path: Path) -> Any:
            named = path.with_name(f"mutated{suffix}")
            named.write_bytes(path.read_bytes())
            return load_samples(named)

        return read

    def picture(path: Path) -> Any:
        inside = path.with_name("classes") / "a"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / "x.png").write_bytes(path.read_bytes())
        return load_samples(inside.parent)

    def stored(name: str) -> bytes:
        return (folder / name).read_bytes()

    return {
        "samples": Reader(as_named(".npz"), stored("x.npz"), _bytes_or(_npz_parts)),
        "array": Reader(as_named(".npy"), stored("x.npy"), _bytes),
        "csv": Reader(as_named(".csv"), table, _bytes),
        "csv.gz": Reader(as_named(".csv.gz"), gzip.compress(table, mtime=0), _bytes),
        "parquet": Reader(as_named(".parquet"), stored("x.parquet"), _bytes),
        "picture": Reader(picture, stored("x.png"), _bytes),
        "onnx": Reader(
            lambda path: OnnxSource(path, np.zeros((2, 3), np.float32)).network(0),
            _onnx_model(),
            _bytes,
        ),
        "front end": Reader(load_front_end, stored("x.features"), _bytes_or(_npz_parts)),
    }


def _onnx_model() -> bytes:
    """A dense network of two layers."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)
    arrays = {"w": rng.random((4, 3)), "b": np.ones(4), "v": rng.random((2, 4))}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "one", transB=1),
        helper.make_node("Relu", ["h"], ["r"], "relu"),
        helper.make_node("Gemm", ["r", "v"], ["y"], "two", transB=1),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])]
        for name, size in (("x", 3), ("y", 2))
    ]
    weights = [numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()]
    graph = helper.make_graph(nodes, "g", *ends, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def check(reader: Reader, path: Path, data: bytes) -> str:
    """Read `data` and return "" if that came out as it must, else what is wrong."""
    path.write_bytes(data)
    before, begin = _peak(), time.process_time()
    wrong = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)
            # Python may collect a component of an earlier test while a file is read.
            warnings.filterwarnings("ignore", message=".* created but never used")
            reader.read(path)
    except (RangeError, DeviceError) as error:
        if "\n" in str(error) or len(str(error)) > 3000:
            wrong = f"says {str(error)[:200]!r}"
    except Exception as error:
        wrong = f"raises {type(error).__name__}: {str(error)[:200]}"
    seconds, memory = time.process_time() - begin, _peak() - before
    if seconds > SECONDS:
        wrong += f" took {seconds:.1f} s"
    if memory > KIBIBYTES + len(data) // 1024:
        wrong += f" took {memory // 1024} MiB"
    return wrong


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _config(path: Path) -> None:
    context = cli.make_context("shotveil", ["--config", "/dev/null", "infer"])
    read_config(context, cli.params[0], path)


def _play(path: Path, registers: list) -> None:
    ReplayDevice(path)._read(registers)


def _bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, repeat, insert and overwrite bytes."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at, length = int(rng.integers(0, len(out) + 1)), int(rng.integers(1, 40))
        match rng.integers(0, 6):
            case 0 if at < len(out):
                out[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                del out[at:]
            case 2:
                out[at:at] = rng.bytes(length)
            case 3:
                out[at:at] = out[at : at + length] * int(rng.integers(1, 50))
            case 4:
                del out[at : at + length]
            case _:
                out[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(out)


def _bytes_or(other: Callable) -> Callable[[bytes, np.random.Generator], bytes]:
    def mutate(data: bytes, rng: np.random.Generator) -> bytes:
        return (_bytes if rng.random() < 0.4 else other)(data, rng)

    return mutate


def _json_values(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace, drop or add a value somewhere in a JSON text."""
    tree = json.loads(data)
    node, places = tree, []
    while isinstance(node, dict | list) and node:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        places.append((node, list(keys)[int(rng.integers(0, len(keys)))]))
        node = node[places[-1][1]]
    if not places:
        return data
    parent, key = places[int(rng.integers(0, len(places)))]
    strange = STRANGE[int(rng.integers(0, len(STRANGE)))]
    match rng.integers(0, 4):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent["surprise"] = strange
        case _:
            parent[key] = strange
    return json.dumps(tree).encode()


def _lines(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.splitlines()
    at = int(rng.integers(0, len(lines)))
    lines[at] = _json_values(lines[at], rng)
    return b"\n".join(lines)


def _toml_values(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.splitlines()
    at = int(rng.integers(0, len(lines)))
    strange = (b"nan", b"inf", b"-1", b"''", b"[]", b"{}", b"true", b"1979-05-27", b"1e400",
               b"'a\x1b'", b"[" * 2000, b"0x" + b"f" * 300, b"9" * 5000)  # fmt: skip
    key = lines[at].partition(b"=")[0]
    lines[at] = key + b"= " + strange[int(rng.integers(0, len(strange)))]
    return b"\n".join(lines)


def _idx_header(data: bytes, rng: np.random.Generator) -> bytes:
    dimensions = int(rng.choice([0, 1, 2, 3, 8, 9, 64, 70, 255]))
    sizes = rng.choice([0, 1, 2, 3, 2**16, 2**31, 2**32 - 1], dimensions).astype(">u4")
    head = bytes([0, 0, int(rng.choice([8, 9, 11, 12, 13, 14, 7])), dimensions])
    return head + sizes.tobytes() + rng.bytes(int(rng.integers(0, 40)))


def _gzipped_idx(data: bytes, rng: np.random.Generator) -> bytes:
    whole = gzip.compress(_idx_header(gzip.decompress(data), rng) + bytes(1 << 18), 1)
    return whole + (b"", bytes(512), b"<html>", whole)[int(rng.integers(0, 4))]


def _npz_parts(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a member inside a whole archive, so that no checksum hides the reader."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", 8) as new:
        chosen = old.namelist()[int(rng.integers(0, len(old.namelist())))]
        for name in old.namelist():
            part = old.read(name)
            if name == chosen and name == "header.npy" and rng.random() < 0.8:
                array = np.load(io.BytesIO(part))
                text = np.frombuffer(_json_values(array.tobytes(), rng), np.uint8)
                buffer = io.BytesIO()
                np.save(buffer, text)
                part = buffer.getvalue()
            elif name == chosen:
                part = _bytes(part, rng)
            new.writestr(name, part)
    return out.getvalue()
