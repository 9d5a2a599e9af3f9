"""`shotveil plan`: the point found, the runs that confirm it, and what it refuses."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.commands.plan import ATTEMPTS, INFEASIBLE, _agrees, _of
from shotveil.host.design.binding import certified_ratio
from shotveil.host.design.certify import LineTime
from shotveil.host.design.operating_point import (
    Budgets,
    budgeted_bits,
    counted_weights,
    data_bits,
    image_bits,
)
from shotveil.host.design.plan import Infeasible, OperatingPoint
from shotveil.host.run.run import run as real_run
from shotveil.models.link.channel import Channel
from shotveil.models.link.labs import LABS
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network


@pytest.fixture
def shotveil(tmp_path, monkeypatch, capsys):
    """Run the command line with a cache of its own: (exit code, standard output, errors)."""
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        return exit_.value.code, *capsys.readouterr()

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
    arguments = ("plan", "--confirm", "--network", small, "--images", 400, "--json")
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
    code, out, _ = shotveil(
        "plan", "--confirm", "--network", small, "--images", 300, "--max-weight-bits", 0.2
    )
    assert code == 0
    assert "from the calibrated curve" in out and "feasible region     reports/plan.png" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "neither a weight budget nor a least accuracy is given"),
        (("--max-weight-bits", -1), "weight budget = -1 is outside (0, ∞)"),
        (("--min-accuracy", 2), "min accuracy = 2 is outside (0, 1)"),
        (("--plot", "a.pdf"), "allowed: .png or .svg"),
        (("--lab", "attic"), "lab = 'attic' is none of ideal, realistic"),
        (("--certify-hours", 0), "certify hours = 0 is outside (0, ∞)"),
        (("--certify-hours", 1e300), "symbols of the line time = inf is outside (−∞, 1e+18]"),
        (("--decoy-share", 0.1), "--decoy-share or --symbol-rate is given without"),
        (("--images", 0), "images = 0 is outside [1, 10000]"),
        (("--transmittance", 0), "transmittance = 0 is outside (0, 1]"),
    ],
)
def test_command_refuses(shotveil, small, arguments, message):
    # An --images given twice counts as the last one.
    code, _, errors = shotveil("plan", "--network", small, "--images", 50, *arguments)
    assert code == 2 and message in errors and errors.count("\n") == 1


@pytest.fixture
def planned(monkeypatch, small_network):
    """A plan whose points and runs a test writes down: `points` found, `accuracies` reached."""
    known = SimpleNamespace(
        times=[], points=[], accuracies=[], found=[], runs=[], pictures=[], curves=[]
    )
    curve = object()
    summary = real_run(small_network, Link(1.3, 6.0), images=5).summary

    def calibrated(network, pixels, labels, progress):
        known.curves.append((network.digest, len(pixels), len(labels)))
        progress(3)
        return curve

    def find(network, given, channel, budgets, least, *aim, time=None):
        assert given is curve
        known.found.append((channel, budgets, least, *aim[:1]))
        known.times.append(aim[1] if aim else time)
        return known.points.pop(0)

    def run(network, link, **how):
        how.pop("progress")(5, 5)
        known.runs.append((link, how))
        accuracy = known.accuracies.pop(0)
        return SimpleNamespace(summary={**summary, "accuracy": accuracy, "accuracy_error": 0.01})

    def picture(*what):
        known.pictures.append(what[-1])

    monkeypatch.setattr("shotveil.host.run.curves.calibrated_curve", calibrated)
    monkeypatch.setattr("shotveil.host.run.curves.shipped_accuracy", lambda network: None)
    monkeypatch.setattr("shotveil.host.design.plan.find", find)
    monkeypatch.setattr("shotveil.host.run.run.run", run)
    monkeypatch.setattr("shotveil.host.figures.plan.picture", picture)
    monkeypatch.setattr("shotveil.host.figures.style.rendered", lambda _, kind: kind.encode())
    return known


def point(accuracy, photons=6.0):
    return OperatingPoint(Link(1.3, photons), accuracy)


def test_what_is_planned_where_nothing_else_is_asked_for(shotveil, planned, tmp_path, monkeypatch):
    monkeypatch.setattr("shotveil.host.commands.show.SECONDS_BETWEEN_LINES", 0.0)
    planned.points, planned.accuracies = [point(0.9)], [0.88]
    code, out, err = shotveil("plan", "--confirm", "--json")
    found = json.loads(out)
    first, second = err.splitlines()
    assert first.startswith("images of the calibration: 3 of 10,000, ")
    assert second.startswith("images through the link: 5 of 5, ")
    assert code == 0 and found["feasible"] is True and found["confirmed"] is True
    assert found["expected_accuracy"] == 0.9 and found["accuracy"] == 0.88
    assert planned.found == [(Channel(), Budgets(), None, None)]
    assert planned.runs == [
        (Link(1.3, 6.0), {"images": None, "data": None, "label": None, "seed": 1})
    ]
    assert [count for _, *count in planned.curves] == [[10_000, 10_000]]
    assert found["plot"] == "reports/plan.png" and found["min_accuracy"] is None
    assert (tmp_path / "reports/plan.png").read_bytes() == b"png"
    assert planned.pictures == [point(0.9)]


def test_every_option_reaches_the_plan(shotveil, planned, small_network, tmp_path):
    small_network.save(tmp_path / "small.npz")
    planned.points, planned.accuracies = [point(0.9)], [0.9]
    line = (
        "plan --confirm --network small.npz --max-weight-bits 2 --max-data-bits 0.2 --images 5 "
        "--data-bound crb_prx --inferences 3 --min-accuracy 0.8 --transmittance-out 0.5 "
        "--lab realistic --certify-hours 2 --decoy-share 0.1 --symbol-rate 1e6 "
        "--seed 7 --plot deep/er.svg --max-total-bits 9000 --max-image-bits 500 "
        "--weight-bound holevo_amplified"
    )
    code, out, _ = shotveil(*line.split())
    budgets = Budgets(2, 0.2, "crb_prx", 3, "holevo_amplified", total_bits=9000, image_bits=500)
    assert code == 0 and planned.curves == [(small_network.digest, 5, 5)]
    channel = LABS["realistic"].channel(transmittance_out=0.5)
    assert planned.found == [(channel, budgets, 0.8, None)]
    assert planned.times == [LineTime(2, 0.1, 1e6)]
    assert planned.runs[0][1] == {"images": 5, "data": None, "label": None, "seed": 7}
    assert (tmp_path / "deep/er.svg").read_bytes() == b"svg"
    link = Link(1.3, 6.0)
    weights = float(budgeted_bits(small_network, link, budgets, 1.3, 6.0))
    data = float(data_bits(small_network, 1.3, "crb_prx", channel, 6.0))
    assert "90.00% of 5 images right" in out
    ratio = certified_ratio(small_network, link, planned.times[0])
    image = float(image_bits(small_network, 1.3, "crb_prx", 0.0, channel, link.photons))
    total = weights * counted_weights(small_network)
    assert out.splitlines()[-6:] == [
        "expected accuracy   90.00% from the calibrated curve, 90.00% in the run above: confirmed",
        f"against the budgets {weights:.4g} bits per weight after 3 inferences "
        f"(holevo_amplified) of 2, {data:.4g} bits per data element (crb_prx) of 0.2",
        f"in all              {total:.6g} bits of the weights after 3 inferences "
        f"(holevo_amplified) of 9000, {image:.4g} bits per image (crb_prx) of 500",
        "what binds          the accuracy that is asked for",
        f"certificate         {ratio:.4g} × the declared leakage after 2 hours of line time, "
        "7.2e+08 symbols on decoys",
        "feasible region     deep/er.svg",
    ]


def test_a_run_that_falls_short_is_repeated_with_a_little_more_light(shotveil, planned):
    planned.points = [point(0.9), point(0.92, 7.0), point(0.95, 8.0)]
    planned.accuracies = [0.88, 0.89, 0.9]
    code, out, _ = shotveil("plan", "--confirm", "--min-accuracy", 0.9, "--json")
    assert code == 0 and json.loads(out)["photons"] and json.loads(out)["accuracy"] == 0.9
    assert [link.photons for link, _ in planned.runs] == [6, 7, 8]
    first, second, third = planned.found
    assert first[3] is None
    assert second[3] == pytest.approx(0.9 + 0.02) and third[3] == pytest.approx(0.92 + 0.01)
    assert planned.pictures == [point(0.95, 8.0)] and json.loads(out)["expected_accuracy"] == 0.95


def test_after_five_runs_the_last_one_is_told_as_it_is(shotveil, planned):
    planned.points = [point((90 + i) / 100, 6.0 + i) for i in range(6)]
    planned.accuracies = [0.89] * 6
    code, out, _ = shotveil("plan", "--confirm", "--min-accuracy", 0.9)
    assert code == 0 and len(planned.runs) == len(planned.found) == ATTEMPTS == 5
    assert "expected accuracy   94.00% from the calibrated curve, 89.00%" in out
    assert "in the run above: not confirmed\n" in out
    assert " bits per weight (holevo), " in out  # no number of inferences, no budget
    assert planned.pictures == [point(0.94, 10.0)]


@pytest.mark.parametrize("runs", [0, 1])
def test_what_is_infeasible_ends_with_one(shotveil, planned, runs):
    no = Infeasible("weights", 2.0, 1.0, "not at all")
    planned.points, planned.accuracies = [*[point(0.9)] * runs, no], [0.5] * runs
    code, out, _ = shotveil("plan", "--confirm", "--min-accuracy", 0.9)
    assert code == INFEASIBLE == 1
    assert out == "infeasible: not at all\n\nfeasible region: reports/plan.png\n"
    assert len(planned.runs) == runs and planned.pictures == [no]
    planned.points, planned.accuracies = [*[point(0.9)] * runs, no], [0.5] * runs
    code, out, _ = shotveil(
        "plan", "--confirm", "--min-accuracy", 0.9, "--max-weight-bits", 1, "--json"
    )
    found = json.loads(out)
    assert code == 1 and found["feasible"] is False and found["reason"] == "not at all"
    assert found["budgets"]["weight_bits"] == 1 and found["min_accuracy"] == 0.9
    assert found["required"] == 2.0 and found["plot"] == "reports/plan.png"


def test_a_run_agrees_within_three_counting_errors_and_with_what_was_asked():
    run = {"accuracy": 0.75, "accuracy_error": 0.0625}
    assert _agrees(0.75 + 0.1875, None, run) and _agrees(0.75 - 0.1875, None, run)
    assert not _agrees(0.75 + 0.188, None, run) and not _agrees(0.75 - 0.188, None, run)
    assert _agrees(0.75, 0.75, run) and not _agrees(0.75, 0.751, run)
    assert _of(None) == "" and _of(0.5) == " of 0.5"


def test_a_shipped_network_is_planned_from_its_curve_without_a_run(shotveil, monkeypatch):
    def measured(*_, **__):
        raise AssertionError("a curve was measured or a run was made")

    monkeypatch.setattr("shotveil.host.run.curves.accuracy_curve", measured)
    monkeypatch.setattr("shotveil.host.run.run.run", measured)
    code, out, _ = shotveil("plan", "--max-weight-bits", 0.3, "--inferences", 100, "--json")
    found = json.loads(out)
    assert code == 0 and found["confirmed"] is None and found["expected_accuracy"] > 0.9
    assert found["extraction"]["inferences"] == 100
    code, out, _ = shotveil("plan", "--max-weight-bits", 0.1)
    assert code == 0 and "--confirm runs the images" in out and "a clone of " in out


def test_a_shipped_network_of_other_images_is_not_planned_on_digits(shotveil):
    for options in (["--images", 50], ["--confirm"]):
        code, _, err = shotveil(
            "plan", "--network", "fashion-head", "--max-weight-bits", 0.1, *options
        )
        assert code == 2 and "network fashion-head is made for other images" in err
