"""The numbers printed in docs/physics.md, recomputed."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from shotveil.host.leakage import catalogue, weights
from shotveil.host.leakage.weights import weight_leakage_after, weight_leakage_limit
from shotveil.models.link import optics

PAGE = (Path(__file__).parents[3] / "docs" / "physics.md").read_text(encoding="utf-8")
CHECKPOINTS = re.findall(r"^\| `(.+)` \| ([0-9.]+) \|$", PAGE.split("## Checkpoints")[1], re.M)


def test_the_table_is_found():
    assert len(CHECKPOINTS) >= 17


@pytest.mark.parametrize("call, printed", CHECKPOINTS)
def test_checkpoint(call, printed):
    value = float(eval(call, {**vars(weights), **catalogue.DATA_BOUNDS, **vars(optics)}))
    assert f"{value:.{len(printed.partition('.')[2])}f}" == printed


NAMED = sorted(set(re.findall(r"→ `((?:host|models)\.[\w.]+)`", PAGE)))


def test_the_page_names_where_formulas_are():
    assert len(NAMED) >= 9


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_exists(name):
    try:
        importlib.import_module(f"shotveil.{name}")
    except ModuleNotFoundError:
        module, _, function = name.rpartition(".")
        assert hasattr(importlib.import_module(f"shotveil.{module}"), function)


def test_gain_dependence_of_the_limit():
    """gD = 4 − 6/G + 4/G², smallest at 4/3; 10 to 20 % less than the limit leaks there."""
    gain = np.linspace(1.001, 6, 100_000)
    product = 2 * (gain - 1) / gain * (2 * gain**2 - 3 * gain + 2) / (gain * (gain - 1))
    np.testing.assert_allclose(product, 4 - 6 / gain + 4 / gain**2, rtol=1e-9)
    assert gain[product.argmin()] == pytest.approx(4 / 3, abs=1e-3)
    assert product.min() == pytest.approx(7 / 4)
    f2 = np.array([0.5, 0.67, 2.4, 30])
    noise = 7 / 4 / 0.5  # D = gD/g at G = 4/3, where g = 1/2
    ratio = weight_leakage_after(1, f2 * noise, 1, 0.5 / 392) / weight_leakage_limit(f2, 392)
    assert ((ratio > 0.8) & (ratio < 0.9)).all()


def test_concave_in_each_but_not_in_both():
    """Why equal variance in all modes is among the assumptions."""
    rng = np.random.default_rng(41)
    variance, excess = 10 ** rng.uniform(-2, 3, (2, 20_000)), 10 ** rng.uniform(-5, 0, (2, 20_000))
    transmittance = rng.uniform(0, 1, 20_000)

    def lack(v, e):
        middle = weight_leakage_after(1, v.mean(0), transmittance, e.mean(0))
        return (weight_leakage_after(1, v, transmittance, e).mean(0) - middle) / middle

    assert (lack(variance, excess[:1].repeat(2, 0)) < 1e-9).all()
    assert (lack(variance[:1].repeat(2, 0), excess) < 1e-9).all()
    both = weight_leakage_after(1, 24, 1, 0.0024) / 2 / weight_leakage_after(1, 12, 1, 0.0012)
    assert both > 1.5  # all of variance and noise in half of the modes


def test_ten_decibels_of_squeezing():
    """crb_v1 on a background of 0.1: 0.14 bits with σ⁴, 2.2 with σ⁸; 0.0016 without squeezing."""
    g, modes = 6 / 13, 392

    def bits(background, power):
        variance = background + g / modes
        return np.log2(1 + 2 * (2 * g**2 / modes / variance**power)) / 2

    assert bits(0.1, 2) == pytest.approx(0.14, abs=0.005)
    assert bits(0.1, 4) == pytest.approx(2.2, abs=0.05)
    assert bits(1, 2) == pytest.approx(0.0016, abs=5e-5)
