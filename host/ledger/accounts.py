"""The accounts of what leaked of a network's weights, and the events that they are made of.

Light is charged in two steps. Before it leaves, a *reserve* charges it at the worst case, in which
nothing comes back (T = 0). After verification accepted it, a *commit* charges the same rows at the
channel that verification found for their session instead. Light that is never committed, because a
process died, a client vanished or verification refused, stays charged at the reserve.

A session also discloses something besides its light: the layers' scales, and the second moments
that the decoys show. This is the same in all sessions with a network, so it is charged once, in all
senses, when the first session begins.

A session has one channel for each layer, in three senses. The *declared* channel is what the
settings imply, the *estimated* one what the data suggest, and the *certified* one the worst that
the data allow at the session's failure probability. As data accumulate, a `channel` event replaces
all three, for the rows that the session has committed and for those still to come. Until there is
an estimate or a certificate, those two senses count the light as lost. The certified sense also
covers clients that return modes amplified, because verification does not exclude them in time.
After a refusal the declared sense takes the certified channel as well, because the declaration was
found to be wrong.

Sessions with the same *standing* have one channel and one count of committed rows together: they
are sessions of one client under the same terms, whose evidence goes on from one to the next. What
verification knows lies beside the events, as records (`host.ledger.event_log`), and the events name
their digests. A refused client stays refused until its owner readmits it. Then its evidence begins
anew, and what leaked before stays charged as it was.

Light that provably never left is not charged at all: a *settle* event takes a reserve back, and
keeps the evidence for that, which is the statement of a link or of the owner.

The account of a network is that of its whole *lineage*. A network whose weights tell of those of a
network that is known already, because it is the same one saved again or trained on, is charged to
that one's account (`host.ledger.lineage`).

What the accounts hold does not grow with age: of the sessions that ended the last `KEPT_SESSIONS`
are kept, and of reserves that were never committed the last `KEPT_RESERVES`. What older ones
charged stays charged; it can only no longer be settled.

`Accounts` adds events up to totals and can be read after any event. `host.ledger.budget` decides
what may still be sent, and `host.ledger.odometer` reports.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.composition import LOST, ChannelClass, composed_leakage
from shotveil.host.ledger.event_log import Event
from shotveil.models.common.checks import RangeError, require

Integers = NDArray[np.int64]
Copies = int | Integers  # of each row of a layer: one number for all of them, or shape (rows,)
Sense = Literal["declared", "estimated", "certified"]
SENSES: tuple[Sense, ...] = get_args(Sense)
KEPT_SESSIONS = 256
KEPT_RESERVES = 4096
COMPOSITION = (
    "least over splits into groups: chi(1 + sum K V_A, worst T, worst eps), groups added; "
    "certified: of clients that may amplify"
)


@dataclass(frozen=True)
class LayerChannel:
    """The channel of one layer in one session, in three senses (see the top of this file)."""

    declared: ChannelClass
    estimated: ChannelClass = LOST
    certified: ChannelClass = LOST


_NOTHING_BACK = LayerChannel(LOST)


class Tally:
    """Counts how often each row of each layer was sent, and computes what that leaks.

    Copies are counted separately for each sense, channel and modulation variance V_A.
    layers: Rows and columns of each layer.
    """

    def __init__(self, layers: Sequence[tuple[int, int]]) -> None:
        self.layers = [(int(rows), int(columns)) for rows, columns in layers]
        self._counts: dict[Sense, list[dict[tuple[ChannelClass, float], Copies]]] = {
            sense: [{} for _ in layers] for sense in SENSES
        }
        self._bits: dict[tuple[Sense, int], float] = {}
        # As it was when it was last worked out, and the mean of K·V_A that was added since.
        self._then: dict[tuple[Sense, int], float] = {}
        self._since: dict[tuple[Sense, int], float] = {}
        self.disclosed = 0.0  # bits disclosed of the network besides the light of its rows

    def add(
        self,
        sense: Sense,
        layer: int,
        channel: ChannelClass,
        modulation_variance: float,
        copies: Copies,
    ) -> None:
        """Add `copies` to a layer's counts; negative numbers take copies back.

        modulation_variance: V_A of the rows as they were sent, in SNU.
        """
        held = self._counts[sense][layer]
        key = channel, modulation_variance
        total = compact(held.get(key, 0) + copies)
        if isinstance(total, int) and total == 0:
            held.pop(key, None)
        else:
            held[key] = total
        place = sense, layer
        self._bits.pop(place, None)
        if place in self._then:
            self._since[place] += modulation_variance * _mean_of_added(copies)

    def bits(self, sense: Sense, extra: Tally | None = None) -> float:
        """Return the Holevo bound in bits per real weight, as the mean over the network's weights.

        extra: Copies that are counted in addition, without being added to this tally.
        """
        weights = [rows * columns for rows, columns in self.layers]
        layers = range(len(self.layers))
        total = sum(w * self._layer(sense, i, extra) for w, i in zip(weights, layers, strict=True))
        disclosed = max(self.disclosed, extra.disclosed if extra is not None else 0.0)
        return float((total + disclosed) / sum(weights))

    def has_room(
        self, sense: Sense, limit: float, layer: int, variance: float, copies: Copies
    ) -> bool:
        """Return whether `bits` stays within a limit with more `copies` of a layer, all lost.

        variance: V_A of the rows, in SNU.

        As long as there is much room this is quick: since the leakage was last worked out, what was
        added counts as if it had been lost and came alone, all rows equally often. Copies tell as
        much as they hold at most, what they add to other light is less, and what lost light tells
        is concave in K·V_A.
        """
        weights = [rows * columns for rows, columns in self.layers]
        more = variance * _mean_of_added(copies)
        for _ in range(2):
            if all((sense, i) in self._then for i in range(len(weights))):
                most = self.disclosed
                for i, w in enumerate(weights):
                    since = self._since[sense, i] + (more if i == layer else 0.0)
                    most += w * (self._then[sense, i] + _if_lost(since))
                if most / sum(weights) <= limit:
                    return True
            self.bits(sense)  # works out anew what is not exact any more
        extra = Tally(self.layers)
        extra.add(sense, layer, LOST, variance, copies)
        return self.bits(sense, extra) <= limit

    def layer_bits(self, sense: Sense, layer: int) -> float:
        """Return the Holevo bound in bits per real weight of one layer."""
        return self._layer(sense, layer, None)

    def copies(self, sense: Sense = "declared") -> int:
        """Return the number of rows sent, each counted as often as it was sent."""
        return int(
            sum(
                c * rows if isinstance(c, int) else c.sum()
                for (rows, _), held in zip(self.layers, self._counts[sense], strict=True)
                for c in held.values()
            )
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return what a snapshot keeps: all but the bits, which follow from the counts."""
        return {**vars(self), "_bits": {}, "_then": {}, "_since": {}}

    def _layer(self, sense: Sense, layer: int, extra: Tally | None) -> float:
        held = self._counts[sense][layer]
        more = extra._counts[sense][layer] if extra is not None else {}
        if not more and (sense, layer) in self._bits:
            return self._bits[sense, layer]
        keys = sorted({*held, *more})
        bits = 0.0
        if keys:
            patterns, occurrence = _patterns([held.get(k, 0) + more.get(k, 0) for k in keys])
            variances = np.array([variance for _, variance in keys])
            channels = sorted({channel for channel, _ in keys})
            modulation = np.zeros((len(channels), patterns.shape[1]))
            for (channel, _), line in zip(keys, variances[:, None] * patterns, strict=True):
                modulation[channels.index(channel)] += line
            least = None
            if sense == "certified":  # which does not exclude clients that amplify
                least = [min(v for c, v in keys if c == channel) for channel in channels]
            leakage = composed_leakage(channels, modulation, least)
            bits = float(np.average(leakage, weights=occurrence))
        if not more:
            self._bits[sense, layer] = self._then[sense, layer] = bits
            self._since[sense, layer] = 0.0
        return bits


