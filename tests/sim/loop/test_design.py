"""What an imperfection costs, and where that crosses the goal."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.networks.network import load_network
from shotveil.sim.loop.design import QUESTIONS, ImperfectionCost, answer, limit, samples_per_symbol


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
