"""What users of our neighbours reported, tried on Shotveil: a thread and a case each.

A case of a reader gives what the file has to be read as, or a part of the refusal.
"""

import gzip
import io
import os
import resource
import socket
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.compile.onnx_graph import OnnxSource
from shotveil.host.devices.tcp import TcpPipe, open_url
from shotveil.host.devices.transport import LinkLost
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.parties.keys import make_keys, read_keys
from shotveil.host.run.samples import load_samples
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile
from shotveil.models.networks.idx import read_idx
from shotveil.models.networks.network import load_network

X = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
TABLE = b"a,b,label\n1,2,x\n3,4,y\n5,6,x\n"
IDX = struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4) + bytes(range(24))
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def data(path, what=None, names=("x", "y", "x")):
    """Read samples, which have to be those of `X` unless they are refused with `what`."""
    if what is not None:
        with pytest.raises(RangeError, match=what):
            load_samples(path, "test", None)
        return
    samples = load_samples(path, "test", None)
    np.testing.assert_array_equal(samples.flat, X)
    assert list(samples.labels) == list(names)


def table(content, what=None, **more):
    def case(folder):
        (folder / "t.csv").write_bytes(content)
        data(folder / "t.csv", what, **more)

    return case


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive(what=None, names=("x", "y"), again=None, **arrays):
    """Samples under two names; `again` is one more array that is called as the first."""

    def case(folder):
        held = {"x": X, "y": np.array(["x", "y", "x"]), **arrays}
        with zipfile.ZipFile(folder / "d.npz", "w") as file:
            for name, array in zip(names, held.values(), strict=True):
                file.writestr(f"{name}.npy", npy(array))
            if again is not None:
                with pytest.warns():
                    file.writestr(f"{names[0]}.npy", npy(again))
        data(folder / "d.npz", what)

    return case


def idx(content, what=None, name="i.idx.gz"):
    def case(folder):
        (folder / name).write_bytes(content)
        if what is None:
            np.testing.assert_array_equal(read_idx(folder / name).ravel(), np.arange(24))
            return
        with pytest.raises(RangeError, match=what):
            read_idx(folder / name)

    return case


def pictures(*made, extra=()):
    """Two classes of pictures, made by functions of a path; the first has to look like the second.

    extra: Names of further files and folders, which are no pictures.
    """

    def case(folder):
        for number, make in enumerate(made):
            (folder / f"p/{number}").mkdir(parents=True)
            make(folder / f"p/{number}")
        for name in extra:
            (folder / "p" / name).mkdir() if name.endswith("/") else (
                (folder / "p" / name).write_bytes(b"no picture")
            )
        first, second = load_samples(folder / "p", "test", None).inputs
        np.testing.assert_allclose(first, second, atol=0.02)

    return case


RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def upright(folder):
    from PIL import Image

    Image.fromarray(RAMP).save(folder / "a.png")


def on_its_side(folder):
    """As a camera stores it that was held upright: turned, with a note how to turn it back."""
    from PIL import Image

    image, exif = Image.fromarray(np.rot90(RAMP)), Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "a.jpg", exif=exif, quality=100)


def sixteen_bits(folder):
    from PIL import Image

    Image.fromarray(RAMP.astype(np.uint16) * 257).save(folder / "a.png")


def parquet(what, **columns):
    def case(folder):
        from pyarrow import parquet, table

        parquet.write_table(table(columns), folder / "t.parquet")
        data(folder / "t.parquet", what)

    return case


