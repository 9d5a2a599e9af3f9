"""Builds by processes that want the same design at once."""

import threading
import time

import pytest

from shotveil.sim.engines import cocotb_build, shared_library


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

    def builds(path, texts, versions, training):
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
        lambda text: shared_library._compile("one", {"generated_top.v": text}, None),
    ],
    ids=["bench", "library"],
)
def test_a_design_is_built_once_however_many_want_it(slowly, build):
    at_once(build, "a", "b", "a", "a")
    assert len(slowly) == 2 and len(set(slowly)) == 2
