"""Where the code lies and how its processes start make no difference."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN = "from shotveil.host.commands.cli import main; main()"
LONG = "SHOTVEIL_MUTATIONS" in os.environ  # of `make test-ground`


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, copied_package):
    """A copy of the package in a folder that has a space, umlauts and a letter beyond latin-1."""
    folder = tmp_path_factory.mktemp("ground") / "Gerät für Ω mit Leerstelle"
    copied_package(folder)
    return folder


def run(folder, arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_copy_is_what_runs(elsewhere):
    program = "import shotveil.host.run.run as run; print(run.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(elsewhere), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert Path(done.stdout.strip()) == elsewhere / "shotveil/host/run/run.py"


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_a_path_with_a_space_and_umlauts_runs_and_keeps_files(elsewhere, locale):
    strange = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, out, err = run(
        elsewhere, "infer --gain 1.3 --f2 2.4 --images 5 --report Bericht.html", **strange
    )
    assert code == 0 and "of 5 images right" in out, err
    report = elsewhere / "Bericht.html"
    assert report.read_text(encoding="utf-8").rstrip().endswith("</html>")
    code, out, err = run(elsewhere, "device selftest model:server", **strange)
    assert code == 0 and "18 of 18 checks passed" in out, err


def test_a_cache_where_make_cannot_build_is_refused_by_name(elsewhere):
    cache = elsewhere / "cache"
    code, out, err = run(elsewhere, "device selftest rtl:server", SHOTVEIL_CACHE=str(cache))
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "has a space in its name" in err and "SHOTVEIL_CACHE" in err


@pytest.mark.skipif(not LONG, reason="a build of its own, of a minute: make test-ground")
def test_gateware_is_built_and_runs_below_such_a_path(elsewhere, tmp_path):
    code, out, err = run(
        elsewhere, "device selftest rtl:server", SHOTVEIL_CACHE=str(tmp_path / "Gerät-Ω")
    )
    assert code == 0 and "18 of 18 checks passed" in out, err


START = """
import multiprocessing, sys

def accuracy(seed):
    from shotveil import Link
    from shotveil.host.run.run import run
    from shotveil.models.networks.network import load_network
    return run(load_network("mnist-head"), Link(gain=1.3, photons=6), images=20, seed=seed).summary

if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        found = pool.map(accuracy, [1, 2])
    here = [accuracy(seed) for seed in (1, 2)]
    assert [one["accuracy"] for one in found] == [one["accuracy"] for one in here]
    assert found[0]["transmittance"] == here[0]["transmittance"]
    print("same")
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_may_start_in_any_way(tmp_path, method):
    (tmp_path / "start.py").write_text(START)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "start.py"), method],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "same\n"), done.stderr