def onnx(what, location=None, ir=None):
    def case(folder):
        from onnx import TensorProto, helper, numpy_helper

        weights = numpy_helper.from_array(np.ones((4, 3), np.float32), "W")
        if location is not None:
            weights = TensorProto(
                name="W", data_type=1, dims=[4, 3], data_location=TensorProto.EXTERNAL
            )
            weights.external_data.add(key="location", value=location)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "W"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])],
            [weights],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = ir or model.ir_version
        (folder / "m.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(RangeError, match=what):
            OnnxSource(folder / "m.onnx", np.zeros((2, 4), np.float32))

    return case


def is_pointer(read, name):
    def case(folder):
        (folder / name).write_bytes(POINTER)
        with pytest.raises(RangeError, match="pointer of Git LFS"):
            read(folder / name)

    return case


def toml(content, what=None):
    def case(folder):
        (folder / "c.toml").write_bytes(content)
        if what is None:
            assert ForeignFile("file", folder / "c.toml").toml() == {"infer": {"gain": 1.3}}
            return
        with pytest.raises(RangeError, match=what):
            ForeignFile("file", folder / "c.toml").toml()

    return case


def certificate_with_a_mark(folder):
    make_keys(folder, [])
    good = read_keys(folder, "link")
    for name in ("link.pem", "link.key", "authority.pem"):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert read_keys(folder, "link") == good


def ledger_called(name):
    def case(folder):
        with EventLog(folder / name, create=True) as log:
            log.append("sent", {"rows": 1})
        assert (folder / name).stat().st_size > 0
        with EventLog(folder / name, writable=False) as log:
            assert log.verify().sequence == 1
        assert all(path.name.startswith(name) for path in folder.iterdir())

    return case


def a_long_host_name(folder):
    with pytest.raises(LinkLost, match="no node answers"):
        TcpPipe("a" * 300, 7001)


def an_address_of_ipv6(folder):
    with pytest.raises(Exception, match="no node answers at ::1:1:"):
        open_url("[::1]:1", None, None)


def a_descriptor_above_1023(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("the system allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    held = []
    try:
        while not held or held[-1] < 1030:
            held.append(os.open(os.devnull, os.O_RDONLY))
        with socket.create_server(("127.0.0.1", 0)) as server:
            pipe = TcpPipe("127.0.0.1", server.getsockname()[1])
            other, _ = server.accept()
            other.sendall(b"hello")
            assert pipe.read(5, 10.0) == b"hello"
            pipe.write(b"answer")
            assert other.recv(6) == b"answer"
            pipe.close()
            other.close()
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


PICTURE = """
from shotveil.host.commands.cli import main
try:
    main(["--version"])
except SystemExit:
    from shotveil.host.figures.style import new_figure, rendered, style
with style():
    figure = new_figure()
    figure.text(0.5, 0.5, "photons")
    print(len(rendered(figure, "png")))
"""


def picture_with(backend, settings):
    """A picture that a command draws, in a folder with a `matplotlibrc`."""

    def case(folder):
        (folder / "matplotlibrc").write_text(settings)
        done = subprocess.run(
            [sys.executable, "-c", PICTURE],
            cwd=folder,
            env={**os.environ, "MPLBACKEND": backend},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and int(done.stdout.split()[-1]) > 1000, done.stderr

    return case


def a_recording_is_checked(folder):
    sigmf = pytest.importorskip("sigmf")
    with pytest.raises(SystemExit) as end:
        main(["device", "capture", "model:server", "--out", str(folder / "r"), "--json"])
    assert end.value.code == 0
    sigmf.sigmffile.fromfile(str(folder / "r.sigmf-meta"))  # its checksum is that of the data
    samples = (folder / "r.sigmf-data").read_bytes()
    (folder / "r.sigmf-data").write_bytes(b"\x55" + samples[1:])
    with pytest.raises(sigmf.error.SigMFFileError):
        sigmf.sigmffile.fromfile(str(folder / "r.sigmf-meta"))


CASES = {
    # Tables
    "votingworks/arlo/pull/883": table(TABLE.replace(b"\n", b"\r")),  # Excel on a Mac
    "pandas-dev/pandas/issues/4793": table(b"\xef\xbb\xbf" + TABLE),
    "tidyverse/readr/issues/976": table(
        TABLE.replace(b"x\n", b"11898508762506083287\n").replace(b"y\n", b"11898508762506083288\n"),
        names=("11898508762506083287", "11898508762506083288", "11898508762506083287"),
    ),
    "pandas-dev/pandas/issues/52505": table(
        TABLE.replace(b"x\n", b"9007199254740993\n").replace(b"y\n", b"9007199254740992\n"),
        names=(9007199254740993, 9007199254740992, 9007199254740993),
    ),
    "pandas-dev/pandas/issues/51664": parquet(
        "__index_level_0__.*index of pandas", a=[1.0], __index_level_0__=[0], label=["x"]
    ),
    # Archives of NumPy
    "numpy/numpy/issues/20033": archive("'x.npy' twice", again=X),
    "numpy/numpy/pull/22393": archive("data file .* holds", names=("../x", "y")),
    "numpy/numpy/issues/28334": archive("float128|longdouble", x=X.astype(np.longdouble)),
    # IDX
    "carlini/nn_robust_attacks/issues/51": idx(b"<!DOCTYPE html>", "IDX", "i.idx"),
    "zackchase/mxnet-the-straight-dope/issues/475": idx(gzip.compress(IDX)[:-9], "ended before"),
    "icsharpcode/SharpZipLib/issues/116": idx(gzip.compress(IDX) + b"zz", "damaged gzip"),
    "indexed parts of a gzip file": idx(gzip.compress(IDX[:9]) + gzip.compress(IDX[9:])),
    # Pictures
    "python-pillow/Pillow/issues/9109": pictures(on_its_side, upright),
    "python-pillow/Pillow/issues/3011": pictures(sixteen_bits, upright),
    "open-mmlab/mmpretrain/issues/507": pictures(
        upright, upright, extra=(".DS_Store", ".ipynb_checkpoints/")
    ),
    # Models
    "onnx/onnx/issues/3991": onnx("in another file", location="../../../etc/passwd"),
    "microsoft/onnxruntime/issues/6696": onnx("in another file", location="weights.bin"),
    "microsoft/onnxruntime/issues/20559": onnx("IR version", ir=99),
    "git-lfs/git-lfs/issues/4240": is_pointer(load_network, "n.npz"),
    "kipoi/kipoi/issues/64": is_pointer(read_idx, "i.idx"),
    # Settings
    "hukkin/tomli/issues/304": toml(b"\xef\xbb\xbf[infer]\ngain = 1.3\n"),
    "python/cpython/pull/100175": toml(b"a = " + b"9" * 5000, "4300 digits"),
    # Keys and ledgers
    "openssl/openssl/issues/6281": certificate_with_a_mark,
    "calebevans/mulder/pull/86": ledger_called("sms#2024-03-12.db"),
    "mar-file-system/GUFI/issues/126": ledger_called("report%20final.db"),
    "abrignoni/ALEAPP/issues/711": ledger_called("chat.db?mode=rwc&x="),
    # Nodes over TCP
    "python/cpython/issues/77139": a_long_host_name,
    "grpc/grpc-go/issues/2678": an_address_of_ipv6,
    "pyudev/pyudev/issues/60": a_descriptor_above_1023,
    # Pictures and records that we write
    "bmaltais/kohya_ss/issues/2521": picture_with("module://matplotlib_inline.backend_inline", ""),
    "astroswego/plotypus/issues/67": picture_with("", "text.usetex: True"),
    "sigmf/SigMF/pull/142": a_recording_is_checked,
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_was_reported_elsewhere_does_not_happen_here(case, tmp_path):
    case(tmp_path)


def test_there_are_thirty():
    assert len(CASES) >= 30
