"""What left of a network's weights: typed events, and the accounts that follow from them.

Light is charged in two steps. A *reserve* is written before it leaves, at the worst case there is:
nothing comes back (T = 0). A *commit*, once its verification was accepted, moves the same rows to
the channel that verification shows for their session. Whatever is not committed, because a process
died, a client vanished or verification refused, stays charged at the reserve.

What a session tells besides its light, the layers' scales and what decoys show of their second
moments, is the same in all sessions with a network. It is charged once, in all senses, when the
first of them begins.

A session has one channel per layer, in three senses. *Declared*: what the settings imply.
*Estimated*: what the data suggest. *Certified*: the worst that the data allow at the session's
failure probability. A `channel` event restates them as data accumulate, for all rows the session
has committed to and will: the assumption is one channel a session (i.i.d., collective attack).
Until something is estimated or certified, those two senses count the light as lost. After a
refusal, the declared sense takes the certified channel too: the declaration was found wrong.

`Accounts` replays events into totals and can be asked at any point; `host.ledger.budget` decides
what may still be sent; `host.ledger.odometer` reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.composition import LOST, ChannelClass, composed_leakage
from shotveil.host.ledger.event_log import Event
from shotveil.models.common.checks import RangeError, require

Sense = Literal["declared", "estimated", "certified"]
SENSES: tuple[Sense, ...] = get_args(Sense)
COMPOSITION = "least over splits into groups: chi(1 + sum K V_A, worst T, worst eps), groups added"


@dataclass(frozen=True)
class LayerChannel:
    """A layer's channel in a session, in three senses."""

    declared: ChannelClass
    estimated: ChannelClass = LOST
    certified: ChannelClass = LOST


class Tally:
    """Copies sent of each row of each layer, by sense, channel and V_A, and what they leak."""

    def __init__(self, layers: Sequence[tuple[int, int]]) -> None:
        self.layers = [(int(rows), int(columns)) for rows, columns in layers]
        self._counts: dict[Sense, list[dict[tuple[ChannelClass, float], NDArray[np.int64]]]] = {
            sense: [{} for _ in layers] for sense in SENSES
        }
        self._bits: dict[tuple[Sense, int], float] = {}
        self.disclosed = 0.0  # bits told of the network besides the light of its rows

    def add(
        self,
        sense: Sense,
        layer: int,
        channel: ChannelClass,
        modulation_variance: float,
        copies: NDArray[np.int64],
    ) -> None:
        """Count `copies` (rows,) of a layer, negative to take back."""
        held = self._counts[sense][layer]
        key = channel, modulation_variance
        total = held.get(key, 0) + copies
        if np.any(total):
            held[key] = total
        else:
            held.pop(key, None)
        self._bits.pop((sense, layer), None)

    def bits(self, sense: Sense, extra: Tally | None = None) -> float:
        """Holevo bound in bits per real weight, mean over the network's weights.

        extra: copies that are to be counted as well, without adding them.
        """
        weights = [rows * columns for rows, columns in self.layers]
        layers = range(len(self.layers))
        total = sum(w * self._layer(sense, i, extra) for w, i in zip(weights, layers, strict=True))
        disclosed = max(self.disclosed, extra.disclosed if extra is not None else 0.0)
        return float((total + disclosed) / sum(weights))

    def copies(self, sense: Sense = "declared") -> int:
        """Rows sent, each counted as often as it was sent."""
        return int(sum(c.sum() for held in self._counts[sense] for c in held.values()))

    def _layer(self, sense: Sense, layer: int, extra: Tally | None) -> float:
        held = self._counts[sense][layer]
        more = extra._counts[sense][layer] if extra is not None else {}
        if not more and (sense, layer) in self._bits:
            return self._bits[sense, layer]
        keys = sorted({*held, *more})
        bits = 0.0
        if keys:
            zero = np.zeros(self.layers[layer][0], dtype=np.int64)
            counts = np.stack([held.get(key, zero) + more.get(key, zero) for key in keys])
            # Few patterns of counts occur, each in many rows.
            patterns, occurrence = np.unique(counts, axis=1, return_counts=True)
            variances = np.array([variance for _, variance in keys])
            channels = sorted({channel for channel, _ in keys})
            modulation = np.zeros((len(channels), patterns.shape[1]))
            for (channel, _), line in zip(keys, variances[:, None] * patterns, strict=True):
                modulation[channels.index(channel)] += line
            leakage = composed_leakage(channels, modulation)
            bits = float(np.average(leakage, weights=occurrence))
        if not more:
            self._bits[sense, layer] = bits
        return bits


