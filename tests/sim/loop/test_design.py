from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.models.networks.network import load_network
from shotveil.sim.loop import client_lock
from shotveil.sim.loop.design import QUESTIONS, ImperfectionCost, answer, limit, samples_per_symbol
from shotveil.sim.loop.design_answer import _picture


def test_coarser_converters_add_noise_by_the_square_of_their_step():
    question = replace(QUESTIONS["dac-bits"], values=(8, 10))
    found = answer(question, load_network("mnist-paper"), 1.3, 2.4, rows=32)
    assert found.excess[0] / found.excess[1] == pytest.approx(16, rel=0.3)
    assert found.f2 == pytest.approx(2.4, rel=0.05)


def test_the_limit_lies_between_the_values_that_it_parts():
    question = replace(QUESTIONS["linewidth"], values=(1e-6, 1e-4))
    found = ImperfectionCost(question, np.array([1e-5, 1e-3]), np.ones(2))
    assert limit(found) == pytest.approx(1e-5)
    assert limit(ImperfectionCost(question, np.array([1e-3, 1e-3]), np.ones(2))) is None


def test_two_samples_a_symbol_leave_interference_that_four_do_not():
    found = samples_per_symbol(10.0)
    assert found[2][0] > 1e-5 and found[4][0] < 1e-20


def test_timing_between_two_steps_of_its_fraction_is_found_at_once(monkeypatch):
    """At 20 dB the client's timing wavers: it has to be found as the light comes."""
    attempts = []
    run = client_lock._run
    monkeypatch.setattr(client_lock, "_run", lambda *given: attempts.append(given) or run(*given))
    question = replace(QUESTIONS["extinction"], values=(20,))
    found = answer(question, load_network("mnist-paper"), 1.3, 2.4)
    assert len(attempts) == 1
    assert 1e-3 < found.excess[0] < 1e-2


@pytest.mark.parametrize("question", ["samples-per-symbol", "dac-bits"])
def test_every_question_has_its_plot(question, tmp_path, capsys):
    arguments = [question, "--rows", "8", "--images", "50", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        main(["lab", "design", *arguments])
    assert end.value.code == 0 and "accuracy" in capsys.readouterr().out
    picture = matplotlib.image.imread(tmp_path / f"loop-design-{question}.png")
    height, width = picture.shape[:2]
    for part in (picture[:, : width // 2], picture[:, width // 2 :]):  # noise, accuracy
        assert height > 400 and len(np.unique(part.reshape(-1, part.shape[2]), axis=0)) > 10


def test_the_limit_is_written_into_the_plot():
    lines = {"": (np.array([1e-5, 1e-3]), np.array([0.9, 0.8]))}
    figure = _picture("bits", (8, 9), False, lines, 0.95, 8.5)
    noise, accuracy = figure.axes
    assert [t.get_text().strip() for t in noise.texts] == ["10⁻⁴ SNU", "8.5"]
    assert noise.get_xlabel() == accuracy.get_xlabel() == "bits"
    assert "SNU" in noise.get_ylabel() and "%" in accuracy.get_ylabel()
    low, high = accuracy.get_ylim()
    assert low < 80 and high > 95