def _mean_of_added(copies: Copies) -> float:
    """Return the mean number of copies of a row. Those that are taken back count as 0."""
    return max(copies, 0) if isinstance(copies, int) else float(np.maximum(copies, 0).mean())


def _if_lost(modulation: float) -> float:
    """Return at least what copies of a row tell if they are lost, in bits per real weight.

    modulation: K·V_A of the copies, in SNU. It is rounded up to 16 steps an octave, so that hardly
        anything is ever worked out.
    """
    return _of_steps(math.ceil(16 * math.log2(modulation) + 1e-9)) if modulation > 0 else 0.0


@lru_cache(maxsize=4096)
def _of_steps(steps: int) -> float:
    return float(composed_leakage([LOST], np.array([2.0 ** (steps / 16)])))


def compact(copies: Copies) -> Copies:
    """Return copies as one number where all rows have the same.

    It means the same in sums, and most clients send all rows equally often.
    """
    if isinstance(copies, int) or not (copies == copies[0]).all():
        return copies
    return int(copies[0])


def _patterns(counts: Sequence[Copies]) -> tuple[Integers, Integers]:
    """Return the different columns of counts, (counts, patterns), and how often each occurs.

    Many rows share the same counts, so that what leaks is computed once for each pattern.
    """
    apart = [c for c in counts if not isinstance(c, int)]
    if not apart:
        return np.array(counts, dtype=np.int64)[:, None], np.ones(1, dtype=np.int64)
    order = np.lexsort(apart[::-1])
    ordered = np.stack(apart)[:, order]
    first = np.flatnonzero(np.append(True, np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)))
    occurrence = np.diff(np.append(first, len(order)))
    place = order[first]
    return np.stack([np.broadcast_to(c, order.shape)[place] for c in counts]), occurrence


