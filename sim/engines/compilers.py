"""The C++ compiler of this machine, and how it arranges code by a profile.

A simulated node is one long stretch of code that is executed in every clock and does not fit a
processor's first-level cache. Clang compiles it in less time than GCC, and the result is two fifths
faster; a profile of a run helps both. So Clang is taken where it is complete. The environment's
CXX decides if it is set.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shotveil.models.common.checks import RangeError

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
    kind: `gcc` or `clang` where it can use a profile, by whose ways; `other` where it cannot.
    merger: Clang's tool that makes one profile of recorded ones.
    """

    command: str = ""
    version: str = ""
    kind: Literal["gcc", "clang", "other"] = "other"
    merger: str = ""

    @property
    def trains(self) -> bool:
        """Whether it can record a profile and use it."""
        return self.kind == "gcc" or (self.kind == "clang" and bool(self.merger))

    @property
    def options(self) -> list[str]:
        """Options of Verilator by which its makefile calls this compiler and what it links with."""
        named = [shlex.quote(f"{name}={self.command}") for name in ("CXX", "LINK") if self.command]
        # On Linux, Clang leaves some atomic operations to GCC's library.
        apart = self.kind == "clang" and sys.platform == "linux"
        link = ["-LDFLAGS", "-latomic"] if apart else []
        return [option for each in named for option in ("-MAKEFLAGS", each)] + link

    def watched(self, folder: Path) -> str:
        """Flags of code that writes a profile into a folder when its process ends."""
        if self.kind == "clang":
            return f"-fprofile-instr-generate={folder}/run.profraw"
        return "-fprofile-generate -fprofile-update=single"

    def informed(self, folder: Path) -> str:
        """Flags of code that is arranged by the profile that was written into the folder.

        Raises `RangeError` if there is none that the compiler can read.
        """
        if self.kind != "clang":
            return "-fprofile-use -Wno-missing-profile"
        merged = folder / "run.profdata"
        _, said = _said([self.merger, "merge", "-o", str(merged), f"{folder}/run.profraw"])
        if not merged.exists():
            raise RangeError(f"{self.merger} made no profile: {said}; allowed: one of Clang's own")
        return f"-fprofile-instr-use={merged}"


@functools.cache
def compiler() -> Compiler:
    """Return the compiler that CXX names, or else a complete Clang, or else what make takes.

    It is found once for a process.
    """
    asked = os.environ.get("CXX", "")
    if asked:
        return _known(asked, _kind(asked))
    for command in _clangs():
        found = _known(command, "clang")
        if found.trains and _works(found):
            return found
    return _known("", _kind("c++"))


def _clangs() -> list[str]:
    """Return the names of Clang on the path, the newest version first."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    names = {path.name for folder in folders for path in folder.glob("clang++*")}
    numbered = [name for name in names if re.fullmatch(r"clang\+\+(-\d+)?", name)]
    return sorted(numbered, key=lambda name: int("0" + name[8:]), reverse=True)


def _known(command: str, kind: Literal["gcc", "clang", "other"]) -> Compiler:
    line = _said([*shlex.split(command or "c++"), "--version"])[1].partition("\n")[0]
    suffix = command[len("clang++") :] if command.startswith("clang++") else ""
    merger = shutil.which(f"llvm-profdata{suffix}") if kind == "clang" else None
    return Compiler(command, line, kind, merger or "")


def _kind(command: str) -> Literal["gcc", "clang", "other"]:
    """Return whose ways a compiler follows, by the macros that it defines."""
    _, known = _said([*shlex.split(command), "-dM", "-E", "-x", "c++", os.devnull])
    if "__clang__" in known:
        return "clang"
    return "gcc" if "__GNUC__" in known else "other"


def _works(found: Compiler) -> bool:
    """Whether a compiler finds its headers and libraries, those of profiles included."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "trial.cpp").write_text(TRIAL)
        flags = shlex.split(found.watched(Path(name)))
        command = [found.command, "-std=gnu++20", "-shared", "-fPIC", *flags, "trial.cpp"]
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
