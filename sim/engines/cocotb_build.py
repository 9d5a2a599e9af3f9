"""Compile Verilog with Verilator for cocotb, once for each distinct source text."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cocotb_tools.runner import Verilator

from shotveil.sim.engines import verilator
from shotveil.sim.engines.compilers import bench_compiler
from shotveil.sim.engines.waiting import waiting

# A bench runs for a second or two, and compiling it is what takes time. So all of it is compiled as
# one file, which spares the two precompiled headers, and with little optimisation.
OPTIONS = ("-O3", "--timing", "-Wall", "-Wno-fatal", "--output-split", "0", "-CFLAGS", "-O1")


class BlockRunner(Verilator):
    """cocotb's Verilator runner without `--public-flat-rw`.

    That option makes every signal of the design visible and costs a factor of three in speed; a
    block-mode bench needs only its own few variables, which a control file names. The hook is
    private to cocotb, whose minor version is therefore pinned.
    """

    def __init__(self) -> None:
        super().__init__()
        self._command, self._extra = verilator.executable()
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
        verilate = [word for word in verilate if word != "--public-flat-rw"]
        old = [option for name in self.reused for option in ("-o", name)]
        return [verilate, make + bench_compiler().named + old]


def build(
    name: str,
    top: str,
    sources: Mapping[str, str],
    *,
    public: tuple[str, ...],
    fast: bool = True,
    waves: bool = False,
) -> tuple[BlockRunner, Path]:
    """Compile Verilog texts (file name → text) with module `top`; return the runner and the folder.

    `public` are the variables of `top` that cocotb may access. `fast` skips the randomised start
    values, which only help to find reads of uninitialised registers. With `waves`, a run can write
    the waves of all signals, as FST where zlib and lz4 have their headers, else as VCD. A file
    named generated_*.v is exempt from the lint rules on style, and a file named library_*.v, which
    others wrote, from all lint rules. The folder's name contains a hash of all inputs, and an
    earlier build of the same inputs is used again.
    """
    control = verilator.waivers()
    control += "".join(f'public_flat_rw -module "{top}" -var "{v}"\n' for v in public)
    options = list(OPTIONS)
    if fast:
        options += ["--x-assign", "fast", "--x-initial", "fast"]
    if waves:
        options += ["--trace-fst" if verilator.writes_fst() else "--trace", "--trace-structs"]
    command, _ = verilator.executable()
    texts = {**sources, "bench.vlt": control}
    versions = (
        f"{command} {verilator.version(str(command))} {bench_compiler().version} "
        f"cocotb {importlib.metadata.version('cocotb')}"
    )
    hashed = verilator.digest(top, *options, versions, *texts.keys(), *texts.values())
    folder = verilator.builds() / f"{name}-{hashed}"
    runner = BlockRunner()
    with waiting(f"Verilator to build {name}"), verilator.alone(folder):
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
    waves = any(option.startswith("--trace") for option in options)
    # What an earlier build left that was cut short would be taken for whole.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file, text in texts.items():
        (folder / file).write_text(text)
    log = folder / "build.log"
    # Verilator's runtime library is the same for every design and most of the compile time.
    kind = ("waves", *options) if waves else ()  # objects that can trace are others
    runtime = verilator.builds() / f"runtime-{verilator.digest(versions, *kind)}"
    runner.reused += verilator.fetch_runtime(runtime, folder)
    try:
        runner.build(
            sources=[folder / file for file in texts],
            hdl_toplevel=top,
            build_dir=folder,
            build_args=options,
            timescale=("1ns", "1ps"),
            always=True,
            waves=waves,
            log_file=log,
        )
    except (SystemExit, RuntimeError, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            f"verilator failed:\n{log.read_text(errors='replace')[-4000:]}"
        ) from error
    try:
        verilator.refuse_warnings(log.read_text(errors="replace"))
    except RuntimeError:
        shutil.rmtree(folder)  # otherwise a second attempt would find it built, and not warn again
        raise
    verilator.keep_runtime(runtime, folder)
    (folder / "finished").touch()
