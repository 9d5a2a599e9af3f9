"""Adversaries against honest counterparts: what each learns, against which bound, and how soon.

What is learned comes from simulated light, symbol by symbol. How soon it is noticed comes from many
simulated sessions, whose sums are drawn from their own distributions and given to the same evidence
processes as in a real one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.data_bounds.crb_prx import crb_prx
from shotveil.host.leakage.data_bounds.qcrb import qcrb
from shotveil.host.leakage.weights import weight_leakage
from shotveil.host.verification.evidence import HonestNoise, excess_evidence, loss_evidence
from shotveil.host.verification.monitor import MonitorSettings, SessionMonitor, Verdict
from shotveil.host.verification.probe_check import CHECK_RATE, ProbeCheck, checks_for
from shotveil.models.adversaries.channels import (
    EntanglingCloner,
    Fibre,
    InterceptResend,
    Tap,
    mutual_information,
)
from shotveil.models.adversaries.clients import BasisQueries, OverAmplifier
from shotveil.models.adversaries.interference import Interference, OnTheFibre, WithItsOptics
from shotveil.models.adversaries.servers import (
    CuriousServer,
    Homodyner,
    PhotonCounter,
    Squeezer,
    fisher_bits,
)
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.decoys import decoy_rows
from shotveil.models.link.encoding import EncodedRows
from shotveil.models.link.optics import Link
from shotveil.models.link.per_mode import read_per_mode
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import read_symbols, vacuum


@dataclass(frozen=True)
class Setting:
    """An honest layer: `rows` of weights and `decoys` in N `modes` a row, over `link`.

    images: the most a session has. sessions: how many are simulated.
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
    """What came of an attack.

    learned_bits: per real weight or data element and image. bound_bits: what covers it, under the
    bound named, "" where none does. detected: fraction of the sessions, and images until then, in
    the median and at most; None where none was. by: which check.
    """

    attack: str
    learned_bits: float
    bound_bits: float
    bound: str
    detected: float
    images_median: float | None
    images_most: float | None
    by: str


def run_attack(name: str, strength: float | None, setting: Setting, seed: int) -> AttackOutcome:
    """Run one adversary, by default as strong as `ATTACKS` says; raises `RangeError`."""
    if name not in ATTACKS:
        raise RangeError(f"attack = {name!r} is none of {', '.join(ATTACKS)}")
    run, usual, _ = ATTACKS[name]
    return run(name, usual if strength is None else strength, setting, np.random.default_rng(seed))


def _on_the_fibre(
    name: str, strength: float, s: Setting, rng: np.random.Generator
) -> AttackOutcome:
    channel = _FIBRES[name](strength)
    # Gaussian weights: the most that light of this variance can carry.
    sent = vacuum((256, s.modes), rng, s.link.modulation_variance)
    taken = channel.pass_on(sent, rng)
    learned = mutual_information(sent, taken.record, taken.touched)
    bound = weight_leakage(
        1 + s.link.modulation_variance, channel.transmittance, channel.excess_noise
    )
    touched = channel.fraction if isinstance(channel, InterceptResend) else 1.0
    found = _sessions(
        s,
        rng,
        replace(s.link, transmittance_back=s.link.transmittance_back * channel.transmittance),
        channel.excess_noise / touched if touched else 0.0,
        touched,
    )
    return _outcome(name, learned, float(bound), "holevo", found, "excess noise or loss")


def _over_amplifier(name: str, gain: float, s: Setting, rng: np.random.Generator) -> AttackOutcome:
    link = OverAmplifier(gain).link(s.link)
    # One product a row: ½·log2(1 + SNR), seen on simulated light.
    xi = vacuum((1, s.modes), rng)
    xi /= np.linalg.norm(xi)
    rows = _gaussian_rows(s, 2000, rng)
    values = read_symbols(link, rows, xi, rng, verify=False).values[0]
    truth = (rows.x @ xi[0].real + rows.p @ xi[0].imag) / rows.scale
    rho2 = np.corrcoef(values, truth)[0, 1] ** 2
    learned = -math.log2(1 - rho2) / 2 / (2 * s.modes)
    excess = link.declared_excess_noise(s.modes)
    bound = weight_leakage(1 + link.modulation_variance, link.declared_transmittance, excess)
    found = _sessions(s, rng, link, 0.0, 0.0)
    return _outcome(name, learned, float(bound), "holevo", found, "excess noise")


def _basis_queries(name: str, mode: float, s: Setting, rng: np.random.Generator) -> AttackOutcome:
    xi = BasisQueries(int(mode)).directions(1, s.modes)
    rows = _gaussian_rows(s, 2000, rng)
    values = read_symbols(s.link, rows, xi, rng, verify=False).values[0]
    rho2 = np.corrcoef(values, rows.x[:, int(mode)])[0, 1] ** 2
    learned = -math.log2(1 - rho2) / 2  # of the one weight that was asked for
    # That mode alone has all of the client's noise.
    g = s.link.noise_quantum + s.link.excess_noise
    bound = 2 * weight_leakage(1 + s.link.modulation_variance, s.link.declared_transmittance, g)
    found = []
    layer = _gaussian_rows(s, s.decoys, rng)
    for _ in range(min(s.sessions, 20)):
        monitor = SessionMonitor(s.link, [s.modes], s.monitor)
        decoys = decoy_rows(layer, s.decoys, rng)
        found.append(math.inf)
        done = 0
        for images in _looks(s.images):
            batch = BasisQueries(int(mode)).directions(images - done, s.modes)
            done = images
            seen = read_per_mode(s.link, decoys, batch, rng).statistics
            if monitor.add(0, None, seen).verdict is Verdict.ABORT:
                found[-1] = images
                break
    return _outcome(
        name, learned, float(bound), "holevo of that mode", np.array(found), "single modes"
    )


