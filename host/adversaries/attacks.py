"""Runs adversaries against honest counterparts: what each learns, and how soon it is noticed.

What an adversary learns is computed from light that is simulated symbol by symbol, and is compared
with a bound. How soon it is noticed is computed from many simulated sessions. Their sums are drawn
from the distributions of the sums, and are given to the same tests as in a real session.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.catalogue import DATA_BOUNDS
from shotveil.host.leakage.weights import weight_leakage
from shotveil.host.verification.evidence import HonestNoise, excess_evidence, loss_evidence
from shotveil.host.verification.monitor import ClientMonitor, MonitorSettings, Verdict
from shotveil.host.verification.probe_check import CHECK_RATE, ProbeCheck, checks_for
from shotveil.models.adversaries.adversary import (
    Adversary,
    ClientAdversary,
    FibreAdversary,
    LinkAdversary,
    ServerAdversary,
    adversary,
)
from shotveil.models.adversaries.channels import mutual_information
from shotveil.models.adversaries.clients import DishonestClient
from shotveil.models.adversaries.interference import Interference
from shotveil.models.adversaries.servers import CuriousServer, ProbingServer, fisher_bits
from shotveil.models.common.checks import require
from shotveil.models.link.decoys import decoy_rows
from shotveil.models.link.encoding import EncodedRows
from shotveil.models.link.optics import Link
from shotveil.models.link.per_mode import read_per_mode
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import read_symbols, vacuum


@dataclass(frozen=True)
class HonestLayer:
    """The honest layer that is attacked.

    link: The link, with a photon number > 0.
    modes: Number of modes N of a row.
    rows, decoys: Number of rows of weights and of decoy rows.
    images: Largest number of images in a session.
    sessions: Number of sessions that are simulated.
    monitor: Settings of verification.

    Raises `RangeError` for a number below 1, or a link without light.
    """

    link: Link
    modes: int = 392
    rows: int = 1568
    decoys: int = 98
    images: int = 10_000
    sessions: int = 1000
    monitor: MonitorSettings = field(default_factory=MonitorSettings)

    def __post_init__(self) -> None:
        for name in ("modes", "rows", "decoys", "images", "sessions"):
            require(name, getattr(self, name), at_least=1, integer=True)
        require("photons", self.link.photons, above=0)


@dataclass(frozen=True)
class AttackOutcome:
    """The result of an attack.

    attack: Name of the adversary.
    learned_bits: Bits learned for each real weight, or each data element and image.
    bound_bits: The bound on these bits, in the same unit.
    bound: Name of that bound; "" if no bound covers the attack.
    detected: Fraction of the sessions in which the attack was noticed.
    images_median, images_most: Median and largest number of images until the attack was noticed;
        None if it never was.
    by: The check that noticed it.
    """

    attack: str
    learned_bits: float
    bound_bits: float
    bound: str
    detected: float
    images_median: float | None
    images_most: float | None
    by: str


def run_attack(name: str, strength: float | None, setting: HonestLayer, seed: int) -> AttackOutcome:
    """Run the adversary called `name` against the honest layer `setting`.

    strength: Strength of the attack; None takes the adversary's usual strength.
    seed: Seed of all randomness, ≥ 0.

    Raises `RangeError` for an unknown name or a strength out of range.
    """
    who = adversary(name, Adversary)
    rng = np.random.default_rng(seed)
    if isinstance(who, FibreAdversary):
        return _on_the_fibre(who, strength, setting, rng)
    if isinstance(who, ClientAdversary):
        return _at_the_client(who, strength, setting, rng)
    assert isinstance(who, ServerAdversary)
    return _at_the_server(who, strength, setting, rng)


def _on_the_fibre(
    who: FibreAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    channel = who.of(strength)
    # Gaussian weights carry the most information that light of this variance can have.
    sent = vacuum((256, s.modes), rng, s.link.modulation_variance)
    taken = channel.pass_on(sent, rng)
    learned = mutual_information(sent, taken.record, taken.touched)
    bound = weight_leakage(
        1 + s.link.modulation_variance, channel.transmittance, channel.excess_noise
    )
    touched = channel.touched
    found = _sessions(
        s,
        rng,
        replace(s.link, transmittance_back=s.link.transmittance_back * channel.transmittance),
        channel.excess_noise / touched if touched else 0.0,
        touched,
    )
    return _outcome(who.name, learned, float(bound), who.covered_by, found, "excess noise or loss")


def _at_the_client(
    who: ClientAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    client = who.of(strength)
    link, xi = client.link(s.link), client.directions(1, s.modes)
    if xi is None:
        xi = vacuum((1, s.modes), rng)
        xi /= np.linalg.norm(xi)
    rows = _gaussian_rows(s, 2000, rng)
    values = read_symbols(link, rows, xi, rng, verify=False).values[0]
    truth = (rows.x @ xi[0].real + rows.p @ xi[0].imag) / rows.scale
    # The client learns one product from each row: ½·log2(1 + SNR) bits, with the SNR as simulated.
    learned = -math.log2(1 - np.corrcoef(values, truth)[0, 1] ** 2) / 2
    v, transmittance = 1 + link.modulation_variance, link.declared_transmittance_at(s.modes)
    if client.bound == "mode":
        # All of this is about the single mode that the client aimed at, and all of the client's
        # noise is in that mode.
        bound = 2 * weight_leakage(v, transmittance, link.noise_quantum + link.excess_noise)
        found, by = _single_modes(client, s, rng), "single modes"
    else:
        learned /= 2 * s.modes
        bound = weight_leakage(v, transmittance, link.declared_excess_noise(s.modes))
        found, by = _sessions(s, rng, link, 0.0, 0.0), "excess noise"
    return _outcome(who.name, learned, float(bound), who.covered_by, found, by)


def _single_modes(
    client: DishonestClient, s: HonestLayer, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the number of images until each session's monitor aborts; ∞ if it never does."""
    found = []
    layer = _gaussian_rows(s, s.decoys, rng)
    for _ in range(min(s.sessions, 20)):
        monitor = ClientMonitor(s.link, [s.modes], s.monitor)
        decoys = decoy_rows(layer, s.decoys, rng)
        found.append(math.inf)
        done = 0
        for images in _looks(s.images):
            asked = client.directions(images - done, s.modes)
            assert asked is not None
            done = images
            seen = read_per_mode(client.link(s.link), decoys, asked, rng).statistics
            if monitor.add(0, None, seen).verdict is Verdict.ABORT:
                found[-1] = images
                break
    return np.array(found)


