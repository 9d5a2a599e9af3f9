"""Compiled benches are kept by all that went into them, and lint is an error."""

import pytest

from shotveil.sim.engines import cocotb_build, compilers, verilator
from shotveil.sim.engines.cocotb_build import BlockRunner, build
from shotveil.sim.engines.compilers import Compiler, compiler

BENCH = """`timescale 1ns/1ps
module bench;
  reg clk = 0;
  reg done = 0;
endmodule
"""


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Builds go to a folder of the test; what would be compiled is noted instead."""
    made = []

    def instead(runner, top, texts, options, versions, folder):
        made.append((top, dict(texts), options))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "finished").touch()

    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    monkeypatch.setattr(cocotb_build, "_compile", instead)
    return made


def test_what_was_compiled_once_is_taken_as_it_is(compiled, tmp_path):
    runner, folder = build("bench", "bench", {"bench.v": BENCH}, public=("done",))
    assert isinstance(runner, BlockRunner)
    assert folder.parent == tmp_path / "verilator" and folder.name.startswith("bench-")
    assert build("bench", "bench", {"bench.v": BENCH}, public=("done",))[1] == folder
    assert len(compiled) == 1


def test_all_that_goes_in_makes_a_build_of_its_own(compiled, monkeypatch):
    def folder(name="bench", top="bench", sources=None, **options):
        options.setdefault("public", ("done",))
        return build(name, top, sources or {"bench.v": BENCH}, **options)[1]

    folders = [
        folder(),
        folder(top="other"),
        folder(sources={"bench.v": BENCH + " "}),
        folder(sources={"other.v": BENCH}),
        folder(public=("done", "clk")),
        folder(fast=False),
        folder(name="another"),
    ]
    monkeypatch.setattr(verilator, "version", lambda command: "Verilator 9")
    folders.append(folder())
    monkeypatch.setattr(compilers, "compiler", lambda: Compiler(version="another"))
    folders.append(folder())
    assert len(set(folders)) == len(folders) == len(compiled)


def test_only_what_is_public_is_visible(compiled):
    build("bench", "bench", {"bench.v": BENCH}, public=("done", "clk"))
    top, texts, options = compiled[0]
    assert top == "bench" and set(texts) == {"bench.v", "bench.vlt"}
    assert texts["bench.vlt"].startswith(verilator.waivers())
    for name in ("done", "clk"):
        assert f'public_flat_rw -module "bench" -var "{name}"\n' in texts["bench.vlt"]
    assert "--x-initial" in options and "-Wall" in options
    build("bench", "bench", {"bench.v": BENCH}, public=(), fast=False)
    assert (
        "--x-initial" not in compiled[1][2] and "public_flat_rw" not in compiled[1][1]["bench.vlt"]
    )


def test_the_runner_makes_nothing_else_visible(monkeypatch):
    base = cocotb_build.Verilator
    monkeypatch.setattr(
        base,
        "_build_command",
        lambda self: [["verilator", "--public-flat-rw", "--cc"], ["make", "-C", "x"]],
    )
    runner = BlockRunner()
    runner.reused = ["verilated.o"]
    monkeypatch.setattr(compilers, "compiler", lambda: Compiler())
    assert runner._build_command() == [
        ["verilator", "--cc"],
        ["make", "-C", "x", "-o", "verilated.o"],
    ]
    for clang, named in ((True, []), (False, ["CXX=x++ -pipe", "LINK=x++ -pipe"])):
        by = Compiler("x++ -pipe", clang=clang)
        monkeypatch.setattr(compilers, "compiler", lambda by=by: by)
        verilate, make = runner._build_command()
        assert verilate == ["verilator", "--cc"]
        assert make == ["make", "-C", "x", *named, "-o", "verilated.o"]


def test_what_cxx_names_compiles_and_links(monkeypatch, tmp_path):
    called, compile_ = tmp_path / "called", tmp_path / "compile"
    compile_.write_text(f'#!/bin/sh\necho "$@" >> {called}\nexec c++ "$@"\n')
    compile_.chmod(0o755)
    monkeypatch.setenv("CXX", f"{compile_} -pipe")
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compilers, "compiler", compiler.__wrapped__)
    build("other", "bench", {"generated_bench.v": BENCH}, public=("done",))
    lines = called.read_text().splitlines()
    assert any("-c " in line and line.startswith("-pipe") for line in lines)
    assert any("-o bench" in line and line.startswith("-pipe") for line in lines)


@pytest.fixture
def verilated(tmp_path, monkeypatch):
    """Verilator's part is played: it logs what it is told to, or fails."""
    says = {"log": "", "error": None, "kept": [], "calls": 0}

    def compiled(runner, *, build_dir, log_file, sources, hdl_toplevel, build_args, **_):
        says["calls"] += 1
        assert build_dir == log_file.parent and hdl_toplevel == "bench"
        assert {file.name for file in sources} == {"bench.v", "bench.vlt"}
        assert all(file.is_file() for file in sources) and "-Wall" in build_args
        log_file.write_text(says["log"])
        if says["error"]:
            raise says["error"]

    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    monkeypatch.setattr(BlockRunner, "build", compiled)
    monkeypatch.setattr(verilator, "fetch_runtime", lambda runtime, folder: ["verilated.o"])
    monkeypatch.setattr(verilator, "keep_runtime", lambda *where: says["kept"].append(where))
    return says


def test_a_build_keeps_its_runtime_for_others(verilated, tmp_path):
    runner, folder = build("bench", "bench", {"bench.v": BENCH}, public=("done",))
    assert runner.reused == ["verilated.o"] and (folder / "finished").exists()
    ((runtime, kept),) = verilated["kept"]
    assert (
        kept == folder
        and runtime.parent == tmp_path / "verilator"
        and runtime.name.startswith("runtime-")
    )


def test_a_warning_fails_the_build_each_time(verilated):
    verilated["log"] = "%Warning-WIDTH: bench.v:4: too narrow\n"
    for attempt in (1, 2):
        with pytest.raises(RuntimeError, match="WIDTH"):
            build("bench", "bench", {"bench.v": BENCH}, public=("done",))
        assert verilated["calls"] == attempt and not verilated["kept"]


@pytest.mark.parametrize("error", [SystemExit(1), RuntimeError("no")])
def test_a_build_that_fails_says_what_verilator_said(verilated, error, tmp_path):
    verilated["log"], verilated["error"] = "x" * 5000 + "syntax error", error
    with pytest.raises(RuntimeError, match=r"verilator failed:\nx+syntax error") as found:
        build("bench", "bench", {"bench.v": BENCH}, public=("done",))
    assert len(str(found.value)) < 4100
    (left,) = (tmp_path / "verilator").glob("bench-*/bench.v")
    half = left.with_name("Vtop__ALL.cpp")  # which make would take for whole
    half.touch()
    verilated["error"] = None
    verilated["log"] = ""
    _, folder = build("bench", "bench", {"bench.v": BENCH}, public=("done",))
    assert verilated["calls"] == 2 and folder == half.parent and not half.exists()
