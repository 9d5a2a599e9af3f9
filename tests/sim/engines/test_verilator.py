"""Builds by processes that want the same design at once."""

import importlib.metadata
import threading
import time
from types import SimpleNamespace

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines import cocotb_build, shared_library, verilator


@pytest.fixture
def slowly(monkeypatch, tmp_path):
    """Stands for compilers: each takes a while, and notes what it made."""
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    made = []

    def compiles(runner, top, texts, options, versions, folder):
        time.sleep(0.2)
        folder.mkdir(exist_ok=True)
        (folder / "finished").touch()
        made.append(folder)

    def builds(path, texts, versions, by):
        time.sleep(0.2)
        path.touch()
        made.append(path)

    monkeypatch.setattr(cocotb_build, "_compile", compiles)
    monkeypatch.setattr(shared_library, "_build", builds)
    return made


def at_once(build, *designs):
    threads = [threading.Thread(target=build, args=(design,)) for design in designs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    "build",
    [
        lambda text: cocotb_build.build("one", "top", {"generated_top.v": text}, public=()),
        lambda text: shared_library._compile("one", {"generated_top.v": text}),
    ],
    ids=["bench", "library"],
)
def test_a_design_is_built_once_however_many_want_it(slowly, build):
    at_once(build, "a", "b", "a", "a")
    assert len(slowly) == 2 and len(set(slowly)) == 2


def test_builds_are_kept_in_the_user_s_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    assert verilator.builds() == tmp_path / "verilator"
    assert verilator.builds().is_dir()


def test_a_cache_that_make_cannot_build_in_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "my cache"))
    with pytest.raises(RangeError, match=r"my cache/verilator has a space.*set SHOTVEIL_CACHE"):
        shared_library._compile("one", {})


def installed(monkeypatch, found):
    """No Verilator on PATH, and the package's folder as given, or none."""

    def distribution(name):
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return SimpleNamespace(locate_file=lambda file: found / file)

    monkeypatch.setattr(verilator.shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.metadata, "distribution", distribution)


def test_an_environment_that_make_cannot_build_from_is_refused(monkeypatch, tmp_path):
    installed(monkeypatch, tmp_path / "my project")
    with pytest.raises(RangeError, match=r"my project/verilator has a space"):
        verilator.executable()
    installed(monkeypatch, tmp_path / "project")
    assert verilator.executable()[0] == tmp_path / "project/verilator/bin/verilator"


def test_a_missing_compiler_names_the_extra(monkeypatch):
    installed(monkeypatch, None)
    with pytest.raises(ModuleNotFoundError, match=r"5\.036.*shotveil\[rtl\].*make setup-rtl"):
        verilator.executable()


def test_the_cause_of_a_failed_build_is_one_line():
    log = "make: go\nGNU Make builds don't allow spaces\n%Error: cannot find x\nmore\n"
    assert verilator.cause(log) == "%Error: cannot find x"
    assert verilator.cause("a\nb\n\n") == "b"
    assert verilator.cause("") == "nothing was said"