def _at_the_server(
    who: ServerAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    server = who.of(strength)
    learned = _reconstruction(server, s, rng)
    bound = math.nan
    if who.covered_by:
        limit = DATA_BOUNDS[who.covered_by]
        bound = float(limit(s.link.noise_quantum, s.rows + s.decoys, s.modes))
    if isinstance(server, ProbingServer):
        found, by = _checked(server, s, rng)
    else:
        # This server follows the protocol and only analyses what it receives, so nobody can notice.
        found, by = np.full(s.sessions, math.inf), "nothing: it is within its bound"
    return _outcome(who.name, learned, bound, who.covered_by, found, by)


def _checked(
    server: ProbingServer, s: HonestLayer, rng: np.random.Generator
) -> tuple[NDArray[np.float64], str]:
    """Return the images until each client's check finds the server out, and the check's name.

    The number of images is ∞ where the check never does.
    """
    found = []
    slots, batch = s.rows + s.decoys, 256
    checks = checks_for(batch, CHECK_RATE)
    for _ in range(min(s.sessions, 20)):
        check = ProbeCheck(s.link.gain, s.link.client_detector, s.monitor.false_alarm_probability)
        found.append(math.inf)
        for number in range(1, max(2, s.images // batch)):
            direction = vacuum((s.modes,), rng)
            direction /= np.linalg.norm(direction)
            means = rng.normal(0, math.sqrt(s.link.modulation_variance), slots)
            if check.add(server.readings(s.link, direction, means, checks, rng)):
                found[-1] = number * batch
                break
    return np.array(found), f"probe check ({checks} in {batch} images)"


def _reconstruction(server: CuriousServer, s: HonestLayer, rng: np.random.Generator) -> float:
    """Return bits per data element in a server's estimates of |ξ_k|², for random Gaussian data."""
    truth, estimates = [], []
    for _ in range(4):
        xi = vacuum((s.modes,), rng)
        xi /= np.linalg.norm(xi)
        truth.append(np.abs(xi) ** 2)
        estimates.append(server.estimate(s.link, xi, s.rows + s.decoys, rng))
    # |ξ_k|² has variance 1/N²; a mode holds two elements.
    return fisher_bits(np.array(estimates), np.array(truth), 1 / s.modes**2) / 2


def _sessions(
    s: HonestLayer, rng: np.random.Generator, true: Link, extra: float, touched: float
) -> NDArray[np.float64]:
    """Return the number of images until each session is aborted; ∞ where it never is.

    true: The link as the adversary made it.
    extra: White noise (SNU) that it adds to a fraction `touched` of the rows.
    """
    noise, actual = HonestNoise.declared(s.link, s.modes), HonestNoise.declared(true, s.modes)
    eta = s.link.server_detector.efficiency
    spike = eta * true.transmittance_back * true.noise_quantum
    limit = math.log(3 / s.monitor.false_alarm_probability)
    found = np.full(s.sessions, math.inf)
    total = SymbolStatistics(np.zeros(s.sessions, int), *np.zeros((3, s.sessions)))
    done = 0
    for images in _looks(s.images):
        rows = (images - done) * (s.rows + s.decoys)
        done = images
        total += session_sums(
            rng, actual, s.link.modulation_variance, rows, s.sessions, spike, eta * extra, touched
        )
        part = [(noise, total)]
        evidence = np.maximum(excess_evidence(part), loss_evidence(part))
        found[(evidence >= limit) & np.isinf(found)] = images
        if np.isfinite(found).all():
            break
    return found


def session_sums(
    rng: np.random.Generator,
    noise: HonestNoise,
    modulation_variance: float,
    rows: int,
    sessions: int,
    spike: float,
    extra: float = 0.0,
    touched: float = 0.0,
) -> SymbolStatistics:
    """Draw the sums over `rows` rows in each session from their distributions, arrays (sessions,).

    noise: Slope and white noise of the actual channel.
    modulation_variance: V_A of the Gaussian rows, in SNU.
    spike: Additional noise variance (SNU) in one direction. It is taken to be orthogonal to q,
        which is a good approximation with hundreds of modes.
    extra: Additional variance (SNU) in all modes of a random fraction `touched` of the rows.

    The draws are Σq², the noise along q, and the energy of the noise in all other directions.
    """
    hit = rng.binomial(rows, touched, sessions) if touched else np.zeros(sessions, dtype=int)
    n = noise.modes * rows
    qq = modulation_variance * rng.chisquare(n, sessions)
    energy = np.zeros(sessions)
    for number, white in ((rows - hit, noise.white), (hit, noise.white + extra)):
        energy += 2 * white * rng.standard_gamma(number * (noise.modes - 1) / 2)
        energy += 2 * (white + spike) * rng.standard_gamma(number / 2)
    along = np.sqrt(noise.white + extra * hit / rows) * rng.standard_normal(sessions)
    cross = along * np.sqrt(qq)
    yy = noise.slope**2 * qq + 2 * noise.slope * cross + energy + along**2
    return SymbolStatistics(np.full(sessions, n), qq, noise.slope * qq + cross, yy)


def _looks(images: int) -> list[int]:
    """Return the numbers of images after which to test: each a tenth more than the last."""
    looks = [1]
    while looks[-1] < images:
        looks.append(min(images, max(looks[-1] + 1, math.ceil(looks[-1] * 1.1))))
    return looks


def _gaussian_rows(s: HonestLayer, number: int, rng: np.random.Generator) -> EncodedRows:
    light = vacuum((number, s.modes), rng, s.link.modulation_variance)
    return EncodedRows(light.real.copy(), light.imag.copy(), 1.0)


def _outcome(
    name: str, learned: float, bound_bits: float, bound: str, found: NDArray[np.float64], by: str
) -> AttackOutcome:
    seen = found[np.isfinite(found)]
    return AttackOutcome(
        name,
        learned,
        bound_bits,
        bound,
        float(np.isfinite(found).mean()),
        float(np.median(seen)) if len(seen) else None,
        float(seen.max()) if len(seen) else None,
        by,
    )


def interference(name: str, strength: float | None) -> Interference:
    """Return the adversary called `name` that acts inside a link. Raises `RangeError`."""
    return adversary(name, LinkAdversary).interference(strength)


def curious_server(name: str, strength: float | None) -> CuriousServer:
    """Return the adversary called `name` that acts as a server. Raises `RangeError`."""
    return adversary(name, ServerAdversary).of(strength)


def interference_bound(adversary: Interference) -> float:
    """Return the Holevo bound, in bits, on what an adversary inside a link reports as `learned`."""
    bits = float(weight_leakage(1 + adversary.variance(), *adversary.channel()))
    return 2 * bits if adversary.bound == "mode" else bits
