"""The model owner's page: what its ledger says, read while `shotveil serve` writes it.

Nothing on it tells a weight, an input or a key: it holds the figures that `shotveil ledger show`
prints, and what verification knows of each client's light.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np

from shotveil.host.console.books import Books
from shotveil.host.console.hub import packed
from shotveil.host.console.source import Topics
from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger import odometer
from shotveil.host.ledger.accounts import SENSES, Accounts, ClientStanding
from shotveil.host.ledger.budget import standing_name
from shotveil.host.ledger.event_log import Event, Head
from shotveil.host.ledger.snapshots import restore
from shotveil.host.ledger.stores import Address, open_log
from shotveil.host.verification.evidence import excess_evidence, loss_evidence
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY, limit_of
from shotveil.host.verification.records import Period
from shotveil.models.link.statistics import SymbolStatistics

WINDOW = 10.0  # seconds over which images a second are counted
POINTS = 600  # of the leakage over time
EVENTS = 12  # the last ones, in words
NETWORK_DIGITS = 16  # of a digest, in the name of a period


class ServerBooks(Books):
    """A `ConsoleSource` of a ledger, a file or a database, which it never writes.

    Raises `RangeError` for a ledger that is missing, damaged or changed.
    """

    def __init__(self, ledger: Address) -> None:
        self._log = open_log(ledger, writable=False)
        self._accounts: Accounts = restore(self._log)
        self._head = self._log.head
        self._images: deque[tuple[float, int]] = deque()
        self._total = 0
        self._events: deque[tuple[float, str]] = deque(maxlen=EVENTS)
        self._spent: dict[str, deque[tuple[float, ...]]] = {}
        self._declared = self._known_terms()
        self._first = True
        super().__init__({"kind": "server", "title": f"ledger {self._log.path}"})

    def close(self) -> None:
        """Stop reading, and close the ledger."""
        super().close()
        self._log.close()

    def _read(self) -> Topics:
        now = time.time()
        fresh = list(self._log.events(self._head))
        for event in fresh:
            self._count(event)
            self._accounts.apply(event)
            self._head = Head(event.sequence, event.digest)
        found: Topics = {"rate": self._rate(now)}
        if not fresh and not self._first:
            return found
        self._first = False
        networks = odometer.report(self._accounts)
        return found | {
            "networks": [self._network(entry, now) for entry in networks],
            "evidence": self._evidence(),
            "events": [{"time": moment, "text": text} for moment, text in self._events],
            "head": {"events": self._head.sequence},
        }

    def _count(self, event: Event) -> None:
        """Count images: those of the last layer whose last row was accepted; note new terms."""
        self._events.append((event.time, _in_words(event)))
        if event.kind == "session":
            network = event.body["network"][:NETWORK_DIGITS]
            for layer, (transmittance, noise) in enumerate(event.body["declared"]):
                terms = ChannelClass(float(transmittance), float(noise))
                self._declared[event.body["client"], network, layer] = terms
        if event.kind != "commit":
            return
        reserve = self._accounts.outstanding.get(int(event.body["reserve"]))
        if reserve is None:
            return
        session = self._accounts.sessions[reserve.session]
        layers = self._accounts.networks[session.network].layers
        if reserve.layer == len(layers) - 1 and reserve.stop == layers[-1][0]:
            self._images.append((event.time, reserve.inferences))
            self._total += reserve.inferences

    def _rate(self, now: float) -> dict[str, Any]:
        while self._images and self._images[0][0] < now - WINDOW:
            self._images.popleft()
        return {
            "images_per_second": sum(n for _, n in self._images) / WINDOW,
            "images": self._total,
        }

    def _known_terms(self) -> dict[tuple[str, str, int], ChannelClass]:
        """Return what sessions declared of each client's light, by client, network and layer.

        After a refusal, accounts hold the worst instead, so those of refused clients are left out.
        """
        return {
            (session.client, session.network[:NETWORK_DIGITS], layer): channel.declared
            for session in self._accounts.sessions.values()
            if not self._accounts.clients.get(session.client, ClientStanding()).refused
            for layer, channel in enumerate(session.channels)
        }

    def _network(self, entry: dict[str, Any], now: float) -> dict[str, Any]:
        """Return what the page shows of a network's account, which is less than a report holds."""
        spent = self._spent.setdefault(entry["digest"], deque(maxlen=POINTS))
        spent.append((now, *(entry["leakage_bits"][sense] for sense in SENSES)))
        columns = np.array(spent).T
        return {
            "network": entry["network"],
            "digest": entry["digest"][:NETWORK_DIGITS],
            "bits": entry["leakage_bits"],
            "total_bits": entry["total_bits"],
            "budget": entry["budget"],
            "left": entry["remaining_inferences"],
            "sessions": entry["sessions"],
            "open": entry["sessions_open"],
            "rows_sent": entry["row_copies_sent"],
            "never_verified": entry["row_copies_never_verified"],
            "failure_probability": entry["failure_probability"],
            "clients": [
                {
                    "client": client["client"],
                    "bits": client["leakage_bits"],
                    "budget": client["budget"],
                    "refused": client["refused"],
                }
                for client in entry["clients"]
            ],
            "history": {
                "time": packed(columns[0] - now),
                **{sense: packed(columns[k + 1]) for k, sense in enumerate(SENSES)},
            },
        }

    def _evidence(self) -> list[dict[str, Any]]:
        """Return what verification knows of each client's light: the channel, and ln E."""
        found = []
        for client, standing in sorted(self._accounts.clients.items()):
            periods: dict[str, Period] = {}
            for name in standing.evidence:
                value = self._log.record(standing_name(client, standing.admissions, name))
                if value is not None:
                    periods[name] = Period.from_bytes(value)
            parts = [part for period in periods.values() for part in period.parts]
            if not parts:
                continue
            fine = any(period.fine is not None for period in periods.values())
            found.append(
                {
                    "client": client,
                    "refused": standing.refused,
                    "excess": float(excess_evidence(parts)),
                    "loss": float(loss_evidence(parts)),
                    "limit": limit_of(FALSE_ALARM_PROBABILITY, fine=fine),
                    "light": [
                        self._channel(client, name, period) for name, period in periods.items()
                    ],
                }
            )
        return found

    def _channel(self, client: str, name: str, period: Period) -> dict[str, Any]:
        """Return T̂ and ε̂ of one period, beside what was declared of it.

        A record holds the declared slope and noise, so the estimates follow from their ratios:
        T̂ = T·(t̂/t)², and ε̂ exceeds ε by the noise above the declared one over the efficiency.
        """
        network, layer, _ = name.split(".")
        light = {"network": network, "layer": int(layer) + 1}
        sums: SymbolStatistics = period.weights + period.decoys.pooled()
        declared = self._declared.get((client, network, int(layer)))
        if sums.count < 2 or not sums.qq > 0 or declared is None or not declared.transmittance > 0:
            return light
        noise = period.noise
        mean = noise.white + noise.spike / noise.modes
        efficiency = noise.slope**2 / declared.transmittance
        slope, count = float(sums.slope), float(sums.count)
        variance = float(sums.residual) / count
        beyond = (variance - mean) / efficiency
        error = np.sqrt(variance / float(sums.qq))
        ratio = slope / noise.slope
        return light | {
            "symbols": int(sums.count),
            "transmittance": declared.transmittance * ratio * abs(ratio),
            "transmittance_error": float(
                2 * declared.transmittance * abs(ratio) * error / noise.slope
            ),
            "excess_noise": declared.excess_noise + beyond,
            "excess_noise_error": float(variance * np.sqrt(2 / count) / efficiency),
            "declared": [declared.transmittance, declared.excess_noise],
        }


def _in_words(event: Event) -> str:
    body = event.body
    session = str(body.get("session", ""))[:8]
    layer = f"layer {int(body.get('layer', 0)) + 1}"
    texts = {
        "session": f"session {session} of client {body.get('client')} begins",
        "end": f"session {session} ends: {body.get('reason')}",
        "refused": f"client {body.get('client')} is refused: {body.get('reason')}",
        "readmitted": f"client {body.get('client')} is admitted again",
        "budget": f"budget is set to {body.get('bits')} bits per weight",
        "channel": f"a new certificate for {layer}",
        "reserve": f"{layer} is charged, {body.get('inferences')} times",
        "commit": "light was verified and is charged at its channel",
        "settle": "a charge is taken back: its light never left",
    }
    return texts.get(event.kind, event.kind)
