"""A computed result survives the terminal, and no error of the machine is a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shotveil.models.networks.network import Layer, Network

SHOTVEIL = Path(sys.executable).with_name("shotveil")
INFER = "infer --gain 1.3 --f2 2.4 --images 5"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(arguments, before="", after="", **environment):
    done = subprocess.run(
        ["bash", "-c", f"{before} '{SHOTVEIL}' {arguments} {after}"],
        capture_output=True,
        env={**os.environ, **environment},
    )
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        ASCII,
        {"COLUMNS": "40"},
        {"NO_COLOR": "1"},
        {"http_proxy": "http://127.0.0.1:9"},
        {"HOME": "/proc"},
    ],
    ids=str,
)
def test_the_result_is_printed_and_the_same(environment):
    code, out, err = run(INFER, **environment)
    assert code == 0
    assert not err or "matplotlib" in err  # tells that it keeps its cache elsewhere
    # Five images: the share that is right does not depend on the terminal.
    assert run(INFER)[1].split(b"of")[0].split()[-1] in out


def test_a_name_that_looks_like_markup_is_printed_as_it_is(tmp_path):
    layer = Layer(np.random.default_rng(1).normal(size=(10, 784)))
    Network("a[/b]c", (layer,)).save(tmp_path / "net.npz")
    code, out, _ = run(f"{INFER} --network {tmp_path}/net.npz")
    assert code == 0 and b"a[/b]c" in out


def test_a_full_disk_is_one_line_and_files_come_first(tmp_path):
    code, _, err = run(f"{INFER} --report {tmp_path}/r.html", after=">/dev/full")
    assert code == 2 and err.count("\n") == 1 and "No space left on device" in err
    assert (tmp_path / "r.html").stat().st_size > 10_000
    code, _, err = run(f"{INFER} --report {tmp_path}/s.html", before="ulimit -f 8;")
    assert code == 2 and err.count("\n") == 1 and "File too large" in err
    assert not (tmp_path / "s.html").exists()


def test_a_value_that_overflows_is_refused():
    code, out, err = run(
        "leakage --gain 1.3 --photons 6 --modes 392 --rows 784 --excess-noise 1e300 --json"
    )
    assert (code, out) == (2, b"") and "outside [0, 1e+06]" in err and err.count("\n") == 1


def test_a_bug_says_how_to_report_it():
    program = (
        "from shotveil.host.commands import cli; cli.cli.main = lambda *a, **k: 1 / 0; cli.main([])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 70 and done.stderr.count("\n") == 1
    assert "please report it" in done.stderr and "ZeroDivisionError" in done.stderr
