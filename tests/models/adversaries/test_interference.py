"""Adversaries in place of the honest fibre or client keep account of what they learn."""

import math

import numpy as np
import pytest

from shotveil.models.adversaries.channels import InterceptResend, Tap, mutual_information
from shotveil.models.adversaries.clients import BasisQueries, OverAmplifier
from shotveil.models.adversaries.interference import OnTheFibre, WithItsOptics
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import vacuum

LINK = Link(1.3, 6.0)
V_A = 12.0


def rows(count, modes=20, seed=1):
    return vacuum((count, modes), np.random.default_rng(seed), V_A)


@pytest.mark.parametrize("fibre", [Tap(0.3), InterceptResend(0.4)])
def test_on_the_fibre_it_acts_on_the_light_and_adds_up_what_it_saw(fibre):
    on = OnTheFibre(fibre)
    xi = np.ones((2, 3))
    assert on.optics(LINK, xi) == (LINK, xi) and on.bound == "row"
    assert on.learned() == 0 and on.variance() == 0
    sent = rows(4000)
    rng, same = np.random.default_rng(2), np.random.default_rng(2)
    parts = [on.outward(part, rng) for part in np.split(sent, 4)]
    taken = [fibre.pass_on(part, same) for part in np.split(sent, 4)]
    for part, alone in zip(parts, taken, strict=True):
        np.testing.assert_array_equal(part, alone.returned)
    record = np.concatenate([t.record for t in taken])
    touched = np.concatenate([t.touched for t in taken])
    assert on.learned() == pytest.approx(mutual_information(sent, record, touched))
    assert on.variance() == pytest.approx(V_A, rel=0.02)
    assert on.channel() == (fibre.transmittance, fibre.excess_noise)
    before = on.learned()
    on.note(sent, sent, sent[:, 0].real)
    assert on.learned() == before


def test_an_over_amplifier_learns_of_whole_rows():
    client = WithItsOptics(OverAmplifier(2.5))
    assert client.bound == "row" and client.learned() == 0
    xi = vacuum((300, 20), np.random.default_rng(3))
    xi /= np.linalg.norm(xi, axis=1, keepdims=True)
    link, same = client.optics(LINK, xi)
    assert link.gain == 2.5 and same is xi
    total = []
    for seed in range(4):
        sent = rows(300, seed=10 + seed)
        product = np.sum(xi.conj() * sent, axis=1).real
        noise = np.random.default_rng(seed).normal(0, 2.0, 300)
        client.note(sent, xi, product + noise)
        total.append((product, product + noise))
    a, b = (np.concatenate(part) for part in zip(*total, strict=True))
    rho2 = (a @ b) ** 2 / ((a @ a) * (b @ b))
    # One product a row, of 2·20 weights.
    assert client.learned() == pytest.approx(-math.log2(1 - rho2) / 2 / 40)
    assert client.variance() == pytest.approx(V_A, rel=0.05)
    # Its noise 2(G − 1)/G lies in all 20 modes alike.
    assert client.channel() == (1.0, pytest.approx(2 * 1.5 / 2.5 / 20))


def test_a_basis_query_learns_of_one_mode():
    client = WithItsOptics(BasisQueries(4))
    assert client.bound == "mode"
    link, xi = client.optics(LINK, np.ones((300, 20)) / math.sqrt(20))
    assert link is LINK and xi.shape == (300, 20)
    sent = rows(300)
    noise = np.random.default_rng(5).normal(0, 2.0, 300)
    client.note(sent, xi, sent[:, 4].real + noise)
    a, b = sent[:, 4].real, sent[:, 4].real + noise
    rho2 = (a @ b) ** 2 / ((a @ a) * (b @ b))
    assert client.learned() == pytest.approx(-math.log2(1 - rho2) / 2)
    # All of the amplifier's noise is in that mode.
    assert client.channel() == (1.0, pytest.approx(2 * 0.3 / 1.3))
    # The largest gain counts.
    client.optics(Link(2.0, 6.0), xi)
    client.optics(LINK, xi)
    assert client.channel() == (1.0, pytest.approx(1.0))


def test_its_light_is_as_honest_as_anyones():
    sent = rows(4000)
    light = WithItsOptics(OverAmplifier(2.0)).outward(sent, np.random.default_rng(6))
    np.testing.assert_array_equal(light, sent + vacuum(sent.shape, np.random.default_rng(6)))
    added = light - sent
    for part in (added.real, added.imag):
        assert part.var() == pytest.approx(1, rel=5 * math.sqrt(2 / added.size))


def test_rows_of_other_lengths_count_on_average():
    client = WithItsOptics(OverAmplifier(2.0))
    client.optics(LINK, np.ones((1, 1)))
    for modes in (10, 30):
        xi = np.ones((50, modes), complex) / math.sqrt(modes)
        client.note(rows(50, modes), xi, np.ones(50))
    assert client.channel()[1] == pytest.approx(1.0 / 20)
