"""Small files of many kinds, and the numbers that magika's model takes of a file."""

import csv
import gzip
import io
import json
import struct
import tarfile
import wave
import zipfile
import zlib

import numpy as np

WORDS = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india"]


def files_of_many_kinds(each, seed=1):
    """Pairs of magika's name for a kind and the bytes of a file, `each` files of every kind."""
    rng = np.random.default_rng(seed)
    return [(kind, make(rng)) for kind, make in _KINDS.items() for _ in range(each)]


def tokens(data, size=1024, block=4096, padding=256):
    """The first and the last bytes of a file without white space at its ends, and padding."""
    first = list(data[:block].lstrip()[:size])
    last = list(data[-block:].rstrip()[-size:])
    return first + [padding] * (2 * size - len(first) - len(last)) + last


def _name(rng):
    return "_".join(rng.choice(WORDS, 2))


def _many(rng, line, low=12, high=40):
    return "\n".join(line(rng) for _ in range(rng.integers(low, high))) + "\n"


def _python(rng):
    def function(rng):
        name, first, second = _name(rng), *rng.choice(WORDS, 2, replace=False)
        return (
            f"def {name}(self, {first}: int, {second}=None) -> str:\n"
            f'    """Return the {first}."""\n'
            f"    for item in range({first}):\n"
            f"        if item % {rng.integers(2, 9)}:\n            print(f'{{item}}')\n"
            f"    return {second} or ''\n\n"
        )

    return f"import os\nfrom {_name(rng)} import Thing\n\n\n{_many(rng, function)}".encode()


def _c(rng):
    def function(rng):
        name = _name(rng)
        return (
            f"static int {name}(const char *s, size_t n)\n{{\n\tint i;\n"
            f"\tfor (i = 0; i < n; i++)\n\t\tif (s[i] == '{rng.choice(list('abcde'))}')\n"
            f'\t\t\tprintf("%d\\n", i);\n\treturn {rng.integers(0, 99)};\n}}\n'
        )

    head = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n"
    return (head + _many(rng, function)).encode()


def _java(rng):
    def method(rng):
        return (
            f"    public static int {_name(rng)}(List<String> given) {{\n"
            f"        for (String one : given) {{ System.out.println(one); }}\n"
            f"        return {rng.integers(0, 99)};\n    }}\n"
        )

    head = f"package org.example.{rng.choice(WORDS)};\n\nimport java.util.List;\n\n"
    return (head + f"public class Main {{\n{_many(rng, method)}}}\n").encode()


def _json(rng):
    return json.dumps(
        [{_name(rng): int(rng.integers(99)), "name": _name(rng)} for _ in range(40)], indent=2
    ).encode()


def _csv(rng):
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["id", "name", "size", "share", "place"])
    for number in range(rng.integers(40, 90)):
        out.writerow([number, _name(rng), rng.integers(1000), f"{rng.random():.3f}", _name(rng)])
    return text.getvalue().encode()


def _html(rng):
    body = _many(rng, lambda rng: f"<p class='{_name(rng)}'>{' '.join(rng.choice(WORDS, 9))}</p>")
    head = f"<title>{_name(rng)}</title><style>p {{ margin: 1em; }}</style>"
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{body}</body></html>\n".encode()


def _xml(rng):
    body = _many(
        rng, lambda rng: f'  <item id="{rng.integers(99)}"><name>{_name(rng)}</name></item>'
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<items>\n{body}</items>\n'.encode()


def _shell(rng):
    body = _many(
        rng,
        lambda rng: (
            f'if [ -f "${{{rng.choice(WORDS).upper()}}}/{_name(rng)}" ]; then\n'
            f'    echo "$1" | grep -v {_name(rng)} > /dev/null || exit 1\nfi'
        ),
    )
    return f"#!/bin/bash\nset -euo pipefail\n\n{body}".encode()


def _sql(rng):
    def statement(rng):
        name, other = _name(rng), _name(rng)
        return (
            f"INSERT INTO {name} (id, name) VALUES ({rng.integers(99)}, '{other}');\n"
            f"SELECT * FROM {other} WHERE id > {rng.integers(9)} ORDER BY name;"
        )

    return _many(rng, statement).encode()


def _css(rng):
    return _many(
        rng,
        lambda rng: (
            f".{_name(rng)} > a:hover {{\n  color: #{rng.integers(4096):03x};\n"
            f"  margin: {rng.integers(9)}px auto;\n  display: flex;\n}}"
        ),
    ).encode()


def _png(rng):
    width = int(rng.integers(20, 60))
    rows = b"".join(b"\0" + rng.bytes(3 * width) for _ in range(width))

    def chunk(kind, data):
        named = kind + data
        return struct.pack(">I", len(data)) + named + struct.pack(">I", zlib.crc32(named))

    header = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _zip(rng):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for _ in range(rng.integers(2, 6)):
            out.writestr(f"{_name(rng)}_{rng.integers(99)}.bin", rng.bytes(900))
    return buffer.getvalue()


def _tar(rng):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for _ in range(rng.integers(2, 6)):
            info = tarfile.TarInfo(_name(rng))
            info.size = 700
            out.addfile(info, io.BytesIO(rng.bytes(700)))
    return buffer.getvalue()


def _wav(rng):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes((3000 * rng.normal(size=3000)).astype("<i2").tobytes())
    return buffer.getvalue()


_KINDS = {
    "python": _python, "c": _c, "java": _java, "json": _json, "csv": _csv, "html": _html,
    "xml": _xml, "shell": _shell, "sql": _sql, "css": _css, "png": _png, "zip": _zip, "tar": _tar,
    "wav": _wav, "gzip": lambda rng: gzip.compress(rng.bytes(3000)),
}  # fmt: skip