def _curious(make: Callable[[float], CuriousServer], bound: Callable[..., NDArray]) -> _Run:
    def run(name: str, strength: float, s: Setting, rng: np.random.Generator) -> AttackOutcome:
        learned = _reconstruction(make(strength), s, rng)
        limit = float(bound(s.link.noise_quantum, s.rows + s.decoys, s.modes))
        # It sends what it should and looks at what it gets: nobody can notice.
        never = np.full(s.sessions, math.inf)
        return _outcome(
            name, learned, limit, bound.__name__, never, "nothing: it is within its bound"
        )

    return run


def _squeezer(name: str, decibels: float, s: Setting, rng: np.random.Generator) -> AttackOutcome:
    server = Squeezer(decibels)
    learned = _reconstruction(server, s, rng)
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
    return _outcome(
        name, learned, math.nan, "", np.array(found), f"probe check ({checks} in {batch} images)"
    )


def _reconstruction(server: CuriousServer, s: Setting, rng: np.random.Generator) -> float:
    """Bits per data element in a server's estimates of |ξ_k|², for random data of flat mean."""
    truth, estimates = [], []
    for _ in range(4):
        xi = vacuum((s.modes,), rng)
        xi /= np.linalg.norm(xi)
        truth.append(np.abs(xi) ** 2)
        estimates.append(server.estimate(s.link, xi, s.rows + s.decoys, rng))
    # |ξ_k|² has variance 1/N²; a mode holds two elements.
    return fisher_bits(np.array(estimates), np.array(truth), 1 / s.modes**2) / 2


def _sessions(
    s: Setting, rng: np.random.Generator, true: Link, extra: float, touched: float
) -> NDArray[np.float64]:
    """Images until each session is aborted, ∞ where never.

    Honest rows but for the `true` link, and white noise `extra` (SNU) on a fraction `touched`.
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
    """Sums over so many rows in each session, arrays (sessions,), from their own distributions.

    Σq² of Gaussian rows; noise along q; and the energy of the noise outside, white but for one
    direction with `spike` on top, taken orthogonal to q, which is one of hundreds. On a random
    fraction `touched` of the rows all modes have `extra` more.
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
    """After every image at first, then after a tenth more each time, at last after all."""
    looks = [1]
    while looks[-1] < images:
        looks.append(min(images, max(looks[-1] + 1, math.ceil(looks[-1] * 1.1))))
    return looks


def _gaussian_rows(s: Setting, number: int, rng: np.random.Generator) -> EncodedRows:
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


_Run = Callable[[str, float, Setting, np.random.Generator], AttackOutcome]

ATTACKS: dict[str, tuple[_Run, float, str]] = {
    "over-amplification": (_over_amplifier, 1.5, "gain"),
    "tap": (_on_the_fibre, 0.01, "fraction of the light"),
    "intercept-resend": (_on_the_fibre, 0.05, "fraction of the rows"),
    "entangling-cloner": (_on_the_fibre, 0.01, "excess noise at T = 0.99"),
    "basis-vector": (_basis_queries, 0.0, "mode"),
    "homodyne-server": (_curious(lambda _: Homodyner(), crb_prx), 0.0, "unused"),
    "counting-server": (_curious(lambda _: PhotonCounter(), qcrb), 0.0, "unused"),
    "squeezing-server": (_squeezer, 10.0, "squeezing in dB"),
}
"""Each attack by name: how it runs, its usual strength, and what the strength means."""

_FIBRES: dict[str, Callable[[float], Fibre]] = {
    "tap": Tap,
    "intercept-resend": InterceptResend,
    "entangling-cloner": lambda excess: EntanglingCloner(0.99, excess),
}
_OPTICS: dict[str, Callable[[float], OverAmplifier | BasisQueries]] = {
    "over-amplification": OverAmplifier,
    "basis-vector": lambda mode: BasisQueries(int(mode)),
}
_SERVERS: dict[str, Callable[[float], CuriousServer]] = {
    "homodyne-server": lambda _: Homodyner(),
    "counting-server": lambda _: PhotonCounter(),
    "squeezing-server": Squeezer,
}
LINK_ATTACKS, SERVER_ATTACKS = (*_OPTICS, *_FIBRES), tuple(_SERVERS)
"""Attacks that a link and that a server can play in a real session."""


def interference(name: str, strength: float | None) -> Interference:
    """The adversary of that name within a link; raises `RangeError`."""
    if name not in LINK_ATTACKS:
        raise RangeError(f"attack = {name!r} is none of {', '.join(LINK_ATTACKS)}")
    value = ATTACKS[name][1] if strength is None else strength
    if name in _FIBRES:
        return OnTheFibre(_FIBRES[name](value))
    return WithItsOptics(_OPTICS[name](value))


def curious_server(name: str, strength: float | None) -> CuriousServer:
    """The model owner of that name; raises `RangeError`."""
    if name not in SERVER_ATTACKS:
        raise RangeError(f"attack = {name!r} is none of {', '.join(SERVER_ATTACKS)}")
    return _SERVERS[name](ATTACKS[name][1] if strength is None else strength)


def interference_bound(adversary: Interference) -> float:
    """Holevo bound, in bits, on what `learned` says of an adversary within a link."""
    bits = float(weight_leakage(1 + adversary.variance(), *adversary.channel()))
    return 2 * bits if adversary.bound == "mode" else bits
