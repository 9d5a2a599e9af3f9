"""The command line as a script or a person uses it, through main() and through a process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shotveil.models.networks.network import load_network

INFER_KEYS = {
    "accuracy",
    "images",
    "f2",
    "gain",
    "photons",
    "weight_leakage_bits",
    "data_leakage_bits",
    "layers",
    "verification",
    "seconds",
}
BOUNDS = {"crb_v1", "crb_prx", "qcrb", "holevo"}


LIGHT = "--gain 1.3 --photons 6"


@pytest.mark.parametrize(
    "command, message",
    [
        ("train --data . --out x.npz --hidden 10,x", "hidden = '10,x'"),
        ("train --data . --out x.npz --epochs 0", "epochs = 0 is outside"),
        ("train --data . --out no/folder/x.npz", "no/folder/x.npz"),
        ("fly", "No such command 'fly'"),
    ],
)
def test_bad_input_is_one_line_with_value_and_range_and_exit_code_2(
    shotveil, tmp_path, monkeypatch, command, message
):
    monkeypatch.chdir(tmp_path)
    code, out, err = shotveil(command)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_interruption_leaves_no_half_written_file(tmp_path):
    # Symbol by symbol this would take minutes.
    command = f"infer --symbol-level {LIGHT} --report {tmp_path}/run.html"
    # Where tests run in a shell's background, SIGINT is ignored unless somebody asks for it.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from shotveil.host.commands.cli import main; print('ready', flush=True); main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_interruption_of_a_library_that_loads_is_no_bug(tmp_path):
    # So pybind11 does with a KeyboardInterrupt; Matplotlib's fonts were seen to.
    program = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from shotveil.host.commands import cli
def load(**_):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error
cli.cli.callback = load
cli.main(["doctor"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "shotveil: interrupted\n")
    bug = program.replace("signal.raise_signal(signal.SIGINT)", "raise KeyboardInterrupt")
    assert subprocess.run([sys.executable, "-c", bug], capture_output=True).returncode == 70


def test_command_shows_help_and_version():
    command = Path(sys.executable).with_name("shotveil")
    helped = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert all(name in helped.stdout for name in ("demo", "infer", "leakage", "train"))
    bare = subprocess.run([command], capture_output=True, text=True, check=True)
    assert bare.stdout.split() == helped.stdout.split()
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("shotveil, version 0.")


def test_shipped_networks_are_those_the_data_folder_documents():
    for name in ("mnist", "mnist-paper"):
        assert load_network(name).inputs == 784
