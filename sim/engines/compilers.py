"""The C++ compiler of this machine.

A simulated node is one long stretch of code that is executed in every clock. Clang compiles it in
less time than GCC, and the result is two fifths faster. So Clang is taken where it is complete. The
environment's CXX decides if it is set.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SECONDS = 20.0  # for a compiler to answer, or to compile three lines
# What a design needs: a class of the standard library, and an atomic number.
TRIAL = """#include <atomic>
#include <string>
std::string text;
std::atomic<__int128> number;
extern "C" bool f() { return number.is_lock_free(); }
"""


@dataclass(frozen=True)
class Compiler:
    """A compiler of C++.

    command: How it is called, with arguments in front of others; empty for what make takes.
    version: The first line of what it says of itself, which tells what was compiled by another.
    clang: Whether its ways are those of Clang.
    """

    command: str = ""
    version: str = ""
    clang: bool = False

    @property
    def named(self) -> list[str]:
        """Arguments of make by which Verilator's makefile calls this compiler."""
        return [f"{name}={self.command}" for name in ("CXX", "LINK") if self.command]

    @property
    def options(self) -> list[str]:
        """Options of Verilator by which its makefile calls this compiler and what it links with."""
        named = [option for each in self.named for option in ("-MAKEFLAGS", shlex.quote(each))]
        # On Linux, Clang leaves some atomic operations to GCC's library.
        return named + (["-LDFLAGS", "-latomic"] if self.clang and sys.platform == "linux" else [])

    @property
    def call(self) -> list[str]:
        """The command and its arguments where it is called without make."""
        return shlex.split(self.command) or ["c++"]


@functools.cache
def compiler() -> Compiler:
    """Return the compiler that CXX names, or else a complete Clang, or else what make takes.

    It is found once for a process.
    """
    asked = os.environ.get("CXX", "")
    if asked:
        return _known(asked, _is_clang(asked))
    for command in _clangs():
        found = _known(command, clang=True)
        if _works(found):
            return found
    return _known("", _is_clang("c++"))


def bench_compiler() -> Compiler:
    """The compiler of cocotb's benches: that of all builds, unless it is Clang.

    A bench waits in coroutines, for which Verilator's makefile has the option of GCC alone.
    """
    found = compiler()
    return Compiler() if found.clang else found


@functools.cache
def has_headers(*names: str) -> bool:
    """Whether the compiler of benches finds these headers."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "headers.cpp"
        file.write_text("".join(f"#include <{name}>\n" for name in names))
        return _said([*bench_compiler().call, "-E", str(file)])[0] == 0


def _clangs() -> list[str]:
    """Return the names of Clang on the path, the newest version first."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    names = {path.name for folder in folders for path in folder.glob("clang++*")}
    numbered = [name for name in names if re.fullmatch(r"clang\+\+(-\d+)?", name)]
    return sorted(numbered, key=lambda name: int("0" + name[8:]), reverse=True)


def _known(command: str, clang: bool) -> Compiler:
    found = Compiler(command, clang=clang)
    line = _said([*found.call, "--version"])[1].partition("\n")[0]
    return replace(found, version=line)


def _is_clang(command: str) -> bool:
    """Return whether a compiler is Clang, by the macros that it defines."""
    return "__clang__" in _said([*shlex.split(command), "-dM", "-E", "-x", "c++", os.devnull])[1]


def _works(found: Compiler) -> bool:
    """Whether a compiler finds its headers and libraries."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "trial.cpp").write_text(TRIAL)
        command = [*found.call, "-std=gnu++20", "-shared", "-fPIC", "trial.cpp"]
        return _said([*command, "-latomic", "-o", "trial.so"], Path(name))[0] == 0


def _said(command: Sequence[str], folder: Path | None = None) -> tuple[int, str]:
    """Return the exit code and all output of a command; 127 where it cannot be run."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        return 127, str(error)
    return done.returncode, done.stdout + done.stderr
