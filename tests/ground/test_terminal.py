"""A computed result survives the terminal, and no error of the machine is a traceback."""

import functools
import json
import os
import shutil
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


@functools.cache
def undisturbed():
    return run(INFER)[1].split(b"of")[0].split()[-1]


def test_a_working_folder_that_was_removed_is_named(tmp_path):
    gone = f"mkdir '{tmp_path}/gone'; cd '{tmp_path}/gone'; rmdir '{tmp_path}/gone';"
    assert undisturbed() in run(INFER, gone)[1]  # which needs none
    code, _, err = run("ledger init a.db", gone)
    assert code == 2 and "No such file or directory" in err
    code, out, _ = run("doctor", gone)
    assert code == 1 and b"BAD   working folder: none: No such file" in out
    code, _, err = run("figures --out f", gone)
    assert code == 2 and err.startswith("shotveil: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        ASCII,
        {"COLUMNS": "40"},
        {"COLUMNS": "0"},  # some consoles say so
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONWARNINGS": "error"},
        {"TERM": "dumb"},
        {"TMPDIR": "/nonexistent"},
        {"OMP_NUM_THREADS": "0"},
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
    assert undisturbed() in out


@pytest.mark.parametrize(
    "before",
    [
        "ulimit -n 24;",  # few file handles
        "taskset -c 0",
        "mkdir gone; cd gone; rmdir ../gone;",
        "echo 'raise SystemExit(9)' > numpy.py; cp numpy.py models.py; cp numpy.py json.py;",
    ],
)
def test_the_place_and_its_limits_do_not_matter(tmp_path, before):
    if "taskset" in before and shutil.which("taskset") is None:
        pytest.skip("taskset is not there")
    code, out, err = run(INFER, before=f"cd {tmp_path}; {before}")
    assert code == 0 and b"of 5 images right" in out, err


def test_a_decimal_comma_changes_no_number(tmp_path):
    place = tmp_path / "de_DE.UTF-8"
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", place], capture_output=True
    )
    if not made or not place.exists():
        pytest.skip("no German locale can be made")
    code, out, _ = run(f"{INFER} --json", LC_ALL="de_DE.UTF-8", LOCPATH=str(tmp_path))
    assert code == 0 and json.loads(out)["gain"] == 1.3


def test_streams_that_are_closed_take_nothing_else(tmp_path):
    """A file that is opened in place of standard output would get whatever is printed."""
    report = tmp_path / "r.html"
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        code, _, err = run(f"{INFER} --report {report}", after=closed)
        assert code == 0 and not err
        assert report.read_text().rstrip().endswith("</html>")
        report.unlink()


@pytest.mark.parametrize("many", ["infer --help", "device info model:server", "registers"])
def test_a_reader_that_leaves_ends_a_command_quietly(many):
    code, out, err = run(many, after="| head -1; exit ${PIPESTATUS[0]}")
    assert code in (0, 141) and out.count(b"\n") == 1 and not err


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
