"""Bombs: small files that unpack to what fills a memory are refused at once, whatever their kind.

What counts is processor time, of the quickest of some tries, so that no load of the machine can
turn these red. The readers' imports are done before.
"""

import gzip
import io
import struct
import time
import zipfile

import numpy as np
import pyarrow
import pytest
from onnx import TensorProto, helper
from PIL import Image
from pyarrow import parquet

from shotveil.host.compile.onnx_graph import OnnxSource
from shotveil.host.run.samples import load_samples
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.features import load_front_end
from shotveil.models.networks.idx import read_idx
from shotveil.models.networks.network import load_network

SECONDS = 0.1
MIB = 1 << 20
SIZE = (
    160 * MIB
)  # what each unpacks to, at least; a packed file may unpack to 64 MiB and 8 times it


def gz(path):
    """A header of IDX that says 10 bytes, before zeros."""
    path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 10) + bytes(SIZE), 1))
    return path


def gz_in_parts(path):
    """The same, in parts that are short by themselves."""
    zeros = gzip.compress(bytes(16 * MIB), 1)
    path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 10)) + zeros * (SIZE // 16 // MIB))
    return path


def csv(path):
    """A table of two columns with more rows than a memory has room for."""
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * (SIZE // 4), 1))
    return path


def npz(path):
    """A member of zeros, as an array of any program may be."""
    header = io.BytesIO()
    said = {"descr": "|u1", "fortran_order": False, "shape": (SIZE // 1024, 1024)}
    np.lib.format.write_array_header_1_0(header, said)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("weights_0.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(SIZE // MIB):
                member.write(bytes(MIB))
        archive.write(path, "header.npy")
    return path


def table(path):
    """A column of one number, which is stored once."""
    rows = pyarrow.table({"a": np.zeros(MIB, np.int64)})
    with parquet.ParquetWriter(path, rows.schema) as writer:
        for _ in range(SIZE // (8 * MIB)):
            writer.write_table(rows)
    return path


def png(path):
    """A folder with a picture of one colour."""
    (path / "class").mkdir(parents=True)
    side = int(np.sqrt(SIZE)) + 1
    zeros = np.zeros((side, side), np.uint8)
    Image.fromarray(zeros).save(path / "class" / "a.png", compress_level=1)
    return path


def onnx(path):
    """A model that makes 10¹² numbers of two."""
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["c"], "huge"),
        helper.make_node("ReduceMean", ["c"], ["m"], "mean", keepdims=0),
        helper.make_node("Add", ["x", "m"], ["y"], "sum"),
    ]
    x, y = (helper.make_tensor_value_info(k, TensorProto.FLOAT, ["n", 2]) for k in "xy")
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [1 << 20, 1 << 20])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], [shape]),
        opset_imports=[helper.make_opsetid("", 17)]
    )  # fmt: skip
    path.write_bytes(model.SerializeToString())
    return path


def source(path):
    OnnxSource(path, np.zeros((1, 2), np.float32))


KINDS = {
    "gz": (gz, "x.gz", read_idx),
    "gz in parts": (gz_in_parts, "x.gz", read_idx),
    "csv.gz": (csv, "x.csv.gz", load_samples),
    "npz": (npz, "x.npz", load_network),
    "npz of samples": (npz, "x.npz", load_samples),
    "npz of a front end": (npz, "x.npz", load_front_end),
    "parquet": (table, "x.parquet", load_samples),
    "png": (png, "x", load_samples),
    "onnx": (onnx, "x.onnx", source),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_refused_at_once(kind, tmp_path):
    make, name, read = KINDS[kind]
    path = make(tmp_path / name)
    spent = []
    for _ in range(5):
        begin = time.process_time()
        with pytest.raises(RangeError, match=r"; allowed: |is too long"):
            read(path)
        spent.append(time.process_time() - begin)
    assert min(spent) <= SECONDS, spent
    if path.is_file():
        assert path.stat().st_size < SIZE // 100
