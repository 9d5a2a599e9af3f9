"""Runs adversaries against honest counterparts: what each learns, and how soon it is noticed.

What an adversary learns is computed from light that is simulated symbol by symbol, and is compared
with a bound. How soon it is noticed is computed from many simulated sessions. Their sums are drawn
from the distributions of the sums, and are given to the same tests as in a real session.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from shotveil.host.adversaries.detection import (
    Noticed,
    Record,
    Sums,
    drawn,
    judged,
    looks,
    sampled,
)
from shotveil.host.adversaries.reconstruction import labels_by_photon_counting
from shotveil.host.adversaries.spotting import spot
from shotveil.host.leakage.catalogue import (
    DATA_BOUND,
    DATA_BOUNDS,
    WEIGHT_BOUND,
    WEIGHT_BOUNDS,
)
from shotveil.host.leakage.spectrum import component_energies
from shotveil.host.leakage.weights import holevo_of_modulation, weight_leakage
from shotveil.host.parties.client_checks import MOST_GAIN
from shotveil.host.protocol.wire import MOST_MODES, MOST_ROWS
from shotveil.host.verification.brightness import BrightnessCheck
from shotveil.host.verification.evidence import HonestNoise
from shotveil.host.verification.monitor import ClientMonitor, MonitorSettings, Verdict
from shotveil.host.verification.probe_check import CHECK_RATE, ProbeCheck, checks_for
from shotveil.models.adversaries.adversary import (
    Adversary,
    ClientAdversary,
    ComponentAdversary,
    FibreAdversary,
    GuessingAdversary,
    LinkAdversary,
    ServerAdversary,
    SlotAdversary,
    adversary,
)
from shotveil.models.adversaries.channels import Fibre, mutual_information
from shotveil.models.adversaries.clients import DishonestClient
from shotveil.models.adversaries.components import Play
from shotveil.models.adversaries.interference import Interference
from shotveil.models.adversaries.saturation import Saturator
from shotveil.models.adversaries.servers import CuriousServer, ProbingServer, fisher_bits
from shotveil.models.common.checks import require
from shotveil.models.link.decoys import decoy_rows
from shotveil.models.link.encoding import EncodedRows, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.per_mode import read_per_mode
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import homodyne, pass_through, read_symbols, vacuum
from shotveil.models.networks.network import Layer

BATCH = 256  # images that a client sends together
SLOTS = 256  # rows of a part, in batches of that many images

MOST_IMAGES, MOST_SESSIONS = 10**9, 10**6  # more than any simulation ends with


@dataclass(frozen=True)
class HonestLayer:
    """The honest layer that is attacked.

    link: The link, with a photon number > 0.
    modes: Number of modes N of a row.
    rows, decoys: Number of rows of weights and of decoy rows.
    images: Largest number of images in a session.
    sessions: Number of sessions that are simulated.
    monitor: Settings of verification.
    spectrum: Energies (N,) of the principal components of its rows, relative to each other and
        descending, for clients that treat components in their own ways; None takes the weights that
        suit such a client best.

    Raises `RangeError` for a number below 1 or too large, a link without light, or a spectrum of
    other length.
    """

    link: Link
    modes: int = 392
    rows: int = 1568
    decoys: int = 98
    images: int = 10_000
    sessions: int = 1000
    monitor: MonitorSettings = field(default_factory=MonitorSettings)
    spectrum: Real | None = None

    def __post_init__(self) -> None:
        for name, most in (
            ("modes", MOST_MODES),
            ("rows", MOST_ROWS),
            ("decoys", MOST_ROWS),
            ("images", MOST_IMAGES),
            ("sessions", MOST_SESSIONS),
        ):
            require(name, getattr(self, name), at_least=1, at_most=most, integer=True)
        require("photons", self.link.photons, above=0)
        if self.spectrum is not None:
            require(
                "energies in the spectrum",
                len(self.spectrum),
                at_least=self.modes,
                at_most=self.modes,
            )


@dataclass(frozen=True)
class AttackOutcome:
    """The result of an attack. All bits are bits of the same thing, `of`.

    attack: Name of the adversary.
    of: What the bits are counted by, such as "weight" or "image".
    learned_bits: Bits that the adversary's own measurements tell.
    held_bits: Bits that the best measurement of all the light that it holds could tell (Holevo's
        theorem), for the very split over modes that it chose; None where this is not computed.
    declared_bits: The bound at what the settings declare, which is what reports print.
    bound_bits: The bound at what the adversary really does; NaN if no bound covers it.
    bound: Name of that bound; "" if no bound covers the attack.
    detected: Fraction of the sessions in which the attack was noticed.
    images_median, images_most: Median and largest number of images until the attack was noticed, 0
        where it is refused before any light; None if it never was.
    by: The check that noticed it.
    recognised: Area under the curve with which it recognises decoys, 0.5 for guessing; None for an
        attack that does not look for them.
    """

    attack: str
    of: str
    learned_bits: float
    held_bits: float | None
    declared_bits: float
    bound_bits: float
    bound: str
    detected: float
    images_median: float | None
    images_most: float | None
    by: str
    recognised: float | None = None


def run_attack(name: str, strength: float | None, setting: HonestLayer, seed: int) -> AttackOutcome:
    """Run the adversary called `name` against the honest layer `setting`.

    strength: Strength of the attack; None takes the adversary's usual strength.
    seed: Seed of all randomness, ≥ 0.

    Raises `RangeError` for an unknown name or a strength out of range, and for a number of modes
    that the attack cannot take.
    """
    who = adversary(name, Adversary)
    rng = np.random.default_rng(seed)
    if isinstance(who, FibreAdversary):
        return _on_the_fibre(who, strength, setting, rng)
    if isinstance(who, ClientAdversary):
        return _at_the_client(who, strength, setting, rng)
    if isinstance(who, ComponentAdversary):
        return _by_components(who, strength, setting, rng)
    if isinstance(who, SlotAdversary):
        return _among_slots(who, strength, setting, rng)
    if isinstance(who, GuessingAdversary):
        return _guessing(who, strength, setting, rng)
    assert isinstance(who, ServerAdversary)
    return _at_the_server(who, strength, setting, rng)


def spectrum_of(layer: Layer) -> Real:
    """Return the energies (N,) of the principal components of a layer's rows at V_A = 1."""
    return component_energies(layer.weights) / layer.rms**2


