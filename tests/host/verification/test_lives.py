"""Whole lives of many clients, at small size by default; `make soak-evidence` runs the floors.

The sums of each session are drawn from their distributions, and are given to the tests and to the
confidence limits that the server uses. One weight layer of the demonstration at its own setting.
"""

import math
import os

import numpy as np
import pytest
from scipy.stats import rankdata

from shotveil.host.adversaries.detection import Record, session_sums
from shotveil.host.leakage.certificate import certified_channel
from shotveil.host.leakage.composition import LOST, channel_class
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.protocol.order import Order
from shotveil.host.verification.confidence import channel_at_any_time, worse
from shotveil.host.verification.evidence import HonestNoise, excess_evidence, loss_evidence
from shotveil.host.verification.levels import FAILURE_PROBABILITY, FALSE_ALARM_PROBABILITY
from shotveil.host.verification.monitor import ClientMonitor, Verdict
from shotveil.models.adversaries.basis_vector import BASIS_VECTOR
from shotveil.models.link.decoys import decoy_rows
from shotveil.models.link.detector import Detector
from shotveil.models.link.encoding import EncodedRows, encode_rows
from shotveil.models.link.optics import Link, inference_noise
from shotveil.models.link.per_mode import read_per_mode
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import vacuum
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network

SOAK = bool(os.environ.get("SHOTVEIL_SOAK"))
DEMO, MODES, ROWS, DECOYS = Link(1.000873, 391.2), 392, 3136, 196
V_A = DEMO.modulation_variance
HONEST = HonestNoise.declared(DEMO, MODES)
NOTHING = SymbolStatistics(0, 0.0, 0.0, 0.0)


def light(rng, rows, clients, transmittance=1.0, extra=0.0):
    """Sums (clients,) of rows through a channel; arrays give each client one of its own."""
    noise = HonestNoise(MODES, np.sqrt(transmittance), 1.0 + extra, DEMO.noise_quantum)
    return session_sums(rng, noise, Record(noise, noise), V_A, rows, clients)


def alarmed(sums, level):
    """Whether the pooled tests of `ClientMonitor` refuse, (clients,)."""
    parts = [(HONEST, sums)]
    return np.maximum(excess_evidence(parts), loss_evidence(parts)) >= math.log(3 / level)


def certified(weights, decoys):
    return worse(
        *(
            channel_at_any_time(sums, Detector(), MODES, V_A, FAILURE_PROBABILITY)
            for sums in (weights, decoys)
        )
    )


def test_a_tap_in_sessions_of_one_image_is_noticed_within_twenty():
    rng = np.random.default_rng(1)
    clients = 10_000 if SOAK else 1000
    total, after = NOTHING, np.full(clients, math.inf)
    for session in range(1, 21):
        total += light(rng, ROWS + DECOYS, clients, 1 - 2e-4)
        after[alarmed(total, FALSE_ALARM_PROBABILITY) & np.isinf(after)] = session
    print(f"\ntap of 2e-4: noticed {np.isfinite(after).mean():.2%}, at most after {after.max():g}")
    assert np.isfinite(after).mean() >= 0.99


def test_honest_clients_are_refused_at_most_at_the_level():
    """At the level of a false alarm itself no alarm is expected, so a much higher one is tried."""
    rng = np.random.default_rng(2)
    clients, sessions = (10_000, 1000) if SOAK else (1000, 60)
    lives = np.exp(rng.uniform(0, math.log(sessions), clients)).astype(int)
    levels = (FALSE_ALARM_PROBABILITY, 1e-2)
    total, found = NOTHING, {level: np.zeros(clients, bool) for level in levels}
    for session in range(sessions):
        total += light(rng, ROWS + DECOYS, clients)
        for level in levels:
            found[level] |= alarmed(total, level) & (session < lives)
    for level in levels:
        print(f"\nhonest: {found[level].sum()} of {clients} refused at level {level:g}")
        assert found[level].mean() <= level


