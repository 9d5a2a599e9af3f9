"""Answers to design questions: lines, numbers and plot, from costs that are made up."""

from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest

from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network
from shotveil.sim.loop import design_answer
from shotveil.sim.loop.design import LEAD, QUESTIONS, SAMPLES, ImperfectionCost, Question
from shotveil.sim.loop.design_answer import FLOOR, LASER, _picture, answered, questions
from shotveil.sim.loop.settings import REALISTIC


@pytest.fixture
def asked(monkeypatch):
    """Stands for loop and classifier: an accuracy is a tenth of its F²."""
    seen = SimpleNamespace(answer=[], accuracies=[], others=[])
    question = Question("bits", (8, 9), lambda s, v: s)

    def answer(*given, others=None):
        seen.answer.append(given)
        seen.others.append(others)
        return ImperfectionCost(question, np.array([1e-3, 1e-5]), np.array([2.0, 2.25]))

    def accuracies(network, images, labels, f2, *, seed):
        seen.accuracies.append((network.name, len(images), labels, f2, seed))
        return f2 / 10

    monkeypatch.setattr(design_answer, "answer", answer)
    monkeypatch.setattr(design_answer, "accuracies", accuracies)
    return seen


def test_all_questions_have_a_name():
    assert list(questions()) == [*QUESTIONS, "lead-in", "samples-per-symbol"]


def test_one_imperfection_in_lines_and_numbers(asked, tmp_path):
    found = answered("dac-bits", "mnist-paper", 1.3, 2.5, 7, 50)
    ((question, network, *how),) = asked.answer
    assert question is QUESTIONS["dac-bits"] and how == [1.3, 2.5, 7]
    assert network.digest == load_network("mnist-paper").digest
    ((_, images, labels, f2, seed),) = asked.accuracies
    assert (images, seed) == (50, 1) and f2.tolist() == [2.0, 2.25, 2.5]
    np.testing.assert_array_equal(labels, load_mnist(None, "test")[1][:50])
    assert found.lines == (
        "bits: excess noise (SNU), F² left of 2.5, accuracy",
        "         8    1.00e-03    2.0000   20.00%",
        "         9    1.00e-05    2.2500   22.50%",
        "0.0001 SNU are reached at 8.5",
    )
    assert found.numbers == {
        "imperfection": "bits", "values": [8, 9], "excess_noise": [1e-3, 1e-5],
        "f2": [2.0, 2.25], "accuracy": [0.2, 0.225], "ideal_accuracy": 0.25,
        "limit": pytest.approx(8.5),
    }  # fmt: skip
    found.save(tmp_path / "new.png")
    assert matplotlib.image.imread(tmp_path / "new.png").shape[0] > 400


def test_a_shorter_lead_in_is_judged_over_realistic_optics(asked):
    """Ideal ones turn no phase that receivers would have to lock to."""
    answered("lead-in", "mnist-paper", 1.3, 2.5, 10, 50)
    answered("dac-bits", "mnist-paper", 1.3, 2.5, 10, 50)
    assert [given[0] for given in asked.answer] == [LEAD, QUESTIONS["dac-bits"]]
    assert asked.others == [REALISTIC.calibrated().distortions(), None]


def test_a_goal_that_is_not_crossed(asked, monkeypatch):
    monkeypatch.setattr(design_answer, "limit", lambda found: None)
    found = answered("dac-bits", "mnist-paper", 1.3, 2.5, 7, 50)
    assert found.lines[-1] == "0.0001 is not crossed" and found.numbers["limit"] is None


def test_samples_of_a_symbol(asked):
    found = answered("samples-per-symbol", "mnist-paper", 1.3, 2.5, 7, 50)
    assert [given[0] for given in asked.answer] == [SAMPLES] * 3
    ideal, still, real = asked.others
    assert not ideal.on and set(real.on) - set(still.on) == set(LASER)
    assert real == REALISTIC.calibrated().distortions()
    np.testing.assert_allclose(asked.accuracies[0][3], [2.0, 2.25] * 3 + [2.5])
    names = ["all else ideal", "realistic, still laser", "realistic"]
    assert list(found.numbers) == ["imperfection", "values", *names, "ideal_accuracy"]
    for name in names:
        assert found.numbers[name] == {
            "excess_noise": [1e-3, 1e-5], "cost": pytest.approx(9.9e-4), "f2": [2.0, 2.25],
            "accuracy": [0.2, 0.225],
        }  # fmt: skip
    assert found.numbers["ideal_accuracy"] == 0.25 and found.numbers["values"] == [2, 4]
    assert found.lines[1].split() == ["2", *["1.00e-03", "20.00%"] * 3]
    assert found.lines[-1] == "2 instead of 4 cost +9.9e-04 SNU, realistic"
    noise_axes, _ = found.draw().axes
    assert noise_axes.get_legend() is not None
    assert [line.get_label() for line in noise_axes.lines[:3]] == names


def test_what_is_below_the_floor_is_drawn_there():
    lines = {"": (np.array([0.0, 1e-3]), np.array([0.9, 0.8]))}
    noise, accuracy = _picture("hertz", (0.5, 9), True, lines, 0.95, None).axes
    np.testing.assert_allclose(noise.lines[0].get_ydata(), [FLOOR, 1e-3])
    np.testing.assert_allclose(accuracy.lines[0].get_ydata(), [90, 80])
    assert noise.get_xscale() == accuracy.get_xscale() == noise.get_yscale() == "log"
    assert noise.lines[1].get_ydata()[0] == 1e-4 and accuracy.lines[1].get_ydata()[0] == 95
    assert noise.get_legend() is None and len(noise.lines) == 2
    assert accuracy.get_ylim() == pytest.approx((79.7, 95.7)) and FLOOR == 1e-8


def test_the_limit_is_written_into_the_plot():
    lines = {"": (np.array([1e-5, 1e-3]), np.array([0.9, 0.8]))}
    figure = _picture("bits", (8, 9), False, lines, 0.95, 8.5)
    noise, accuracy = figure.axes
    assert [t.get_text().strip() for t in noise.texts] == ["10⁻⁴ SNU", "8.5"]
    assert noise.get_xlabel() == accuracy.get_xlabel() == "bits"
    assert "SNU" in noise.get_ylabel() and "%" in accuracy.get_ylabel()
    low, high = accuracy.get_ylim()
    assert low < 80 and high > 95