@dataclass(frozen=True)
class Emission:
    """Which light of a link a reserve is for: a part of a batch's layer, in an epoch of the link.

    epoch: Name of the link's hold by one server; "" where the light goes through no link.
    """

    epoch: str = ""
    batch: int = 0
    part: int = 0


@dataclass(frozen=True)
class Reserve:
    """Rows [first, stop) of a layer, each to be sent `inferences` times: charged before sending."""

    sequence: int
    session: str
    layer: int
    first: int
    stop: int
    inferences: int
    emission: Emission = Emission()

    @property
    def row_copies(self) -> int:
        """Number of rows to be sent, each counted as often as it is sent."""
        return (self.stop - self.first) * self.inferences


@dataclass(frozen=True)
class Budget:
    """A limit, in bits per real weight, on the leakage in one `sense`."""

    bits: float
    sense: Sense


@dataclass
class SessionAccount:
    """One client's session: V_A (SNU), channel and committed copies of each layer.

    Sessions with the same `standing` share the lists of channels and of committed copies.
    """

    network: str
    client: str
    modulation_variance: list[float]
    failure_probability: float
    channels: list[LayerChannel]
    committed: list[Copies]
    ended: str = ""
    standing: str = ""
    server: str = ""  # of a fleet, whose session it is


@dataclass
class NetworkAccount:
    """The account of a network: the total over all clients, who may collude, and each client's."""

    name: str
    layers: list[tuple[int, int]]
    total: Tally
    clients: dict[str, Tally] = field(default_factory=dict)
    budget: Budget | None = None
    client_budgets: dict[str, Budget] = field(default_factory=dict)
    default_client_budget: Budget | None = None
    raised: list[float] = field(default_factory=list)  # times at which a budget was raised
    members: dict[str, str] = field(default_factory=dict)  # the name of each network by digest
    sketches: dict[str, list[str]] = field(default_factory=dict)  # of their layers, by digest
    sessions: int = 0
    failure_probability: float = 0.0  # of all sessions together
    last_session: SessionAccount | None = None
    never_verified: int = 0  # copies of rows, in reserves that are no longer kept one by one

    def client(self, name: str) -> Tally:
        """Return the tally of a client, which is opened if it is new."""
        known = self.clients.get(name)
        if known is None:
            known = self.clients[name] = Tally(self.layers)
        return known

    def budget_of(self, client: str) -> Budget | None:
        """Return the budget that limits a client: its own, else the one for each client."""
        return self.client_budgets.get(client, self.default_client_budget)


