"""The command line as a script or a person uses it, through main() and through a process."""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.weights import weight_leakage, weight_leakage_after
from shotveil.models.link.optics import Link
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


@pytest.fixture
def shotveil(capsys):
    """Run a command line, return (exit code, standard output, standard error)."""

    def run(command):
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command))
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


@pytest.fixture
def network_file(tmp_path, small_network):
    small_network.save(tmp_path / "small.npz")
    return tmp_path / "small.npz"


def test_infer_json(shotveil):
    code, out, _ = shotveil(
        "infer --network mnist-paper --images 200 --gain 1.3 --photons 6 --seed 3 --json"
    )
    result = json.loads(out)
    assert code == 0
    assert result.keys() >= INFER_KEYS
    assert result["data_leakage_bits"].keys() == BOUNDS
    assert result["images"] == 200
    assert result["accuracy"] > 0.9
    assert result["accuracy"] * 200 == pytest.approx(round(result["accuracy"] * 200))
    assert result["f2"] == pytest.approx(12 / 3.794871795)
    excess = 0.461538461538 / 392
    assert result["weight_leakage_bits"] == pytest.approx(weight_leakage(13, 1, excess))
    assert result["weight_leakage_bits_after"] == pytest.approx(
        weight_leakage_after(200, 12, 1, excess)
    )
    assert result["data_leakage_bits"] == pytest.approx(data_leakage(0.461538461538, 784, 392))
    assert [layer["rows"] for layer in result["layers"]] == [784, 10]
    verification = result["verification"]
    assert verification["accepted"] is True
    assert verification["symbols"] == 200 * 794 * 392
    assert verification["transmittance"] == pytest.approx(1, abs=1e-3)
    assert verification["excess_noise"] == pytest.approx(excess, abs=1e-3)


def test_infer_at_given_f2_and_loss(shotveil):
    code, out, _ = shotveil(
        "infer --network mnist-paper --images 50 --gain 1.3 --f2 2.4 --transmittance 0.25 "
        "--excess-noise 0.02 --server-efficiency 0.8 --phase-error 0.01 --json"
    )
    result = json.loads(out)
    assert code == 0
    assert result["f2"] == pytest.approx(2.4)
    assert result["transmittance_out"] == result["transmittance_back"] == pytest.approx(0.5)
    assert result["photons"] == pytest.approx(2.4 * 3.794871795 / 2 / 0.5)
    verification = result["verification"]
    assert verification["accepted"] is True
    assert verification["transmittance"] == pytest.approx(0.25, abs=1e-3)
    assert verification["declared_excess_noise"] > 0.02


def test_one_seed_one_result(shotveil):
    def predictions(seed):
        _, out, _ = shotveil(f"infer --images 300 --gain 1.3 --f2 0.2 --seed {seed} --json")
        result = json.loads(out)
        return result["accuracy"], result["verification"]["transmittance"]

    assert predictions(1) == predictions(1)
    assert predictions(1) != predictions(2)


@pytest.mark.parametrize("flag", ["", "--symbol-level"])
def test_infer_for_a_person(shotveil, network_file, flag):
    code, out, err = shotveil(
        f"infer --network {network_file} --images 20 --gain 1.1 --photons 9 {flag}"
    )
    assert code == 0
    assert "small" in out and "accepted" in out
    for bound in BOUNDS:
        assert bound in out
    assert err == ""


def test_rejection_is_shown_with_its_reason(monkeypatch, shotveil, network_file):
    # Light that comes back weaker than what the settings declare.
    monkeypatch.setattr(Link, "declared_transmittance", 0.999)
    monkeypatch.setattr(Link, "transmittance", 0.9)
    code, out, _ = shotveil(f"infer --network {network_file} --images 50 --gain 1.1 --photons 9")
    assert code == 0
    assert "rejected" in out and "is too low" in out


def test_leakage_json(shotveil):
    code, out, _ = shotveil(
        "leakage --gain 1.3 --photons 6 --modes 392 --rows 794 --inferences 100 --json"
    )
    result = json.loads(out)
    assert code == 0
    # Checkpoints: physics, "Points to check an implementation against", halved per real weight.
    assert result["weight_leakage_bits"] == pytest.approx(0.065083 / 2, abs=1e-6)
    assert result["weight_leakage_bits_after"] == pytest.approx(1.92 / 2, abs=5e-3)
    assert result["data_leakage_bits"]["crb_prx"] == pytest.approx(0.186596, abs=1e-6)
    assert result["f2"] == pytest.approx(3.16216, abs=1e-5)


def test_leakage_with_loss_and_technical_noise(shotveil):
    _, out, _ = shotveil(
        "leakage --gain 1.3 --photons 4 --modes 392 --rows 784 --transmittance 0.5 "
        "--excess-noise 0.01 --json"
    )
    assert json.loads(out)["weight_leakage_bits"] == pytest.approx(
        weight_leakage(9, 0.5, 0.01 + 0.461538461538 / 392)
    )


