"""`shotveil infer`: what it prints, what its options decide, and what it refuses."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.run.run import run
from shotveil.models.common.checks import RangeError
from shotveil.models.link.detector import Detector
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
LIGHT = "--gain 1.3 --photons 6"


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
    assert result["weight_leakage_bits"] == pytest.approx(majorant_after(1, 12, 1, excess))
    assert result["weight_leakage_bits_after"] == pytest.approx(majorant_after(200, 12, 1, excess))
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


@pytest.fixture
def called(monkeypatch, small_network):
    """What `run` and `write_report` are given by a command that does neither."""
    given = SimpleNamespace(reports=[])
    finished = run(small_network, Link(1.3, 6.0), images=3)

    def dry(network, link, **how):
        given.network, given.link, given.how = network, link, how
        how["progress"](3, 3)
        return finished

    monkeypatch.setattr("shotveil.host.run.run.run", dry)
    monkeypatch.setattr(
        "shotveil.host.reports.report.write_report", lambda *what: given.reports.append(what)
    )
    given.finished = finished
    return given


def test_what_is_used_where_nothing_else_is_asked_for(shotveil, called):
    code, out, _ = shotveil(f"infer {LIGHT} --json")
    assert code == 0 and json.loads(out) == called.finished.summary
    assert called.network.digest == load_network("mnist").digest
    assert called.link == Link(1.3, 6.0) and called.reports == []
    del called.how["progress"]
    assert called.how == {
        "images": None,
        "data": None,
        "label": None,
        "seed": 1,
        "symbol_level": False,
        "backend": "optics",
        "impairments": "realistic",
    }


def test_every_option_reaches_the_run(shotveil, called, network_file, small_network, tmp_path):
    code, out, _ = shotveil(
        f"infer --network {network_file} --images 7 --data {tmp_path} --seed 4 --symbol-level "
        f"--backend model --impairments ideal --gain 1.5 --f2 2 --transmittance-out 0.9 "
        f"--transmittance-back 0.8 --excess-noise 0.01 --phase-error 0.02 --client-efficiency 0.7 "
        f"--client-electronic-noise 0.03 --server-efficiency 0.6 --server-electronic-noise 0.04 "
        f"--report {tmp_path}/new/run.html"
    )
    assert code == 0 and "small" in out
    assert called.network.digest == small_network.digest
    assert called.link.f2 == pytest.approx(2) and called.link.gain == 1.5
    assert (called.link.transmittance_out, called.link.transmittance_back) == (0.9, 0.8)
    assert (called.link.excess_noise, called.link.phase_error) == (0.01, 0.02)
    assert called.link.client_detector == Detector(0.7, 0.03)
    assert called.link.server_detector == Detector(0.6, 0.04)
    del called.how["progress"]
    assert called.how == {
        "images": 7,
        "data": tmp_path,
        "label": None,
        "seed": 4,
        "symbol_level": True,
        "backend": "model",
        "impairments": "ideal",
    }
    assert called.reports == [(called.finished, tmp_path / "new" / "run.html")]


def test_a_report_that_cannot_be_written_is_refused_before_the_work(refused, called, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    refused(f"infer {LIGHT} --report {tmp_path}/file/run.html", "run.html cannot be written")
    assert not hasattr(called, "how")


def test_a_run_that_is_refused_leaves_no_report(refused, called, monkeypatch):
    def fails(*_, **__):
        raise RangeError("images = 4 do not fit")

    monkeypatch.setattr("shotveil.host.run.run.run", fails)
    refused(f"infer {LIGHT} --report run.html", "images = 4 do not fit")
    assert called.reports == []


@pytest.mark.parametrize(
    "options, message",
    [
        ("--gain 1 --photons 6", "gain = 1 is outside (1, 1e+06]"),
        ("--gain 0.9 --photons 6", "gain = 0.9 is outside (1, 1e+06]"),
        ("--gain nan --photons 6", "gain = nan is outside (1, 1e+06]"),
        ("--gain 1.3 --photons -1", "photons = -1 is outside (0, ∞)"),
        ("--gain 1.3 --photons 0", "photons = 0 is outside (0, ∞)"),
        ("--gain 1.3 --f2 0", "f2 = 0 is outside (0, ∞)"),
        ("--gain 1.3 --f2 1e-300", "is outside [1e-12, ∞)"),
        ("--gain 1.3 --photons 1e300", "photons = 1e+300 is outside [0, 1e+15]"),
        ("--gain 1.3", "neither of --photons and --f2 given; allowed: exactly one of them"),
        (f"{LIGHT} --f2 1", "both of --photons and --f2 given"),
        (f"{LIGHT} --transmittance 0", "transmittance = 0 is outside (0, 1]"),
        (f"{LIGHT} --transmittance 1.2", "transmittance = 1.2 is outside (0, 1]"),
        (f"{LIGHT} --excess-noise -1", "excess noise = -1 is outside [0, 1e+06]"),
        (f"{LIGHT} --images 0", "images = 0 is outside [1, 10000]"),
        (f"{LIGHT} --images 10001", "images = 10001 is outside"),
        (f"{LIGHT} --seed -1", "seed = -1 is outside [0, ∞)"),
        (f"{LIGHT} --network nothing", "network nothing is not found"),
        (f"{LIGHT} --server-efficiency 2", "detector efficiency = 2 is outside (0, 1]"),
        (f"{LIGHT} --backend light", "backend = 'light' is none of "),
        (f"{LIGHT} --impairments none", "'none' is not one of 'ideal', 'realistic'"),
        (
            "--gain many --photons 6",
            "gain = 'many'; allowed: a number, or one for each layer with commas between",
        ),
        ("--photons 6", "Missing option '--gain'"),
    ],
)
def test_refuses(refused, options, message):
    refused(f"infer {options}", message)


def test_each_layer_has_a_gain_and_light_of_its_own(shotveil):
    line = "infer --network mnist-paper --images 3 --gain 1.3,1.05 --f2 2,40 --json"
    code, out, _ = shotveil(line)
    found = json.loads(out)
    assert code == 0 and found["gain"] == [1.3, 1.05] and found["f2"] == pytest.approx([2, 40])
    assert [layer["gain"] for layer in found["layers"]] == [1.3, 1.05]
    declared = [layer["weight_leakage_bits"] for layer in found["layers"]]
    one = json.loads(shotveil(line.replace("1.3,1.05", "1.3").replace("2,40", "2"))[1])
    assert one["gain"] == 1.3 and [layer["gain"] for layer in one["layers"]] == [1.3, 1.3]
    assert one["layers"][0]["weight_leakage_bits"] == declared[0] != declared[1]
    code, out, _ = shotveil(line.replace(" --json", ""))
    assert code == 0 and "G = 1.3, 1.05" in out
    code, _, err = shotveil(line.replace("2,40", "2,40,1"))
    assert code == 2 and "given for 2 and 3 layers" in err
    code, _, err = shotveil("infer --network mnist-paper --images 3 --gain 1.3,1.1,1.2 --f2 2")
    assert code == 2 and "given for 3 layers; allowed: for 2" in err
