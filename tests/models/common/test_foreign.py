import gzip
import io
import json
import os
import resource
import time
import zipfile
import zlib

import numpy as np
import pytest
from numpy.lib import format as npy

from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import MIB, ForeignFile, require_text, unpacked_limit


@pytest.fixture
def file(tmp_path):
    return ForeignFile("test file", tmp_path / "x")


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape, descr="<f4"):
    buffer = io.BytesIO()
    npy.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)


def zeros(archive, name, mib):
    """A member of `mib` MiB in about a thousandth of that."""
    with archive.open(name, "w", force_zip64=True) as member:
        member.write(header((mib, MIB // 4)))
        for _ in range(mib):
            member.write(bytes(MIB))


def test_text_without_the_mark_and_in_utf_8_only(file):
    file.path.write_bytes(b"\xef\xbb\xbf\xc3\xa4")
    assert file.text() == "ä"
    file.path.write_bytes(b"a\xe4")
    with pytest.raises(RangeError, match="0xe4 at byte 1, which is no UTF-8; allowed: UTF-8"):
        file.text()


def test_more_bytes_than_allowed(file):
    file.path.write_bytes(b"12345")
    assert file.read(5) == b"12345"
    with pytest.raises(RangeError, match=r"test file .*x has 5 bytes; allowed: at most 4"):
        file.read(4)
    with pytest.raises(RangeError, match="allowed: at most 10"):
        ForeignFile("device", type(file.path)("/dev/zero")).read(10)


def test_what_is_no_file_is_refused_and_does_not_block(file, tmp_path):
    for path, said in (
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "none", "cannot be read: No such file"),
        (tmp_path / "\0", "cannot be read: .*embedded null"),
        (tmp_path / ("a" * 300), "cannot be read: File name too long"),
    ):
        with pytest.raises(RangeError, match=said):
            ForeignFile("test file", path).read(9)
    os.mkfifo(file.path)
    assert file.read(9) == b""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000, "nests 200,000 lists and objects; allowed: at most 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "nests 65"),
        ("[NaN]", "NaN is no number in JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        ("9" * 5000, "is no JSON"),
        ("", "is no JSON"),
    ],
)
def test_json_that_is_refused(file, text, said):
    file.path.write_text(text)
    begin = time.process_time()
    with pytest.raises(RangeError, match=said):
        file.json()
    assert time.process_time() - begin < 0.1


def test_brackets_in_a_text_are_no_nesting(file):
    value = {"a": "[{" * 100 + '\\"', "b": [[1]] * 100}
    file.path.write_text(json.dumps(value))
    assert file.json() == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 200_000, "is no TOML"),
        ("a." * 200_000 + "a = 1", "a key of more than 16 parts"),
        ('[ "a" . ' + "'b'." * 70 + "c]", "a key of more than 16 parts"),
        ("a = 1\na = 2", "is no TOML"),
    ],
)
def test_toml_that_is_refused(file, text, said):
    file.path.write_text(text)
    begin = time.process_time()
    with pytest.raises(RangeError, match=said):
        file.toml()
    assert time.process_time() - begin < 0.1


def test_many_numbers_in_toml_are_no_long_key(file):
    file.path.write_text(f"a = {[1.5] * 200}")
    assert file.toml() == {"a": [1.5] * 200}


def test_npz_gives_arrays_in_native_order(file):
    want = np.arange(6, dtype=np.float32).reshape(2, 3)
    for given in (want, want.astype(">f4"), np.asfortranarray(want)):
        zipped(file.path, w=npy_bytes(given))
        with file.npz() as arrays:
            got = arrays.array("w", ["float32"], 2)
        assert got.dtype == np.float32 and got.dtype.isnative and got.flags.c_contiguous
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (header((2**30, 2**30)), "allowed: 4,611,686,018,427,388,032"),
        (header((-1, 4)), r"allowed: float32 of 2"),
        (header((1, 1), "|V2000000000"), "allowed: float32 of 2 dimensions"),
        (npy_bytes(np.zeros((2, 2), ">f8")), "'float64' and shape"),
        (npy_bytes(np.zeros(2, np.float32)), "allowed: float32 of 2 dimensions"),
        (header((2, 2)) + bytes(15), "allowed: 144"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "header has 65,535 bytes"),
        (b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 8192, "is damaged at w"),
        (b"\x93NUMPY\x09\x00", "is damaged at w"),
        (b"rubbish", "is damaged at w"),
    ],
)
def test_npz_whose_array_is_refused(file, data, said):
    zipped(file.path, w=data)
    with pytest.raises(RangeError, match=said), file.npz() as arrays:
        arrays.array("w", ["float32"], 2)


def test_pickles_are_not_unpickled(file, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "evil"),))

    np.savez(file.path.with_suffix(".npz"), w=np.array([[Evil()]], dtype=object))
    file = ForeignFile("test file", file.path.with_suffix(".npz"))
    with pytest.raises(RangeError, match="'object'"), file.npz() as arrays:
        arrays.array("w", ["float32"], 2)
    assert not (tmp_path / "evil").exists()


def test_bombs_are_refused_before_they_are_unpacked(file):
    """A member that is asked for, and one that is not."""
    for name in ("w.npy", "unused.npy"):
        with zipfile.ZipFile(file.path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("a.npy", npy_bytes(np.ones((1, 1), np.float32)))
            zeros(archive, name, 100)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.process_time()
        with pytest.raises(RangeError, match="unpacks to 104,857,"), file.npz():
            pass
        assert time.process_time() - begin < 0.1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB


def test_a_gzip_file_that_says_or_shows_too_much_is_refused(file):
    """As one part that says its length, and as parts of which each is short."""
    many = gzip.compress(bytes(40 * MIB), compresslevel=1)
    said = "is damaged or unpacks to 83,886,080 bytes; allowed: at most"
    for data, message in (
        (gzip.compress(bytes(80 * MIB), compresslevel=1), said),
        (many * 2, r"unpacks to more than [\d,]+ bytes; allowed: at most"),
    ):
        file.path.write_bytes(data)
        with pytest.raises(RangeError, match=message), file.gunzipped(whole=True):
            pass
        with file.gunzipped() as (stream, _):
            assert stream.read(10) == bytes(10)
    file.path.write_bytes(many)
    with file.gunzipped(whole=True) as (stream, _):
        assert len(stream.read()) == 40 * MIB  # from its beginning


def test_gzip_stream_is_unpacked_only_as_far_as_it_is_read(file):
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    file.path.write_bytes(b"".join(packer.compress(bytes(MIB)) for _ in range(64)) + packer.flush())
    begin = time.process_time()
    with file.gunzipped() as (stream, most):
        assert stream.read(10) == bytes(10)
        assert most == unpacked_limit(file.path.stat().st_size)
    assert time.process_time() - begin < 0.1
    file.path.write_bytes(gzip.compress(bytes(10))[:-9])
    with pytest.raises(RangeError, match="is a damaged gzip stream"), file.gunzipped() as (s, _):
        s.read(11)


@pytest.mark.parametrize(
    "value", [5, None, [1], "", "a" * 101, "a\nb", "a\x1b[31m", " a", "a\u202eb", "\ud800"]
)
def test_texts_that_are_refused(value):
    with pytest.raises(RangeError, match=r"^name = .*; allowed: a text of 1 to 100") as error:
        require_text("name", value)
    assert str(error.value).isprintable() and len(str(error.value)) < 200
    require_text("name", "Übung a[/b]c")
