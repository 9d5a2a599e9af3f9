"""What adversaries within a link do to light and optics, and the account that they keep."""

import math

import numpy as np
import pytest

from shotveil.models.adversaries.basis_vector import BasisQueries
from shotveil.models.adversaries.channels import mutual_information
from shotveil.models.adversaries.intercept_resend import InterceptResend
from shotveil.models.adversaries.interference import OnTheFibre, WithItsOptics
from shotveil.models.adversaries.over_amplification import OverAmplifier
from shotveil.models.adversaries.tap import Tap
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import vacuum

LINK = Link(1.3, 6.0)


def light(seed=1, shape=(3000, 8), variance=4.0):
    return vacuum(shape, np.random.default_rng(seed), variance)


def test_on_the_fibre_the_account_is_what_all_records_tell():
    adversary, attack = OnTheFibre(InterceptResend(0.5)), InterceptResend(0.5)
    one, other, rng = light(1), light(2), np.random.default_rng(3)
    assert adversary.learned() == 0
    for sent in (one, other):
        adversary.outward(sent, rng)
    rng = np.random.default_rng(3)
    taken = [attack.pass_on(sent, rng) for sent in (one, other)]
    expected = mutual_information(
        np.concatenate([one, other]),
        np.concatenate([t.record for t in taken]),
        np.concatenate([t.touched for t in taken]),
    )
    assert adversary.learned() == pytest.approx(expected)
    assert adversary.variance() == pytest.approx(4, rel=0.05)
    assert adversary.channel() == (1, 1) and adversary.bound == "row"


def test_on_the_fibre_the_optics_are_the_clients_and_its_readings_are_not_heard():
    adversary, xi = OnTheFibre(Tap(0.1)), light()
    assert adversary.optics(LINK, xi) == (LINK, xi)
    adversary.note(light(), xi, np.ones(3000))
    assert adversary.learned() == 0 and adversary.channel() == (0.9, 0)


def test_light_goes_on_as_the_fibre_leaves_it():
    sent = light()
    gone = OnTheFibre(Tap(0.1)).outward(sent, np.random.default_rng(4))
    np.testing.assert_array_equal(gone, Tap(0.1).pass_on(sent, np.random.default_rng(4)).returned)


def test_a_client_sets_its_own_optics():
    xi = light()
    link, asked = WithItsOptics(OverAmplifier(2.0)).optics(LINK, xi)
    assert link.gain == 2 and asked is xi
    link, asked = WithItsOptics(BasisQueries(3)).optics(LINK, xi)
    assert link == LINK and asked.shape == xi.shape and (asked[:, 3] == 1).all()


def test_a_client_meets_the_light_with_its_vacuum():
    sent = light()
    gone = WithItsOptics(OverAmplifier(2.0)).outward(sent, np.random.default_rng(4))
    assert (gone - sent).real.var() == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("client", "share", "channel"),
    [
        # Of all 16 weights of a row, whose noise is spread over the 8 modes.
        (OverAmplifier(2.0), 1 / 16, (1.0, 1 / 8)),
        (BasisQueries(3), 1, (1.0, 2 * 0.3 / 1.3)),
    ],
)
def test_a_client_learns_what_its_readings_tell_of_the_product(client, share, channel):
    adversary, sent = WithItsOptics(client), light(shape=(40_000, 8))
    _, xi = adversary.optics(LINK, light(5, shape=(40_000, 8), variance=1 / 16))
    product = np.einsum("rk,rk->r", xi.conj(), sent).real
    noise = np.random.default_rng(6).normal(size=len(product)) * product.std()
    adversary.note(sent, xi, product + noise)
    # Signal and noise alike: half a bit a reading.
    assert adversary.learned() == pytest.approx(0.5 * share, rel=0.02)
    assert adversary.variance() == pytest.approx(4, rel=0.05)
    assert adversary.channel() == pytest.approx(channel)


def test_the_highest_gain_counts():
    class Wavering(OverAmplifier):
        gains = iter((2.0, 3.0, 1.5))

        def link(self, granted):
            return OverAmplifier(next(self.gains)).link(granted)

    adversary = WithItsOptics(Wavering(2.0))
    for _ in range(3):
        adversary.optics(LINK, light(shape=(2, 4)))
        adversary.note(light(shape=(2, 4)), light(shape=(2, 4)), np.ones(2))
    assert adversary.channel()[1] == pytest.approx(2 * (3 - 1) / 3 / 4)


def test_rows_of_several_widths_count_by_their_number():
    adversary = WithItsOptics(OverAmplifier(2.0))
    for modes in (4, 8):
        _, xi = adversary.optics(LINK, light(5, (100, modes)))
        sent = light(6, (100, modes))
        adversary.note(sent, xi, np.einsum("rk,rk->r", xi.conj(), sent).real)
    assert adversary.channel()[1] == pytest.approx(1 / 6)
    assert math.isfinite(adversary.learned()) and adversary.learned() > 0.5


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
