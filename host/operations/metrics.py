"""Metrics of a server for Prometheus, over HTTP on a loopback address.

The numbers are read from the ledger's accounts when somebody asks, so nothing has to be counted
twice. No name of a client, no weight and no datum is in them: only the network's name and digest,
which every client is told, and totals. The port is on loopback because HTTP asks for no
certificate; what collects the metrics runs on the same machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from shotveil.host.ledger.accounts import SENSES, Accounts, Budget, Sense
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.odometer import in_flight
from shotveil.host.parties.address import require_address
from shotveil.models.common.checks import RangeError


class Serving(Protocol):
    """What a server counts of itself while it runs (`host.parties.server.ModelServer`)."""

    @property
    def images(self) -> int: ...
    @property
    def layers_on_their_way(self) -> int: ...
    @property
    def open_sessions(self) -> int: ...


@dataclass(frozen=True)
class _Totals:
    """What one look at the accounts finds of a network; bits are per weight."""

    name: str
    digest: str
    leaked: dict[Sense, float]
    reserved: dict[Sense, float]
    budget: Budget | None
    rows: int
    never_verified: int
    sessions: int
    failure_probability: float


@dataclass(frozen=True)
class _Look:
    networks: list[_Totals]
    refused: int
    with_evidence: int
    records: int
    outstanding: int


@dataclass(eq=False)
class ServerMetrics(Collector):
    """What Prometheus is told of a server.

    refusals: How often each gRPC status was given to a peer, which goes on being counted.
    serving: Function that says whether new clients are welcome.
    """

    ledger: BudgetFilter
    server: Serving
    refusals: Mapping[str, int]
    serving: Callable[[], bool]
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def collect(self) -> Iterator[Any]:
        """Yield the metrics as they are now; called by Prometheus' package."""
        found = self.ledger.read(_look)
        of = ["network", "digest"]
        leaked = GaugeMetricFamily(
            "shotveil_leakage_bits_per_weight",
            "Leaked of the network to all clients and over all time, in bits per weight.",
            labels=[*of, "sense"],
        )
        reserved = GaugeMetricFamily(
            "shotveil_reserved_bits_per_weight",
            "The part of the leakage that is charged for light on its way, as if it were lost.",
            labels=[*of, "sense"],
        )
        budget = GaugeMetricFamily(
            "shotveil_budget_bits_per_weight",
            "Limit of the leakage to all clients together, in bits per weight.",
            labels=[*of, "sense"],
        )
        rows = CounterMetricFamily(
            "shotveil_rows_sent", "Rows sent, each counted as often as it was sent.", labels=of
        )
        unverified = GaugeMetricFamily(
            "shotveil_rows_never_verified", "Rows sent that verification did not accept.", labels=of
        )
        sessions = CounterMetricFamily("shotveil_sessions", "Sessions so far.", labels=of)
        failure = GaugeMetricFamily(
            "shotveil_failure_probability",
            "Probability that a certified total of the network is wrong.",
            labels=of,
        )
        for network in found.networks:
            labels = [network.name, network.digest]
            for sense in SENSES:
                leaked.add_metric([*labels, sense], network.leaked[sense])
                reserved.add_metric([*labels, sense], network.reserved[sense])
            if network.budget is not None:
                budget.add_metric([*labels, network.budget.sense], network.budget.bits)
            rows.add_metric(labels, network.rows)
            unverified.add_metric(labels, network.never_verified)
            sessions.add_metric(labels, network.sessions)
            failure.add_metric(labels, network.failure_probability)
        yield from (leaked, reserved, budget, rows, unverified, sessions, failure)
        refusals = CounterMetricFamily(
            "shotveil_refusals", "Requests that were refused, by gRPC status.", labels=["status"]
        )
        for status, count in dict(self.refusals).items():
            refusals.add_metric([status], count)
        yield refusals
        yield CounterMetricFamily(
            "shotveil_images", "Images served since this process began.", value=self.server.images
        )
        for name, says, value in (
            ("outstanding_reserves", "Reserves neither committed nor settled.", found.outstanding),
            ("clients_refused", "Clients that verification refused for good.", found.refused),
            ("clients_with_evidence", "Clients that evidence is kept of.", found.with_evidence),
            ("evidence_records", "Records of evidence that the ledger names.", found.records),
            ("open_sessions", "Sessions that are open here.", self.server.open_sessions),
            ("layers_on_their_way", "Layers being sent here.", self.server.layers_on_their_way),
            ("serving", "1 while new clients are welcome, else 0.", int(self.serving())),
        ):
            yield GaugeMetricFamily(f"shotveil_{name}", says, value=value)
        head = self.ledger.log.head.sequence
        yield CounterMetricFamily("shotveil_ledger_events", "Events in the ledger.", value=head)


@contextmanager
def metrics_at(address: str, metrics: ServerMetrics) -> Iterator[str]:
    """Answer Prometheus at `address` while the context lasts; yield the address with its port.

    address: HOST:PORT with a loopback host; port 0 takes any free port. Raises `RangeError` for
    another host, and `OSError` where the address cannot be listened on.
    """
    host, port = require_address(address)
    if host not in ("localhost", "127.0.0.1", "::1"):
        raise RangeError(
            f"metrics = {address} is no loopback address; allowed: 127.0.0.1:PORT, [::1]:PORT or "
            "localhost:PORT, since HTTP asks for no certificate"
        )
    try:
        answering, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise OSError(f"metrics cannot be listened for at {address}: {error.strerror}") from None
    try:
        yield f"{address.rpartition(':')[0]}:{answering.server_port}"
    finally:
        answering.shutdown()
        answering.server_close()
        thread.join()


def _look(accounts: Accounts) -> _Look:
    flying: dict[str, int] = {}
    for reserve in accounts.outstanding.values():
        network = accounts.sessions[reserve.session].network
        flying[network] = flying.get(network, 0) + reserve.row_copies
    return _Look(
        [
            _Totals(
                account.name,
                digest,
                {sense: account.total.bits(sense) for sense in SENSES},
                {sense: in_flight(accounts, digest, sense) for sense in SENSES},
                account.budget,
                account.total.copies(),
                account.never_verified + flying.get(digest, 0),
                account.sessions,
                account.failure_probability,
            )
            for digest, account in sorted(accounts.networks.items())
        ],
        sum(bool(known.refused) for known in accounts.clients.values()),
        sum(bool(known.evidence) for known in accounts.clients.values()),
        sum(len(known.evidence) for known in accounts.clients.values()),
        len(accounts.outstanding),
    )
