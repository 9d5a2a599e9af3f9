"""Backends come from entry points: ours, and those of any other package."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shotveil.host.run import backends
from shotveil.host.run.backends import InferenceTask, backend_named, backend_names
from shotveil.host.run.optics import optics
from shotveil.models.common.checks import RangeError

ROOT = Path(__file__).parents[3]


def test_the_names_are_those_of_this_package():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert (
        set(backend_names())
        == set(declared[backends.GROUP])
        == {"optics", "model", "parties", "rtl"}
    )
    assert backend_named("optics") is optics


def test_a_name_that_nobody_offers_is_refused():
    with pytest.raises(RangeError, match=r"backend = 'none' is none of .*optics"):
        backend_named("none")


def test_what_a_task_takes_for_granted(small_network):
    task = InferenceTask(small_network, None, None, 1)
    assert not task.symbol_level and task.impairments == "realistic"
    task.progress(3)


FOREIGN = '''
import numpy as np
from shotveil.host.run.backends import InferenceResult
from shotveil.host.run.inference import Inference


def sure(task):
    """Sees in the dark: always the class 7."""
    outputs = np.zeros((len(task.images), task.network.outputs))
    outputs[:, 7] = task.seed
    task.progress(len(task.images))
    return InferenceResult(Inference(outputs, ()), task.link.with_f2(9.0), True, {"lamp": 1})
'''


def test_another_package_adds_one(tmp_path):
    (tmp_path / "lamps.py").write_text(FOREIGN)
    about = tmp_path / "lamps-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lamps\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{backends.GROUP}]\nlamp = lamps:sure\n")

    program = "from shotveil.host.commands.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "infer", "--network", "mnist", "--images", "50"]
        + ["--gain", "1.3", "--photons", "6", "--backend", "lamp", "--seed", "3", "--json"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["backend"] == "lamp" and summary["symbol_level"] is True
    assert summary["calibration"] == {"lamp": 1}
    assert summary["f2"] == pytest.approx(9)  # the link that it declares
    assert 0 < summary["accuracy"] < 0.3
