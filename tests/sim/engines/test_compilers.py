import os
import shutil
import sys

import pytest

from shotveil.sim.engines import compilers
from shotveil.sim.engines.compilers import Compiler, _clangs, compiler, has_headers


def script(folder, name, text="exit 1"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_cxx_decides_and_its_arguments_stay_with_it(monkeypatch):
    monkeypatch.setenv("CXX", "g++ -pipe")
    found = compiler.__wrapped__()
    assert (found.command, found.clang) == ("g++ -pipe", False)
    assert found.version.startswith("g++")
    assert found.options == ["-MAKEFLAGS", "'CXX=g++ -pipe'", "-MAKEFLAGS", "'LINK=g++ -pipe'"]
    assert found.call == ["g++", "-pipe"]


@pytest.mark.parametrize(("system", "links"), [("linux", True), ("darwin", False)])
def test_clang_links_with_gccs_library_where_there_is_one(monkeypatch, system, links):
    monkeypatch.setattr(sys, "platform", system)
    assert ("-latomic" in Compiler("clang++", clang=True).options) == links
    assert "-latomic" not in Compiler("g++").options


def test_what_cannot_be_run_is_taken_where_it_is_asked_for(monkeypatch):
    """The build then says that it is not there."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = compiler.__wrapped__()
    assert found.command == "no-such-compiler" and not found.clang


def test_a_clang_that_compiles_nothing_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    others = _clangs()
    for name in ("clang++-97", "clang++-98", "clang++", "clang++.exe", "clang++-98-old"):
        script(tmp_path, name)
    assert _clangs()[:2] == ["clang++-98", "clang++-97"] and _clangs()[-1] == "clang++"
    found = compiler.__wrapped__()
    assert found.command in ("", *others)
    script(tmp_path, "clang++-97", "echo clang version 97")  # seems to work
    assert compiler.__wrapped__() == Compiler("clang++-97", "clang version 97", clang=True)


def test_the_default_is_what_make_takes(monkeypatch, tmp_path):
    """Without Clang on the path nothing is named, so that the makefile's own choice stays."""
    monkeypatch.delenv("CXX", raising=False)
    (tmp_path / "c++").symlink_to(shutil.which("c++"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = compiler.__wrapped__()
    assert found.command == "" and found.version and found.options == []
    assert found.call == ["c++"]


def test_headers_are_those_that_the_compiler_finds_with_its_arguments(monkeypatch, tmp_path):
    (tmp_path / "only_here.h").touch()
    for command, there in (("g++", False), (f"g++ -I{tmp_path}", True), ("no-such", False)):
        monkeypatch.setattr(compilers, "compiler", lambda by=command: Compiler(by))
        assert has_headers.__wrapped__("string", "only_here.h") == there
        assert has_headers.__wrapped__("string") == (command != "no-such")