def test_leakage_for_a_person(shotveil):
    code, out, _ = shotveil("leakage --gain 1.3 --photons 6 --modes 392 --rows 794 --inferences 10")
    assert code == 0
    assert "0.0325415 bits per weight" in out
    assert "after 10 inferences" in out


def test_demo_writes_a_report_that_needs_no_other_file(shotveil, tmp_path):
    path = tmp_path / "new" / "demo.html"
    code, out, _ = shotveil(f"demo --images 100 --out {path}")
    assert code == 0
    assert str(path) in out
    text = path.read_text()
    assert text.count("data:image/png;base64,") == 5
    assert "http" not in text.replace("http-equiv", "")
    assert "accepted" in text
    for bound in BOUNDS:
        assert bound in text
    assert [p.name for p in path.parent.iterdir()] == ["demo.html"]


def test_demo_stays_inside_the_budgets_it_names(shotveil, tmp_path):
    _, out, _ = shotveil(f"demo --images 100 --out {tmp_path}/r.html --json")
    result = json.loads(out)
    assert 0.0099 < result["weight_leakage_bits"] <= 0.01
    assert 0.0099 < result["data_leakage_bits"]["qcrb"] <= 0.01


LIGHT = "--gain 1.3 --photons 6"


@pytest.mark.parametrize(
    "command, message",
    [
        ("infer --gain 1 --photons 6", "gain = 1 is outside (1, ∞)"),
        ("infer --gain 0.9 --photons 6", "gain = 0.9 is outside (1, ∞)"),
        ("infer --gain nan --photons 6", "gain = nan is outside (1, ∞)"),
        ("infer --gain 1.3 --photons -1", "photons = -1 is outside (0, ∞)"),
        ("infer --gain 1.3 --photons 0", "photons = 0 is outside (0, ∞)"),
        ("infer --gain 1.3 --f2 0", "f2 = 0 is outside (0, ∞)"),
        ("infer --gain 1.3 --f2 1e-300", "is outside [1e-12, ∞)"),
        ("infer --gain 1.3 --photons 1e300", "photons = 1e+300 is outside [0, 1e+15]"),
        ("infer --gain 1.3", "neither of --photons and --f2 given; allowed: exactly one of them"),
        (f"infer {LIGHT} --f2 1", "both of --photons and --f2 given"),
        (f"infer {LIGHT} --transmittance 0", "transmittance = 0 is outside (0, 1]"),
        (f"infer {LIGHT} --transmittance 1.2", "transmittance = 1.2 is outside (0, 1]"),
        (f"infer {LIGHT} --excess-noise -1", "excess noise = -1 is outside [0, ∞)"),
        (f"infer {LIGHT} --images 0", "images = 0 is outside [1, 10000]"),
        (f"infer {LIGHT} --images 10001", "images = 10001 is outside"),
        (f"infer {LIGHT} --seed -1", "seed = -1 is outside [0, ∞)"),
        (f"infer {LIGHT} --network nothing", "network nothing is not found"),
        (f"infer {LIGHT} --server-efficiency 2", "detector efficiency = 2 is outside (0, 1]"),
        ("infer --gain many --photons 6", "'many' is not a valid float"),
        ("infer --photons 6", "Missing option '--gain'"),
        ("leakage --gain 1.3 --photons 6 --modes 0 --rows 1", "modes = 0 is outside [1, ∞)"),
        ("leakage --gain 1.3 --photons 6 --modes 1 --rows 0", "rows = 0 is outside"),
        (
            "leakage --gain 1.3 --photons 6 --modes 1 --rows 1 --inferences 0",
            "inferences = 0 is outside",
        ),
        ("demo --images -3", "images = -3 is outside"),
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


def test_truncated_idx_file_is_named(shotveil, tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(6))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + bytes(4))
    code, _, err = shotveil(f"infer {LIGHT} --data {tmp_path}")
    assert code == 2
    assert "t10k-images-idx3-ubyte is truncated" in err
    assert err.count("\n") == 1


def test_network_whose_layers_do_not_fit_is_refused(shotveil, tmp_path):
    header = {
        "format": "shotveil network",
        "version": 1,
        "name": "bad",
        "about": {},
        "layers": [{"bias": False}, {"bias": False}],
    }
    np.savez(
        tmp_path / "bad.npz",
        header=np.frombuffer(json.dumps(header).encode(), np.uint8),
        weights_0=np.ones((3, 784), np.float32),
        weights_1=np.ones((10, 4), np.float32),
    )
    code, _, err = shotveil(f"infer {LIGHT} --network {tmp_path / 'bad.npz'}")
    assert code == 2
    assert "layer 0 has 3 outputs but layer 1 takes 4 inputs" in err


def test_report_that_cannot_be_written_is_refused_before_the_work(shotveil, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    code, _, err = shotveil(f"demo --out {tmp_path}/file/demo.html")
    assert code == 2
    assert "cannot be written" in err
    code, _, err = shotveil(f"demo --out {tmp_path}")
    assert code == 2
    assert "cannot be written" in err


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
