"""Plans: the better choice when there is one, a plain sentence when there is none."""

import json

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.design.operating_point import Budgets, least_leakage, most_light
from shotveil.host.design.plan import Infeasible, OperatingPoint, find
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.curves import AccuracyCurve, Logistic, accuracy_curve
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network

IDEAL = Channel()
LOSSY = Channel(transmittance_out=0.7, transmittance_back=0.7)
F2 = np.geomspace(1e-3, 1e2, 200)
CURVE = AccuracyCurve("made up", "0", 10_000, F2, Logistic(0.1, 0.98, 0.3, 1.7)(F2))


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(1)
    return Network("made up", (Layer(rng.normal(size=(40, 40))), Layer(rng.normal(size=(10, 40)))))


def test_most_accurate_inside_budgets(network):
    budgets = Budgets(0.1, 0.05, "qcrb", inferences=3)
    point = find(network, CURVE, IDEAL, budgets)
    leakage = network_leakage(network, point.link, 3)
    assert leakage.weight_leakage_bits_after == pytest.approx(0.1, rel=1e-6)
    assert leakage.data_leakage_bits["qcrb"] <= 0.05
    assert point.accuracy == CURVE.at(point.link.f2)


def test_least_leakage_for_an_accuracy(network):
    point = find(network, CURVE, LOSSY, Budgets(None, 0.05), 0.9)
    # One counting error of 10,000 images, 0.3 points, on top.
    assert point.accuracy == pytest.approx(0.903, abs=1e-9)
    assert point.link.f2 == pytest.approx(CURVE.f2_for(0.903))
    assert point.link == least_leakage(network, LOSSY, point.link.f2, Budgets(None, 0.05))


def test_weight_budget_binds(network):
    least = least_leakage(network, LOSSY, CURVE.f2_for(0.903), Budgets(None, 0.05))
    bits = network_leakage(network, least).weight_leakage_bits
    budgets = Budgets(bits * 0.5, 0.05)
    found = find(network, CURVE, LOSSY, Budgets(0.01), 0.9)
    assert isinstance(found, Infeasible) and found.binding == "weights"
    assert found.required > found.allowed == 0.01
    assert "the weight budget binds" in found.reason and "0.01 allowed" in found.reason
    # Just inside.
    assert isinstance(find(network, CURVE, LOSSY, Budgets(bits * 1.001, 0.05), 0.9), OperatingPoint)
    assert isinstance(find(network, CURVE, LOSSY, budgets, 0.9), Infeasible)


def test_data_budget_binds(network):
    free = least_leakage(network, LOSSY, CURVE.f2_for(0.903), Budgets())
    budget = 1.05 * network_leakage(network, free).weight_leakage_bits
    found = find(network, CURVE, LOSSY, Budgets(budget, 1e-4), 0.9)
    assert isinstance(found, Infeasible) and found.binding == "data"
    assert "the data budget binds" in found.reason and "0.0001 allowed" in found.reason
    # What it says is needed is enough, and little less is not.
    for factor, kind in ((1.001, OperatingPoint), (0.99, Infeasible)):
        budgets = Budgets(budget, found.required * factor)
        assert isinstance(find(network, CURVE, LOSSY, budgets, 0.9), kind)


def test_accuracy_out_of_reach(network):
    found = find(network, CURVE, IDEAL, Budgets(), 0.99)
    assert isinstance(found, Infeasible) and found.binding == "accuracy"
    assert "made up reaches 98.00% at most, 1.00% less" in found.reason


def test_refuses(network):
    with pytest.raises(RangeError, match="neither a weight budget nor a least accuracy"):
        find(network, CURVE, IDEAL, Budgets(None, 0.1))
    with pytest.raises(RangeError, match="min accuracy = 95 "):
        find(network, CURVE, IDEAL, Budgets(), 95)


@pytest.fixture
def shotveil(tmp_path, monkeypatch, capsys):
    """Run the command line with a cache of its own: (exit code, standard output, errors)."""
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        return exit_.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def small(tmp_path):
    """A file with a small network that reads digits fairly well: nearest of ten mean images."""
    images, labels = load_mnist(None, "test")
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    network = Network("means", (Layer(means - means.mean(axis=0)), Layer(np.eye(10))))
    network.save(tmp_path / "means.npz")
    return tmp_path / "means.npz"


def test_command(shotveil, small, tmp_path):
    arguments = ("plan", "--network", small, "--images", 400, "--json")
    budgets = ("--max-weight-bits", 0.2, "--max-data-bits", 0.05, "--data-bound", "crb_prx")
    code, out, _ = shotveil(*arguments, *budgets)
    found = json.loads(out)
    assert code == 0 and found["feasible"] and found["confirmed"]
    assert found["weight_leakage_bits"] == pytest.approx(0.2, rel=1e-6)
    assert found["data_leakage_bits"]["crb_prx"] <= 0.05
    assert found["against_budgets"]["weight_bits"] == pytest.approx(found["weight_leakage_bits"])
    assert abs(found["accuracy"] - found["expected_accuracy"]) < 0.08
    assert (tmp_path / found["plot"]).read_bytes().startswith(b"\x89PNG")

    least = 0.5
    code, out, _ = shotveil(*arguments, "--min-accuracy", least, "--plot", "region.svg")
    found = json.loads(out)
    assert code == 0 and found["accuracy"] >= least
    assert (tmp_path / "region.svg").exists()

    code, out, _ = shotveil(*arguments, "--min-accuracy", least, "--max-weight-bits", 1e-5)
    found = json.loads(out)
    assert code == 1 and not found["feasible"] and found["binding"] == "weights"
    code, out, _ = shotveil(*arguments[:-1], "--min-accuracy", 0.999)
    assert code == 1 and out.startswith("infeasible: accuracy 99.90%")


def test_command_for_people(shotveil, small):
    code, out, _ = shotveil("plan", "--network", small, "--images", 300, "--max-weight-bits", 0.2)
    assert code == 0
    assert "from the calibrated curve" in out and "feasible region     reports/plan.png" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "neither a weight budget nor a least accuracy is given"),
        (("--max-weight-bits", -1), "weight budget = -1 is outside (0, ∞)"),
        (("--min-accuracy", 2), "min accuracy = 2 is outside (0, 1)"),
        (("--plot", "a.pdf"), "allowed: .png or .svg"),
        (("--images", 0), "images = 0 is outside [1, 10000]"),
        (("--transmittance", 0), "transmittance = 0 is outside (0, 1]"),
    ],
)
def test_command_refuses(shotveil, small, arguments, message):
    # An --images given twice counts as the last one.
    code, _, errors = shotveil("plan", "--network", small, "--images", 50, *arguments)
    assert code == 2 and message in errors and errors.count("\n") == 1


def test_half_a_bit_over_a_lossy_loop():
    # 3 dB that nobody trusts: 95 % for at most 0.5 bit per weight, data at 0.1 bit (crb_prx).
    network = load_network("mnist-lossy")
    loop = Channel(transmittance_out=10**-0.15, transmittance_back=10**-0.15)
    link = most_light(network, loop, Budgets(0.5, 0.1, "crb_prx"))
    images, labels = load_mnist(None, "test")
    accuracy = accuracy_curve(network, images, labels, link.f2, np.random.default_rng(1))
    assert accuracy >= 0.95
