import os
import shutil
import sys

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.compilers import Compiler, _clangs, compiler


def script(folder, name, text="exit 1"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_cxx_decides_and_its_arguments_stay_with_it(monkeypatch):
    monkeypatch.setenv("CXX", "g++ -pipe")
    found = compiler.__wrapped__()
    assert (found.command, found.kind, found.trains) == ("g++ -pipe", "gcc", True)
    assert found.version.startswith("g++")
    assert found.options == ["-MAKEFLAGS", "'CXX=g++ -pipe'", "-MAKEFLAGS", "'LINK=g++ -pipe'"]


@pytest.mark.parametrize(("system", "links"), [("linux", True), ("darwin", False)])
def test_clang_links_with_gccs_library_where_there_is_one(monkeypatch, system, links):
    monkeypatch.setattr(sys, "platform", system)
    assert ("-latomic" in Compiler("clang++", kind="clang").options) == links
    assert "-latomic" not in Compiler("g++", kind="gcc").options


def test_what_cannot_be_run_trains_nothing(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not compiler.__wrapped__().trains


def test_a_clang_that_compiles_nothing_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    others = _clangs()
    for name in ("clang++-97", "clang++-98", "clang++", "clang++.exe", "clang++-98-old"):
        script(tmp_path, name)
    assert _clangs()[:2] == ["clang++-98", "clang++-97"] and _clangs()[-1] == "clang++"
    script(tmp_path, "llvm-profdata-98")
    script(tmp_path, "clang++-97", "echo clang version 97")  # works, and has no tool for profiles
    found = compiler.__wrapped__()
    assert found.command in ("", *others) and found.kind != "other"


def test_clang_needs_its_tool_for_profiles(tmp_path):
    assert not Compiler("clang++", kind="clang").trains
    script(tmp_path, "merge", "echo the file is damaged")
    one = Compiler("clang++", kind="clang", merger=str(tmp_path / "merge"))
    assert one.trains and one.watched(tmp_path).endswith(f"={tmp_path}/run.profraw")
    with pytest.raises(RangeError, match="made no profile: the file is damaged"):
        one.informed(tmp_path)
    script(tmp_path, "merge", 'cp "$4" "$3"')
    (tmp_path / "run.profraw").write_text("counts")
    assert one.informed(tmp_path) == f"-fprofile-instr-use={tmp_path}/run.profdata"
    assert (tmp_path / "run.profdata").read_text() == "counts"


def test_the_default_is_what_make_takes(monkeypatch, tmp_path):
    """Without Clang on the path nothing is named, so that the makefile's own choice stays."""
    monkeypatch.delenv("CXX", raising=False)
    (tmp_path / "c++").symlink_to(shutil.which("c++"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = compiler.__wrapped__()
    assert found.command == "" and found.version and found.options == []