def weight_bound(
    modulation_variance: float,
    transmittance: float,
    excess_noise: float,
    name: str = WEIGHT_BOUND,
) -> float:
    """Return a bound for one inference, in bits per real weight; by default that of budgets."""
    bound = WEIGHT_BOUNDS[name]
    return float(bound(1, modulation_variance, transmittance, excess_noise))


def data_bound(link: Link, rows: int, modes: int) -> float:
    """Return the bound that data budgets use, for `rows` rows, in bits per data element."""
    g, coherent = (
        link.returned_noise_quantum_at(link.gain),
        link.coherent_photons_at(link.photons, modes),
    )
    return float(DATA_BOUNDS[DATA_BOUND](g, rows, modes, coherent))


def _declared(s: HonestLayer) -> float:
    n = s.modes
    return weight_bound(
        s.link.modulation_variance,
        s.link.declared_transmittance_at(n),
        s.link.declared_excess_noise(n),
    )


def _on_the_fibre(
    who: FibreAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    channel = who.of(strength)
    # Gaussian weights carry the most information that light of this variance can have.
    sent = vacuum((256, s.modes), rng, s.link.modulation_variance)
    taken = channel.pass_on(sent, rng)
    learned = mutual_information(sent, taken.record, taken.touched)
    bound = weight_bound(s.link.modulation_variance, channel.transmittance, channel.excess_noise)
    if isinstance(channel, Saturator):
        noticed = _saturated(s, channel, rng)
    else:
        touched = channel.touched
        true = replace(s.link, transmittance_back=s.link.transmittance_back * channel.transmittance)
        extra = s.link.server_detector.efficiency * channel.excess_noise
        actual = HonestNoise.declared(true, s.modes)
        record = Record(actual, actual, extra / touched if touched else 0.0, touched)
        noticed = _sessions(s, record, rng)
    return _outcome(who, "weight", learned, _declared(s), bound, noticed)


def _saturated(s: HonestLayer, fibre: Fibre, rng: np.random.Generator) -> Noticed:
    """Play it symbol by symbol, against a receiver that leaves out what lies beyond its range.

    A symbol that is left out counts as vacuum, as `host.verification.estimation` says.
    """
    receiver = s.link.server_detector
    most = receiver.converter_range or math.inf

    def image() -> Sums:
        sent = vacuum((s.rows + s.decoys, s.modes), rng, s.link.modulation_variance)
        xi = vacuum((s.modes,), rng)
        light = fibre.pass_on(sent, rng).returned
        back = pass_through(s.link, light, xi / np.linalg.norm(xi), rng).returned
        in_p = rng.random(len(sent)) < 0.5
        y = homodyne(s.link, back, in_p, rng)
        beyond = np.abs(y) > most
        y[beyond] = math.sqrt(1 + receiver.electronic_noise) * rng.standard_normal(beyond.sum())
        q = np.where(in_p[:, None], sent.imag, sent.real)
        return SymbolStatistics.of(q[~in_p], y[~in_p]), SymbolStatistics.of(q[in_p], y[in_p])

    declared, sessions = HonestNoise.declared(s.link, s.modes), min(s.sessions, 5)
    return judged(
        sampled(image, min(s.images, 20), sessions),
        declared,
        sessions,
        s.monitor.false_alarm_probability,
    )


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
    declared = _declared(s)
    variance, transmittance = link.modulation_variance, link.declared_transmittance_at(s.modes)
    if client.bound == "mode":
        # All of this is about the single mode that the client aimed at, and all of the client's
        # noise is in that mode.
        mode_noise = link.noise_quantum + link.excess_noise
        bound = 2 * float(weight_leakage(1 + variance, transmittance, mode_noise))
        noticed, of = _single_modes(client, s, rng), "weight of that mode"
        declared *= s.modes  # the bits of the whole row may all be about this mode
    else:
        learned /= 2 * s.modes
        bound = weight_bound(variance, transmittance, link.declared_excess_noise(s.modes))
        actual, of = HonestNoise.declared(link, s.modes), "weight"
        noticed = _sessions(s, Record(actual, actual), rng)
    return _outcome(who, of, learned, declared, bound, noticed)


def _single_modes(client: DishonestClient, s: HonestLayer, rng: np.random.Generator) -> Noticed:
    found = []
    layer = _gaussian_rows(s, s.decoys, rng)
    for _ in range(min(s.sessions, 20)):
        monitor = ClientMonitor(s.link, [s.modes], s.monitor)
        decoys = decoy_rows(layer, s.decoys, rng)
        found.append(math.inf)
        done = 0
        for images in looks(s.images):
            asked = client.directions(images - done, s.modes)
            assert asked is not None
            done = images
            seen = read_per_mode(client.link(s.link), decoys, asked, rng).statistics
            if monitor.add(0, None, seen).verdict is Verdict.ABORT:
                found[-1] = images
                break
    return Noticed(np.array(found), "single modes")


def _by_components(
    who: ComponentAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    client, n = who.of(strength), s.modes
    relative = client.weights(n) if s.spectrum is None else np.asarray(s.spectrum, np.float64)
    energies = s.link.modulation_variance * relative * (n / relative.sum())
    play = client.play(s.link, energies)
    noise = (play.noise_x + play.noise_p) / 2
    seen, spread = _slope(play)
    bound = weight_bound(
        s.link.modulation_variance,
        min(1.0, seen**2),
        float(noise.mean()) + spread / n,
        who.covered_by,
    )
    held = float(np.sum(held_per_mode(energies, play.transmittance, noise))) / (2 * n)
    learned = play.read_bits / (2 * n)
    noticed = _sessions(s, _record(s.link, play), rng)
    return _outcome(who, "weight", learned, _declared(s), bound, noticed, held)


def _among_slots(
    who: SlotAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    client, n = who.of(strength), s.modes
    strongest = client.strongest(n)
    if s.spectrum is not None:
        strongest = float(s.spectrum[0] * n / s.spectrum.sum())
    rows = min(s.rows, SLOTS)
    decoys = max(1, round(rows * s.decoys / s.rows))
    found = spot(client, s.link, rows, n, decoys, rng, strongest=strongest)
    sent = vacuum((256, n), rng, s.link.modulation_variance)
    taken = client.tap.pass_on(sent, rng)
    variance, tapped = s.link.modulation_variance, client.tap.transmittance
    learned = found.of_weights * mutual_information(sent, taken.record, taken.touched)
    held = found.of_weights * weight_bound(variance, tapped, 0.0)
    # What is certified rests on the worse of weights and decoys.
    of_weights = found.transmittance(found.of_weights, tapped)
    bound = weight_bound(variance, of_weights, 0.0)
    of_all = found.transmittance(
        (found.of_weights * rows + found.of_decoys * decoys) / (rows + decoys), tapped
    )
    true = replace(s.link, transmittance_back=s.link.transmittance_back * of_all)
    actual = HonestNoise.declared(true, n)
    noticed = _sessions(s, Record(actual, actual), rng)
    outcome = _outcome(who, "weight", learned, _declared(s), bound, noticed, held)
    return replace(outcome, recognised=found.auc)


def held_per_mode(energies: Real, transmittance: Real, noise: Real) -> Real:
    """Return χ, in bits, of modes of which some may return amplified, arrays (N,).

    energies: V_A (SNU). transmittance: T ≥ 0. noise: ε (SNU), at least 2(T − 1).

    Where T is above 1, the result is an upper bound: losing light until T = 1 leaves the noise ε/T,
    and can only add to what the client holds.
    """
    gain = np.maximum(transmittance, 1.0)
    return holevo_of_modulation(energies, transmittance / gain, noise / gain)


def _record(link: Link, play: Play) -> Record:
    """Return what the server's receiver records of rows that a client treats by components."""
    n, receiver = len(play.energies), link.server_detector
    mean, spread = _slope(play)
    scale = math.sqrt(receiver.efficiency * play.unit)
    found = []
    for noise in (play.noise_x, play.noise_p):
        total = float(noise.sum())
        white = min(link.excess_noise, total / n)
        found.append(
            HonestNoise(
                n,
                mean * scale,
                float(receiver.noise_variance(white)) * play.unit,
                receiver.efficiency * (total - n * white + spread) * play.unit,
            )
        )
    order = np.argsort(play.energies)[::-1]
    return Record(
        found[0],
        found[1],
        energies=play.energies[order],
        slopes=np.sqrt(play.transmittance[order]) * scale,
    )


def _slope(play: Play) -> tuple[float, float]:
    """Return the slope that a server fits to a row, and what the spread adds to its residual."""
    amplitude = np.sqrt(play.transmittance)
    mean = float(amplitude @ play.energies / play.energies.sum())
    return mean, float(((amplitude - mean) ** 2) @ play.energies)


def _guessing(
    who: GuessingAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    server = who.of(strength)
    link, data, rows = server.link(s.link), server.data(s.modes, rng), s.rows + s.decoys
    # Of the photons of all rows along the data, this many come back because of the imbalance.
    coherent = rows * link.coherent_photons_at(link.photons, s.modes) * server.aim(data)
    guessed = labels_by_photon_counting(
        link, data.directions, data.labels, rows, rng, coherent=coherent
    )
    declared, bound = (2 * s.modes * data_bound(each, rows, s.modes) for each in (s.link, link))
    if link.gain > max(MOST_GAIN, s.link.gain):
        noticed = Noticed(np.zeros(s.sessions), "the client's cap on the gain, before any light")
    elif link.photons > s.link.photons:
        noticed = _too_bright(link, s, rng)
    else:
        noticed = _unseen(s)
    return _outcome(who, "image", max(0.0, guessed.bits), declared, bound, noticed)


def _too_bright(link: Link, s: HonestLayer, rng: np.random.Generator) -> Noticed:
    """Return when the client's check of brightness refuses the light of the true `link`."""
    found = []
    slots, checks = s.rows + s.decoys, checks_for(BATCH, CHECK_RATE)
    noise = math.sqrt(link.inference_variance_at(link.gain))
    for _ in range(min(s.sessions, 20)):
        check = BrightnessCheck(
            s.link, [s.link.gain], [s.link.photons], s.monitor.false_alarm_probability
        )
        found.append(math.inf)
        for number in range(1, max(2, s.images // BATCH)):
            means = link.signal_at(link.gain) * rng.normal(
                0, math.sqrt(link.modulation_variance), slots
            )
            readings = means + noise * rng.standard_normal((checks, slots))
            if check.add(float(np.sum(readings**2)), readings.size, 0):
                found[-1] = number * BATCH
                break
    return Noticed(np.array(found), f"brightness check ({checks} in {BATCH} images)")


def _unseen(s: HonestLayer) -> Noticed:
    # Such a server follows the protocol and only analyses what it receives.
    return Noticed(np.full(s.sessions, math.inf), "nothing: it is within its bound")


def _at_the_server(
    who: ServerAdversary, strength: float | None, s: HonestLayer, rng: np.random.Generator
) -> AttackOutcome:
    server = who.of(strength)
    learned = _reconstruction(server, s, rng)
    declared = data_bound(s.link, s.rows + s.decoys, s.modes)
    bound = declared if who.covered_by else math.nan
    noticed = _checked(server, s, rng) if isinstance(server, ProbingServer) else _unseen(s)
    return _outcome(who, "data element", learned, declared, bound, noticed)


def _checked(server: ProbingServer, s: HonestLayer, rng: np.random.Generator) -> Noticed:
    found = []
    slots, checks = s.rows + s.decoys, checks_for(BATCH, CHECK_RATE)
    for _ in range(min(s.sessions, 20)):
        check = ProbeCheck(s.link.gain, s.link.client_detector, s.monitor.false_alarm_probability)
        found.append(math.inf)
        for number in range(1, max(2, s.images // BATCH)):
            direction = vacuum((s.modes,), rng)
            direction /= np.linalg.norm(direction)
            means = rng.normal(0, math.sqrt(s.link.modulation_variance), slots)
            if check.add(server.readings(s.link, direction, means, checks, rng)):
                found[-1] = number * BATCH
                break
    return Noticed(np.array(found), f"probe check ({checks} in {BATCH} images)")


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


def _sessions(s: HonestLayer, record: Record, rng: np.random.Generator) -> Noticed:
    """Return when the server's verification refuses sessions with such a record."""
    sums = drawn(record, s.link.modulation_variance, s.rows + s.decoys, s.images, s.sessions, rng)
    declared = HonestNoise.declared(s.link, s.modes)
    return judged(sums, declared, s.sessions, s.monitor.false_alarm_probability)


def _gaussian_rows(s: HonestLayer, number: int, rng: np.random.Generator) -> EncodedRows:
    light = vacuum((number, s.modes), rng, s.link.modulation_variance)
    return EncodedRows(light.real.copy(), light.imag.copy(), 1.0)


def _outcome(
    who: Adversary,
    of: str,
    learned: float,
    declared: float,
    bound: float,
    noticed: Noticed,
    held: float | None = None,
) -> AttackOutcome:
    seen = noticed.images[np.isfinite(noticed.images)]
    return AttackOutcome(
        who.name,
        of,
        learned,
        held,
        declared,
        bound,
        who.covered_by,
        float(np.isfinite(noticed.images).mean()),
        float(np.median(seen)) if len(seen) else None,
        float(seen.max()) if len(seen) else None,
        noticed.by,
    )


def interference(name: str, strength: float | None) -> Interference:
    """Return the adversary called `name` that acts inside a link. Raises `RangeError`."""
    return adversary(name, LinkAdversary).interference(strength)


def curious_server(name: str, strength: float | None) -> CuriousServer:
    """Return the adversary called `name` that acts as a server. Raises `RangeError`."""
    return adversary(name, ServerAdversary).of(strength)


def interference_bound(adversary: Interference) -> float:
    """Return the bound, in bits, on what an adversary inside a link reports as `learned`.

    It is the bound that budgets use, for all weights of a row alike; for the two weights of one
    mode it is χ of that mode.
    """
    variance, channel = adversary.variance(), adversary.channel()
    if adversary.bound == "mode":
        return 2 * float(weight_leakage(1 + variance, *channel))
    return weight_bound(variance, *channel)