@dataclass
class ClientStanding:
    """What the ledger knows of a client as a party, on all networks.

    refused: Why the client is refused; "" if it is not.
    admissions: How often it was admitted again; its evidence begins anew each time.
    evidence: Digest of each record of its evidence since then, by name.
    """

    refused: str = ""
    admissions: int = 0
    evidence: dict[str, str] = field(default_factory=dict)


class Accounts:
    """The totals, sessions and outstanding reserves that a ledger's events add up to."""

    def __init__(self) -> None:
        self.clients: dict[str, ClientStanding] = {}
        self._standings: dict[str, SessionAccount] = {}  # the first session of each
        self.networks: dict[str, NetworkAccount] = {}
        self.sessions: dict[str, SessionAccount] = {}
        self.outstanding: dict[int, Reserve] = {}
        self._lineage: dict[str, str] = {}  # the account's digest for each network's
        self.moved = ""  # where the ledger is that goes on in this one's place
        self._ended: list[str] = []
        self._now = 0.0  # the time of the event that is being added

    def account_of(self, network: str) -> NetworkAccount | None:
        """Return the account that the network with a digest is charged to; None if it has none."""
        return self.networks.get(self._lineage.get(network, network))

    def apply(self, event: Event) -> None:
        """Add one event. Raises `RangeError` for an event that makes no sense at this point."""
        handler = getattr(self, f"_on_{event.kind}", None)
        if handler is None:
            raise RangeError(f"ledger event {event.sequence} has unknown kind {event.kind!r}")
        try:
            self._now = event.time
            handler(event.sequence, event.body)
            for client, digests in event.body.get("records", {}).items():
                self.client(client).evidence.update(digests)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise RangeError(
                f"ledger event {event.sequence} ({event.kind}) makes no sense: {error}"
            ) from None

    def _on_network(self, _: int, body: Mapping[str, Any]) -> None:
        layers = [(int(rows), int(columns)) for rows, columns in body["layers"]]
        digest, of = body["network"], body.get("of", body["network"])
        if digest in self._lineage:
            raise ValueError("the network is known already")
        if of == digest:
            self.networks[digest] = NetworkAccount(body["name"], layers, Tally(layers))
        account = self.networks[of]
        if account.layers != layers:
            raise ValueError("the network has other layers than its lineage")
        self._lineage[digest] = of
        account.members[digest] = body["name"]
        if "sketches" in body:
            account.sketches[digest] = list(body["sketches"])

    def _on_sketch(self, _: int, body: Mapping[str, Any]) -> None:
        account = self.networks[self._lineage[body["network"]]]
        account.sketches[body["network"]] = list(body["sketches"])

    def _on_place(self, _: int, body: Mapping[str, Any]) -> None:
        """Note that the file was accepted in a new place; no account changes."""

    def _on_moved(self, _: int, body: Mapping[str, Any]) -> None:
        self.moved = str(body["to"])

    def _on_budget(self, _: int, body: Mapping[str, Any]) -> None:
        account = self.networks[self._lineage[body["network"]]]
        bits = body["bits"]
        if body.get("raised"):
            account.raised.append(self._now)
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
        network = self._lineage[body["network"]]
        account = self.networks[network]
        if body["session"] in self.sessions:
            raise ValueError("the session is known already")
        if len(body["declared"]) != len(account.layers):
            raise ValueError("the session does not declare one channel a layer")
        # Ledgers of earlier versions hold one number, for all layers.
        given = body["modulation_variance"]
        variances = [float(v) for v in given] if isinstance(given, list) else [float(given)]
        if len(variances) == 1:
            variances *= len(account.layers)
        if len(variances) != len(account.layers):
            raise ValueError("the session does not have one modulation variance a layer")
        for tally in (account.total, account.client(body["client"])):
            tally.disclosed = max(tally.disclosed, float(body.get("disclosed_bits", 0.0)))
        session = SessionAccount(
            network,
            body["client"],
            variances,
            float(body["failure_probability"]),
            [LayerChannel(ChannelClass(*map(float, pair))) for pair in body["declared"]],
            [0] * len(account.layers),
            standing=body.get("standing", ""),
            server=body.get("server", ""),
        )
        # The certificates of a standing hold for all of its sessions together.
        if not session.standing or session.standing not in self._standings:
            account.failure_probability += session.failure_probability
        if session.standing:
            first = self._standings.setdefault(session.standing, session)
            terms = first.network, first.client, first.modulation_variance
            if terms != (session.network, session.client, variances):
                raise ValueError("the session's standing is one of other light")
            session.channels, session.committed = first.channels, first.committed
        self.sessions[body["session"]] = account.last_session = session
        account.sessions += 1

    def _on_reserve(self, sequence: int, body: Mapping[str, Any]) -> None:
        reserve = Reserve(
            sequence,
            body["session"],
            int(body["layer"]),
            int(body["first"]),
            int(body["stop"]),
            int(body["inferences"]),
            Emission(*body.get("emission", ())),
        )
        self._add(reserve.session, reserve.layer, _NOTHING_BACK, self.copies_of(reserve))
        self.outstanding[sequence] = reserve
        while len(self.outstanding) > KEPT_RESERVES:
            self._forget_a_reserve()

    def _on_commit(self, _: int, body: Mapping[str, Any]) -> None:
        reserve = self.outstanding.pop(int(body["reserve"]))
        session, layer = self.sessions[reserve.session], reserve.layer
        copies = self.copies_of(reserve)
        self._rate_anew(reserve.session, layer, _NOTHING_BACK, session.channels[layer], copies)
        session.committed[layer] = compact(session.committed[layer] + copies)

    def _on_settle(self, _: int, body: Mapping[str, Any]) -> None:
        reserve = self.outstanding.pop(int(body["reserve"]))
        self._add(reserve.session, reserve.layer, _NOTHING_BACK, -self.copies_of(reserve))
        self._forget_sessions()

    def _on_channel(self, _: int, body: Mapping[str, Any]) -> None:
        session, layer = self.sessions[body["session"]], int(body["layer"])
        _require_layer(layer, len(session.channels))
        new = LayerChannel(*(ChannelClass(*map(float, body[sense])) for sense in SENSES))
        old, session.channels[layer] = session.channels[layer], new
        self._rate_anew(body["session"], layer, old, new, session.committed[layer])

    def _on_end(self, _: int, body: Mapping[str, Any]) -> None:
        self.sessions[body["session"]].ended = body["reason"] or "ended"
        self._ended.append(body["session"])
        self._forget_sessions()

    def _forget_a_reserve(self) -> None:
        """Stop to keep the oldest reserve by itself. Its light stays charged as lost for ever."""
        oldest = self.outstanding.pop(next(iter(self.outstanding)))
        account = self.networks[self.sessions[oldest.session].network]
        account.never_verified += oldest.row_copies
        self._forget_sessions()

    def _forget_sessions(self) -> None:
        """Forget the oldest sessions that ended, unless a reserve of theirs may yet be settled."""
        if len(self._ended) <= 2 * KEPT_SESSIONS:
            return
        in_use = {reserve.session for reserve in self.outstanding.values()}
        old, recent = self._ended[:-KEPT_SESSIONS], self._ended[-KEPT_SESSIONS:]
        kept = [session for session in old if session in in_use]
        for session in old:
            if session not in in_use:
                del self.sessions[session]
        self._ended = [*kept, *recent]

    def _on_refused(self, _: int, body: Mapping[str, Any]) -> None:
        self.client(body["client"]).refused = body["reason"] or "refused"

    def _on_readmitted(self, _: int, body: Mapping[str, Any]) -> None:
        known = self.client(body["client"])
        if not known.refused:
            raise ValueError("the client is not refused")
        self.clients[body["client"]] = ClientStanding(admissions=known.admissions + 1)

    def client(self, name: str) -> ClientStanding:
        """Return the standing of a client, which is opened if it is new."""
        return self.clients.setdefault(name, ClientStanding())

    def copies_of(self, reserve: Reserve) -> Copies:
        """Return the copies that a reserve charges.

        Raises `ValueError` if the reserve fits no layer.
        """
        network = self.networks[self.sessions[reserve.session].network]
        _require_layer(reserve.layer, len(network.layers))
        rows = network.layers[reserve.layer][0]
        if not (0 <= reserve.first < reserve.stop <= rows and reserve.inferences > 0):
            raise ValueError(f"rows {reserve.first} to {reserve.stop} of {rows}")
        if (reserve.first, reserve.stop) == (0, rows):
            return reserve.inferences
        copies = np.zeros(rows, dtype=np.int64)
        copies[reserve.first : reserve.stop] = reserve.inferences
        return copies

    def _add(
        self,
        session_id: str,
        layer: int,
        channel: LayerChannel,
        copies: Copies,
        senses: Sequence[Sense] = SENSES,
    ) -> None:
        session = self.sessions[session_id]
        account = self.networks[session.network]
        variance = session.modulation_variance[layer]
        # A reserve counts as lost light in every sense, the declared one included.
        for tally in (account.total, account.client(session.client)):
            for sense in senses:
                tally.add(sense, layer, getattr(channel, sense), variance, copies)

    def _rate_anew(
        self, session_id: str, layer: int, old: LayerChannel, new: LayerChannel, copies: Copies
    ) -> None:
        """Charge copies at a new channel in place of the old one, in the senses that differ."""
        senses = [sense for sense in SENSES if getattr(old, sense) != getattr(new, sense)]
        self._add(session_id, layer, old, -copies, senses)
        self._add(session_id, layer, new, copies, senses)

    def find(self, network: str) -> tuple[str, NetworkAccount]:
        """Return the digest and the account of a network.

        network: Its name, its digest or the first digits of its digest. Raises `RangeError` unless
        exactly one network fits.
        """
        fitting = [
            digest
            for digest, account in self.networks.items()
            if network
            and any(
                member.startswith(network) or name == network
                for member, name in {digest: account.name, **account.members}.items()
            )
        ]
        if len(fitting) != 1:
            known = ", ".join(f"{a.name} ({d[:12]})" for d, a in self.networks.items()) or "none"
            raise RangeError(f"network = {network!r} fits {len(fitting)} in the ledger: {known}")
        return fitting[0], self.networks[fitting[0]]


def _require_layer(layer: int, layers: int) -> None:
    """Raise `ValueError` for a layer that does not exist; Python would accept a negative index."""
    if not 0 <= layer < layers:
        raise ValueError(f"layer {layer} of {layers}")


def require_budget(bits: float | None, sense: str) -> None:
    """Raise `RangeError` unless `bits` is None or ≥ 0 and `sense` is declared or certified.

    The estimated sense is not allowed, because an estimate is not a bound.
    """
    if bits is not None:
        require("budget", bits, at_least=0)
    if sense not in ("declared", "certified"):
        raise RangeError(f"budget sense = {sense!r}; allowed: declared, certified")