def strategies(rng, clients, images):
    """Yield the sums of weights and of decoys, and what truly happened to both, image by image.

    Each client draws for each of its sessions whether it attacks, how strongly, whether it takes
    light or adds noise, and whether it spares decoys; its sessions have 1 to 300 images. Images are
    drawn many at a time where nobody changes anything.
    """
    spares = rng.random(clients) < 0.5
    habit = rng.random(clients)
    strength = 10 ** rng.uniform(-6.5, -1, clients)
    left = np.zeros(clients, int)
    tap, noise = np.zeros((2, clients))
    done = 0
    while done < images:
        new = left == 0
        left[new] = np.exp(rng.uniform(0, math.log(300), new.sum())).astype(int)
        acts = new & (rng.random(clients) < habit)
        drawn = np.minimum(strength * 10 ** rng.uniform(-0.5, 0.5, clients), 0.5)
        takes = rng.random(clients) < 0.7
        tap[new], noise[new] = 0.0, 0.0
        tap[acts & takes] = drawn[acts & takes]
        noise[acts & ~takes] = drawn[acts & ~takes]
        step = int(min(left.min(), images - done, max(1, done // 20)))
        spared = np.where(spares, 0.0, 1.0)
        yield (
            step,
            light(rng, ROWS * step, clients, 1 - tap, noise),
            light(rng, DECOYS * step, clients, 1 - tap * spared, noise * spared),
            tap.copy(),
            noise.copy(),
        )
        left -= step
        done += step


def test_nobody_learns_more_than_is_charged():
    """Whatever a client does, and however long, until it is refused."""
    rng = np.random.default_rng(3)
    clients, images = (500, 10_000) if SOAK else (60, 400)
    weights, decoys = NOTHING, NOTHING
    slope, noise = np.zeros((2, clients))
    free, done, closest = np.ones(clients, bool), 0, math.inf
    looks = set(np.unique(np.geomspace(1, images, 60).astype(int)).tolist())
    for step, of_weights, of_decoys, tap, added in strategies(rng, clients, images):
        before = done
        done += step
        weights, decoys = weights + of_weights, decoys + of_decoys
        slope, noise = (
            slope + step * np.sqrt(1 - tap),
            noise + step * (added + DEMO.noise_quantum / MODES),
        )
        free &= ~alarmed(weights + decoys, FALSE_ALARM_PROBABILITY)
        known = certified(weights, decoys)
        # The channel that is charged is no better than the mean one at any moment.
        true = (slope / done) ** 2, noise / done
        assert (known.transmittance[free] <= true[0][free]).all()
        assert (known.excess_noise[free] >= true[1][free]).all()
        if not any(before < look <= done for look in looks):
            continue
        for client in np.flatnonzero(free)[: 40 if SOAK else 10]:
            rated = channel_class(known.transmittance[client], known.excess_noise[client])
            charged = float(majorant_after(done, V_A, *rated))
            learned = float(majorant_after(done, V_A, true[0][client], true[1][client]))
            assert learned <= charged
            closest = min(closest, charged / learned)
    print(f"\n{free.sum()} of {clients} never refused; charged over learned at least {closest:.3f}")
    assert free.any() and not free.all(), "some strategies are found out, and some are not"


@pytest.mark.parametrize("name", ["weights", "decoys"])
def test_a_client_that_spares_one_kind_of_light_is_certified_at_the_other(name):
    """The fibre is better than declared; the client takes the difference from one kind alone."""
    rng = np.random.default_rng(4)
    for declared, actual in ((0.95, 0.97), (0.9, 0.95), (0.99, 0.999)):
        total = {"weights": NOTHING, "decoys": NOTHING}
        for batch in range(1, 13):
            for kind, rows in (("weights", ROWS), ("decoys", DECOYS)):
                held = declared if kind == name else actual
                total[kind] += light(rng, rows * 256, 1, held)
            found = certified(total["weights"], total["decoys"])
            assert found.transmittance[0] <= declared, batch


def test_what_is_certified_over_sessions_is_no_worse_than_in_one():
    """Against limits of one look at the decoys, each time that these had doubled, as they were."""
    rng = np.random.default_rng(5)
    decoys, weights, looks, held = NOTHING, NOTHING, 0, LOST
    ratios = []
    for image in range(1, 2001 if SOAK else 301):
        decoys += light(rng, DECOYS, 1)
        weights += light(rng, ROWS, 1)
        if decoys.count[0] >= 10_000 << looks:
            looks = int(decoys.count[0] // 10_000).bit_length()
            share = FAILURE_PROBABILITY * 6 / (math.pi * looks) ** 2
            held = channel_class(
                *(float(v[0]) for v in certified_channel(decoys, Detector(), share))
            )
        now = channel_class(*(float(v[0]) for v in certified(weights, decoys)))
        ratios.append(
            float(majorant_after(image, V_A, *now)) / float(majorant_after(image, V_A, *held))
        )
    ratios = np.array(ratios)
    print(
        f"\nbits now over bits as they were: {np.mean(ratios[20:]):.3f} on average after 20 images"
    )
    assert np.mean(ratios[20:]) < 1.01
    assert certified(weights, decoys).transmittance[0] > 0.999


def test_basis_vectors_one_image_a_session_are_noticed_within_thirty():
    rng = np.random.default_rng(6)
    link, lives = Link(1.3, 6.0), 40 if SOAK else 6
    client = BASIS_VECTOR.of(None)
    sent = vacuum((DECOYS, MODES), rng, link.modulation_variance)
    layer = EncodedRows(sent.real.copy(), sent.imag.copy(), 1.0)
    after = []
    for _ in range(lives):
        known, after_all = {}, math.inf
        for session in range(1, 31):
            monitor = ClientMonitor(link, [MODES], known=known)
            decoys = decoy_rows(layer, DECOYS, rng)
            asked = client.directions(1, MODES)
            seen = read_per_mode(client.link(link), decoys, asked, rng).statistics
            verdict = monitor.add(0, None, seen).verdict
            known = monitor.record(0)
            if verdict is Verdict.ABORT:
                after_all = session
                break
        after.append(after_all)
    print(f"\nbasis vectors: noticed after {np.median(after):g} sessions, at most {max(after):g}")
    assert max(after) <= 30


@pytest.mark.parametrize("mixed", [False, True])
def test_a_client_cannot_tell_where_decoys_are(mixed):
    """It knows the weights, and what decoys are on average, and reads 64 repetitions.

    In every slot it compares what it reads along a direction of its choice with both kinds. Without
    the mixing it would know at once: along the data, weights of images differ much from decoys.
    """
    rng = np.random.default_rng(7)
    rows = encode_rows(load_network("mnist").layers[0].weights[:256], V_A)
    drawn = decoy_rows(rows, 16, rng)
    light = np.concatenate([drawn.x + 1j * drawn.p, rows.x + 1j * rows.p])
    image = load_mnist(None, "test")[0][5].astype(float)
    along = (image[0::2] + 1j * image[1::2]) / np.linalg.norm(image)
    many = decoy_rows(rows, 4000, rng)
    usual = [np.mean(((a.conj() @ along).real) ** 2) for a in (many.x + 1j * many.p, light[16:])]
    order = Order.draw(np.arange(-16, 256), 64, mixed, rng)
    noise = inference_noise(DEMO.gain)
    seen = order.played(np.tile((light.conj() @ along).real, (64, 1)))
    seen += math.sqrt(noise) * rng.normal(size=seen.shape)
    guess = seen**2 * (1 if usual[0] > usual[1] else -1)
    # A slot's share of the decoys, by the energy of each of them in it.
    share = np.zeros(seen.shape)
    for decoy in range(16):
        share += order.played(np.tile(np.arange(272) == decoy, (64, 1)).astype(float)) ** 2
    more = share > np.mean(share)
    ranks = rankdata(guess).reshape(guess.shape)[more]
    count, rest = len(ranks), guess.size - len(ranks)
    auc = (ranks.sum() - count * (count + 1) / 2) / count / rest
    print(f"\nrecognising decoys, slots {'mixed' if mixed else 'not mixed'}: AUC {auc:.3f}")
    assert auc < 0.55 if mixed else auc > 0.8
