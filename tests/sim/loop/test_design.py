"""What an imperfection costs, and where that crosses the goal."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.networks.network import load_network
from shotveil.models.node.light import LEAD_IN
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop.design import LEAD, QUESTIONS, SAMPLES, ImperfectionCost, answer, limit
from shotveil.sim.loop.design_answer import realistic_distortions


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
    found = answer(SAMPLES, load_network("mnist-paper"), 1.3, 2.4, rows=16)
    assert found.question.values == (2, 4)
    two, four = found.excess
    assert 4e-6 < two - four < 2e-5  # floor of the cost: 2e-4
    assert found.f2 == pytest.approx(2.4, rel=0.01)


def test_the_laser_costs_more_where_symbols_are_shorter():
    """By V_A·σ²/L for each way, where the phase has the variance σ² = 2π·Δν·τ in a sample."""
    laser = Impairments(linewidth=3.2e-5, unmatched_out=0.25, unmatched_back=0.25)
    found = answer(SAMPLES, load_network("mnist-paper"), 1.3, 2.4, rows=64, others=laser)
    more = 9.1 * 2 * 2 * np.pi * 3.2e-5 * 0.25 * (1 / 2 - 1 / 4)
    assert found.excess[0] - found.excess[1] == pytest.approx(more, rel=0.35)


def test_receivers_have_locked_by_the_end_of_the_lead_in():
    """The first rows behind it are read as well as those behind one that is four times as long."""
    question = replace(LEAD, values=(LEAD_IN // 2, LEAD_IN, 4 * LEAD_IN))
    real = realistic_distortions()
    found = answer(question, load_network("mnist-paper"), 1.3, 2.4, rows=10, others=real)
    half, own, long = found.f2
    assert own == pytest.approx(long, rel=0.02) and half < 0.7 * long
    # The server turns its symbols by each frame's own pilots.
    assert found.excess == pytest.approx(found.excess[-1], rel=0.05)