@dataclass(frozen=True)
class Reserve:
    """Rows [first, stop) of a layer, each sent `inferences` times, written before the light."""

    sequence: int
    session: str
    layer: int
    first: int
    stop: int
    inferences: int


@dataclass(frozen=True)
class Budget:
    """A limit in bits per real weight on what leaked in one `sense`."""

    bits: float
    sense: Sense


@dataclass
class SessionAccount:
    """One client's session: its channels, and the copies (rows,) per layer it has committed to."""

    network: str
    client: str
    modulation_variance: float
    failure_probability: float
    channels: list[LayerChannel]
    committed: list[NDArray[np.int64]]
    ended: str = ""


@dataclass
class NetworkAccount:
    """A network: total over all clients, who may collude, and one tally for each client."""

    name: str
    layers: list[tuple[int, int]]
    total: Tally
    clients: dict[str, Tally] = field(default_factory=dict)
    budget: Budget | None = None
    client_budgets: dict[str, Budget] = field(default_factory=dict)
    default_client_budget: Budget | None = None

    def client(self, name: str) -> Tally:
        return self.clients.setdefault(name, Tally(self.layers))

    def budget_of(self, client: str) -> Budget | None:
        return self.client_budgets.get(client, self.default_client_budget)


class Accounts:
    """The state that a ledger's events add up to."""

    def __init__(self) -> None:
        self.networks: dict[str, NetworkAccount] = {}
        self.sessions: dict[str, SessionAccount] = {}
        self.outstanding: dict[int, Reserve] = {}

    def apply(self, event: Event) -> None:
        """Take one event into account; raises `RangeError` for one that makes no sense here."""
        handler = getattr(self, f"_on_{event.kind}", None)
        if handler is None:
            raise RangeError(f"ledger event {event.sequence} has unknown kind {event.kind!r}")
        try:
            handler(event.sequence, event.body)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise RangeError(
                f"ledger event {event.sequence} ({event.kind}) makes no sense: {error}"
            ) from None

    def _on_network(self, _: int, body: Mapping[str, Any]) -> None:
        layers = [(int(rows), int(columns)) for rows, columns in body["layers"]]
        if body["network"] in self.networks:
            raise ValueError("the network is known already")
        self.networks[body["network"]] = NetworkAccount(body["name"], layers, Tally(layers))

    def _on_budget(self, _: int, body: Mapping[str, Any]) -> None:
        account = self.networks[body["network"]]
        bits = body["bits"]
        budget = None if bits is None else Budget(float(bits), body["sense"])
        client = body["client"]
        if client is None:
            account.budget = budget
        elif client == "":
            account.default_client_budget = budget
        elif budget is None:
            account.client_budgets.pop(client, None)
        else:
            account.client_budgets[client] = budget

    def _on_session(self, _: int, body: Mapping[str, Any]) -> None:
        account = self.networks[body["network"]]
        if body["session"] in self.sessions:
            raise ValueError("the session is known already")
        if len(body["declared"]) != len(account.layers):
            raise ValueError("the session does not declare one channel a layer")
        for tally in (account.total, account.client(body["client"])):
            tally.disclosed = max(tally.disclosed, float(body.get("disclosed_bits", 0.0)))
        self.sessions[body["session"]] = SessionAccount(
            body["network"],
            body["client"],
            float(body["modulation_variance"]),
            float(body["failure_probability"]),
            [LayerChannel(ChannelClass(*map(float, pair))) for pair in body["declared"]],
            [np.zeros(rows, dtype=np.int64) for rows, _ in account.layers],
        )

    def _on_reserve(self, sequence: int, body: Mapping[str, Any]) -> None:
        reserve = Reserve(
            sequence,
            body["session"],
            int(body["layer"]),
            int(body["first"]),
            int(body["stop"]),
            int(body["inferences"]),
        )
        copies = self.copies_of(reserve)
        self._add(reserve.session, reserve.layer, LayerChannel(LOST), copies)
        self.outstanding[sequence] = reserve

    def _on_commit(self, _: int, body: Mapping[str, Any]) -> None:
        reserve = self.outstanding.pop(int(body["reserve"]))
        session, layer = self.sessions[reserve.session], reserve.layer
        copies = self.copies_of(reserve)
        self._add(reserve.session, layer, LayerChannel(LOST), -copies)
        self._add(reserve.session, layer, session.channels[layer], copies)
        session.committed[layer] = session.committed[layer] + copies

    def _on_channel(self, _: int, body: Mapping[str, Any]) -> None:
        session, layer = self.sessions[body["session"]], int(body["layer"])
        _require_layer(layer, len(session.channels))
        new = LayerChannel(*(ChannelClass(*map(float, body[sense])) for sense in SENSES))
        self._add(body["session"], layer, session.channels[layer], -session.committed[layer])
        session.channels[layer] = new
        self._add(body["session"], layer, new, session.committed[layer])

    def _on_end(self, _: int, body: Mapping[str, Any]) -> None:
        self.sessions[body["session"]].ended = body["reason"] or "ended"

    def copies_of(self, reserve: Reserve) -> NDArray[np.int64]:
        """Copies (rows,) that a reserve stands for; raises `ValueError` if it fits no layer."""
        network = self.networks[self.sessions[reserve.session].network]
        _require_layer(reserve.layer, len(network.layers))
        rows = network.layers[reserve.layer][0]
        if not (0 <= reserve.first < reserve.stop <= rows and reserve.inferences > 0):
            raise ValueError(f"rows {reserve.first} to {reserve.stop} of {rows}")
        copies = np.zeros(rows, dtype=np.int64)
        copies[reserve.first : reserve.stop] = reserve.inferences
        return copies

    def _add(
        self, session_id: str, layer: int, channel: LayerChannel, copies: NDArray[np.int64]
    ) -> None:
        session = self.sessions[session_id]
        account = self.networks[session.network]
        # A reserve is lost in every sense, so in the declared one too.
        for sense in SENSES:
            rated = getattr(channel, sense)
            for tally in (account.total, account.client(session.client)):
                tally.add(sense, layer, rated, session.modulation_variance, copies)

    def find(self, network: str) -> tuple[str, NetworkAccount]:
        """Digest and account of a network, by name, digest or the start of one.

        Raises `RangeError` unless exactly one fits.
        """
        fitting = [
            digest
            for digest, account in self.networks.items()
            if network and (digest.startswith(network) or account.name == network)
        ]
        if len(fitting) != 1:
            known = ", ".join(f"{a.name} ({d[:12]})" for d, a in self.networks.items()) or "none"
            raise RangeError(f"network = {network!r} fits {len(fitting)} in the ledger: {known}")
        return fitting[0], self.networks[fitting[0]]


def _require_layer(layer: int, layers: int) -> None:
    """A negative one would count from the end, past what is kept of each layer's bits."""
    if not 0 <= layer < layers:
        raise ValueError(f"layer {layer} of {layers}")


def require_budget(bits: float | None, sense: str) -> None:
    """Raise `RangeError` unless these make a budget: declared or certified, 0 bits or more.

    An estimate is no bound, so no budget can rest on it.
    """
    if bits is not None:
        require("budget", bits, at_least=0)
    if sense not in ("declared", "certified"):
        raise RangeError(f"budget sense = {sense!r}; allowed: declared, certified")
