"""The one gate for files that others wrote: it knows how much they hold before it unpacks them.

A `ForeignFile` is a path with the words that errors call it by. Each of its methods reads one
format, and refuses with one `RangeError` that names the file, what is wrong with it, and what is
allowed. What a compressed file unpacks to is known before it is unpacked, and may exceed the file
by no more than `unpacked_limit` says: a file of 2 MB cannot fill the memory.

Text that a file chooses, such as a name, is shown to people, so `require_text` checks it.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tomllib
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from shotveil.models.common.checks import RangeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIB = 1 << 20
TEXT_LIMIT = MIB  # of JSON and TOML that people or this program write
NAME_LENGTH = 100
_NESTED = 64  # levels of lists and objects in JSON; this program's own files have fewer than 10
_MEMBERS = 10_000  # files in an archive
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_PARTS = 16  # of a dotted key in TOML
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")
_LFS = b"version https://git-lfs.github.com/"  # how a file begins in a clone without Git LFS
_GZIP_MAGIC = b"\x1f\x8b"
_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, OSError, ValueError)


def unpacked_limit(packed: int) -> int:
    """Largest number of bytes that a compressed file of `packed` bytes may unpack to.

    Images and weights shrink to a fifth at best, and 64 MiB on top leave room for small files that
    shrink more, such as blank images.
    """
    return 8 * packed + 64 * MIB


def require_text(name: str, value: Any, *, longest: int = NAME_LENGTH) -> None:
    """Raise `RangeError` unless `value` is a text of 1 to `longest` letters that can be shown.

    Control characters, line ends and marks that turn the direction of writing cannot be shown, and
    white space at either end cannot be seen.
    """
    allowed = f"a text of 1 to {longest} printable letters, without space at its ends"
    if not isinstance(value, str):
        raise RangeError(f"{name} = {shown(value)} is no text; allowed: {allowed}")
    if not 0 < len(value) <= longest:
        raise RangeError(f"{name} = {shown(value)} has {len(value)} letters; allowed: {allowed}")
    if not value.isprintable() or value != value.strip():
        raise RangeError(f"{name} = {shown(value)} cannot be shown; allowed: {allowed}")


def shown(value: Any) -> str:
    """The value as an error message shows it: in ASCII, and no longer than a line."""
    text = ascii(value[:60] if isinstance(value, str | bytes) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class ForeignFile:
    """The file at `path`, which errors call by `what`, such as "network file"."""

    what: str
    path: Path

    def refused(self, said: str, allowed: str) -> RangeError:
        """The error that refuses this file; `said` is the rest of a sentence about it."""
        return RangeError(f"{self.what} {self.path} {said}; allowed: {allowed}")

    def read(self, at_most: int) -> bytes:
        """All bytes of the file. Raises `RangeError` for more than `at_most`."""
        with self.open() as file:
            if (size := os.fstat(file.fileno()).st_size) <= at_most:
                data = file.read(at_most + 1)  # pipes and devices state a size of 0
                if (size := len(data)) <= at_most:
                    return data
        raise self.refused(f"has {size:,} bytes", f"at most {at_most:,}")

    def text(self, at_most: int = TEXT_LIMIT) -> str:
        """The file's text in UTF-8, without the mark that some editors put in front of it."""
        return self.decoded(self.read(at_most))

    def json(self, at_most: int = TEXT_LIMIT) -> Any:
        """The value that a JSON file holds; `decoded_json` says what is refused."""
        return self.decoded_json(self.read(at_most))

    def toml(self, at_most: int = TEXT_LIMIT) -> dict[str, Any]:
        """The tables of a TOML file."""
        text = self.text(at_most)
        if _DOTTED.search(text):  # the parser takes time and memory that grow as its square
            raise self.refused(f"has a key of more than {_PARTS} parts", f"at most {_PARTS}")
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.refused(f"is no TOML: {error}", "TOML") from None

    def decoded(self, data: bytes) -> str:
        """A text of the file in UTF-8, from its bytes."""
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.refused(
                f"holds 0x{data[error.start]:02x} at byte {error.start}, which is no UTF-8", "UTF-8"
            ) from None

    def decoded_json(self, data: bytes) -> Any:
        """The JSON value in bytes of the file.

        Python alone would read NaN and infinity, which JSON does not have, and keep the last of
        several keys of one name, so that two programs could read different values.
        """
        text = self.decoded(data)
        if (depth := _depth(text)) > _NESTED:  # a parser would recurse as deeply
            raise self.refused(f"nests {depth:,} lists and objects", f"at most {_NESTED}")
        try:
            return json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise self.refused(f"is no JSON: {error}", "JSON") from None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The open file; errors of the system inside the block are refusals of the file."""
        try:
            # A pipe that nobody writes to is then empty, instead of holding the program for ever.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                os.set_blocking(descriptor, True)
                if file.peek(len(_LFS)).startswith(_LFS):
                    raise self.refused(
                        "is only the pointer of Git LFS to a file", "the file itself"
                    )
                yield file
        except OSError as error:
            self._cannot_be_read(error)
        except ValueError as error:
            if isinstance(error, RangeError):
                raise
            self._cannot_be_read(error)  # a name with a null byte
        except MemoryError:
            raise self.refused("needs more memory than there is", "a smaller file") from None

    def _cannot_be_read(self, error: Exception) -> NoReturn:
        said = getattr(error, "strerror", None) or error
        raise RangeError(f"{self.what} {self.path} cannot be read: {said}") from None

    @contextmanager
    def gunzipped(self, whole: bool = False) -> Iterator[tuple[BinaryIO, int]]:
        """The file as a stream that is unpacked as it is read, and the most bytes it may hold.

        whole: Count first what it unpacks to, for a caller whose work grows with every line. More
            than it may hold is refused.

        A file that is not compressed gives its own bytes and their number. Damage shows as
        `RangeError` when it is reached.
        """
        with self.open() as file:
            size = os.fstat(file.fileno()).st_size
            if file.peek(2)[:2] != _GZIP_MAGIC:  # type: ignore[attr-defined]
                yield file, size
                return
            limit = unpacked_limit(size)
            whole = whole and file.seekable()  # a pipe is unpacked once
            if whole:
                file.seek(-min(4, size), os.SEEK_END)
                # The last four bytes of a gzip file say how long its last part is, modulo 2³².
                if (says := int.from_bytes(file.read(4), "little")) > limit:
                    said = f"is damaged or unpacks to {says:,} bytes"
                    raise self.refused(said, f"at most {limit:,}")
                file.seek(0)
            try:
                with gzip.GzipFile(fileobj=file) as stream:
                    if whole:
                        while stream.read(MIB):
                            if stream.tell() > limit:
                                said = f"unpacks to more than {limit:,} bytes"
                                raise self.refused(said, f"at most {limit:,}")
                        stream.seek(0)
                    yield stream, limit  # type: ignore[misc]
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise self.refused(f"is a damaged gzip stream: {error}", "a whole one") from None

    @contextmanager
    def npz(self) -> Iterator[Npz]:
        """The arrays of a NumPy archive; none of them is unpacked before it is asked for.

        Raises `RangeError` for a file that is no ZIP archive, and for one whose members would
        unpack to more than `unpacked_limit`, whether they are asked for or not.
        """
        with self.open() as file:
            size = os.fstat(file.fileno()).st_size
            try:
                archive = zipfile.ZipFile(file)
            except _DAMAGED as error:
                raise self.refused(f"is truncated or no archive: {error}", "a whole .npz") from None
            with archive:
                members = archive.infolist()
                if len(members) > _MEMBERS:
                    raise self.refused(f"holds {len(members):,} arrays", f"at most {_MEMBERS:,}")
                if twice := _repeated([member.filename for member in members]):
                    raise self.refused(f"holds {shown(twice)} twice", "each name once")
                total, limit = sum(member.file_size for member in members), unpacked_limit(size)
                if total > limit:
                    raise self.refused(f"unpacks to {total:,} bytes", f"at most {limit:,}")
                yield Npz(self, archive)

    def npy(self, types: Sequence[str]) -> NDArray[Any]:
        """The array of a NumPy file `.npy`, as `Npz.array` returns it; raises the same."""
        with self.open() as file:
            size = os.fstat(file.fileno()).st_size
            try:
                return self.array_in(file, size, "an array", types, None, None)
            except RangeError:
                raise
            except _DAMAGED as error:
                raise self.refused(f"is damaged or no .npy: {error}", "a whole .npy") from None

    def array_in(
        self,
        stream: Any,
        size: int,
        name: str,
        types: Sequence[str],
        dimensions: int | None,
        at_most: int | None,
    ) -> NDArray[Any]:
        """The array in a stream of `size` bytes, with the arguments of `Npz.array`.

        Raises `RangeError` for an array of another kind or size, and `ValueError` for damage.
        """
        import numpy as np

        dtype, shape, transposed, start = _npy_header(stream)
        called = "str" if dtype.kind == "U" else dtype.name
        fits = dimensions in (None, len(shape)) and min(shape, default=0) >= 0
        if called not in types or not fits:
            many = "any number of" if dimensions is None else dimensions
            raise self.refused(
                f"holds {name} of type {shown(called)} and shape {shown(shape)}",
                f"{' or '.join(types)} of {many} dimensions",
            )
        if at_most is not None and prod(shape) > at_most:
            raise self.refused(f"holds {prod(shape):,} elements in {name}", f"at most {at_most:,}")
        expected = start + prod(shape) * dtype.itemsize
        if expected != size:
            raise self.refused(
                f"holds {name} of {size:,} bytes", f"{expected:,}, as its shape {shape} says"
            )
        data = stream.read()
        if len(data) + start != expected:
            raise self.refused(f"ends within {name}", "a whole file")
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if transposed else "C")
        return np.ascontiguousarray(array, dtype.newbyteorder("="))


class Npz:
    """The open archive of a `ForeignFile`. Arrays with Python objects (pickles) are refused."""

    def __init__(self, file: ForeignFile, archive: zipfile.ZipFile) -> None:
        self._file, self._archive = file, archive
        self._members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def names(self) -> list[str]:
        """The names of all arrays."""
        return list(self._members)

    def array(
        self, name: str, types: Sequence[str], dimensions: int | None, at_most: int | None = None
    ) -> NDArray[Any]:
        """The array called `name`, read-only, in native byte order and in C order.

        types: NumPy's names of the types that are allowed, in either byte order, such as "float32";
            "str" stands for texts of any length.
        dimensions: The number of dimensions that is allowed; None allows any.
        at_most: The largest number of elements; None leaves it to `unpacked_limit`.

        Raises `RangeError` when it is missing, damaged, or of another kind.
        """
        file = self._file
        if name not in self._members:
            raise file.refused(f"holds no array {name}", f"one with {name}")
        member = self._members[name]
        try:
            with self._archive.open(member) as stream:
                return file.array_in(stream, member.file_size, name, types, dimensions, at_most)
        except RangeError:
            raise
        except (*_DAMAGED, KeyError, TypeError, RuntimeError) as error:  # encrypted: RuntimeError
            said = str(error)[:200]  # it may hold a name of 65,535 letters
            raise file.refused(f"is damaged at {name}: {said}", "a whole .npz") from None


def _repeated(names: Sequence[str]) -> str | None:
    """Return a name that comes twice. Which of the two counts differs from reader to reader."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _npy_header(stream: Any) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """Type, shape, order and length of the header of a `.npy` file. Raises `ValueError`."""
    from numpy.lib import format as npy

    begin = io.BytesIO(stream.read(10))
    version = npy.read_magic(begin)
    length = 2 if version == (1, 0) else 4
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the array format is unknown")
    first = begin.getvalue()[8:] + stream.read(length - 2)
    size = int.from_bytes(first, "little")
    if size > 10_000:
        raise ValueError(f"an array's header has {size:,} bytes")
    text = stream.read(size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the parser thinks of a text that is no Python
        try:
            shape, transposed, dtype = readers[version](io.BytesIO(first + text))
        except Exception as error:  # rubbish makes Python's tokeniser raise half a dozen types
            raise ValueError(f"an array's header cannot be read: {error}") from None
    return dtype, shape, transposed, 8 + length + size


def _depth(text: str) -> int:
    """How deeply lists and objects are nested in a JSON text."""
    if text.count("[") + text.count("{") <= _NESTED:
        return 0
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", _JSON_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return found
