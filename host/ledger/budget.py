"""The budget filter: it lets no light out that would exceed the budget of a network or a client.

Every row is reserved on disk, as if its light were lost (T = 0), before it is sent. A budget
therefore holds even against a client that keeps all light. A reserve may be granted for fewer rows
than were asked for, if only those fit.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger.accounts import (
    COMPOSITION,
    SENSES,
    Accounts,
    Budget,
    ClientStanding,
    Emission,
    LayerChannel,
    NetworkAccount,
    Reserve,
    Sense,
    Tally,
    require_budget,
)
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.lineage import lineage_of, sketches
from shotveil.host.ledger.snapshots import EVERY, keep, restore
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.search import last_fitting, most_fitting
from shotveil.models.link.light import one_or_each
from shotveil.models.networks.network import Network

T = TypeVar("T")


class BudgetExhausted(RangeError):
    """Not even one row fits the budget. The message says why, and what would allow more."""


class BudgetFilter:
    """The accounts of the ledger file at `path`, and the only way to add to them.

    create: Whether a ledger is made where neither the file nor its key exists.

    Threads may share one. A session that is still open in the file belonged to a process that died,
    so it is ended here, and what it had reserved stays charged until it is settled. Raises
    `RangeError` for a file that `EventLog` refuses, and where the chain of events is broken.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._log = EventLog(path, create=create)
        self._changed = threading.Condition()
        try:
            self.accounts = restore(self._log, renew=True)
            self._require_here()
            self._kept = self._log.head.sequence  # events up to the last snapshot, or the start
            for session, account in list(self.accounts.sessions.items()):
                if not account.ended:
                    self._write("end", {"session": session, "reason": "the server had stopped"})
        except BaseException:
            self._log.close()
            raise

    @property
    def log(self) -> EventLog:
        """The log of events, to be read."""
        return self._log

    def read(self, look: Callable[[Accounts], T]) -> T:
        """Return what `look` finds in the accounts, which do not change while it looks."""
        with self._changed:
            return look(self.accounts)

    def register(
        self, network: Network, *, lineage: str | None = None, new_account: bool = False
    ) -> NetworkAccount:
        """Return the account of a network, which is opened if neither it nor a relative has one.

        lineage: Name or digest of a network that this one is charged with, as the owner states.
        new_account: Whether the owner states that what this network shares with others is no
            secret.

        Raises `RangeError` where the lineage has other layers, for an unknown lineage, and for a
        statement on a network that has another account already.
        """
        with self._changed:
            own = sketches(network, self._log.secret)
            digest, accounts = network.digest, self.accounts
            of = accounts.find(lineage)[0] if lineage is not None else None
            known = accounts.account_of(digest)
            if known is not None:
                if (of is not None and accounts.networks[of] is not known) or (
                    new_account and next(iter(known.members)) != digest
                ):
                    raise RangeError(
                        f"network {network.name} is charged to the account of {known.name} "
                        "already; allowed: the same account"
                    )
                if digest not in known.sketches:  # of a ledger of an earlier version
                    self._write("sketch", {"network": digest, "sketches": own})
                return known
            layers = [[layer.rows, layer.columns] for layer in network.layers]
            body = {"network": digest, "name": network.name, "layers": layers, "sketches": own}
            if of is None and not new_account:
                of = lineage_of(network, own, accounts.networks)
            if of is not None:
                known = accounts.networks[of]
                if known.layers != [tuple(shape) for shape in layers]:
                    raise RangeError(
                        f"network {network.name} has other layers than {known.name}; allowed: a "
                        "lineage with the same"
                    )
                body["of"] = of
            self._write("network", body)
            return accounts.networks[of or digest]

    def set_budget(
        self,
        network: str,
        bits: float | None,
        sense: Sense,
        client: str | None = None,
        *,
        may_raise: bool = True,
        reason: str = "",
    ) -> None:
        """Limit what leaks of `network` (a digest) to `bits` per weight; None lifts the limit.

        client: A client's name limits that client, "" limits each client that has no limit of its
        own, and None limits all clients together. Nothing is written if the budget is already in
        force. The event of a budget that is raised says what it was and the owner's `reason`.
        Raises `RangeError` for a negative number, a sense other than declared and certified, and
        for a budget that is raised where it may not be.
        """
        require_budget(bits, sense)
        with self._changed:
            account = self._account(network)
            old = account.budget if client is None else account.client_budgets.get(client)
            if client == "":
                old = account.default_client_budget
            new = None if bits is None else Budget(float(bits), sense)
            if old != new:
                body: dict[str, Any] = {
                    "network": network,
                    "client": client,
                    "bits": bits,
                    "sense": sense,
                }
                # A budget in another sense is another limit, which may let out more.
                if old is not None and (
                    new is None or new.sense != old.sense or new.bits > old.bits
                ):
                    if not may_raise:
                        raise RangeError(
                            f"budget = {f'{new.bits:g} ({new.sense})' if new else 'none'} is more "
                            f"than the ledger has, {old.bits:g} bits per weight ({old.sense}); "
                            "allowed: at most that, or more by `shotveil ledger budget --reason`"
                        )
                    body |= {"raised": True, "was": [old.bits, old.sense], "reason": reason}
                self._write("budget", body)
                self._changed.notify_all()

    def open_session(
        self,
        session: str,
        network: str,
        client: str,
        modulation_variance: float | Sequence[float],
        declared: Sequence[ChannelClass],
        failure_probability: float,
        disclosed_bits: float = 0.0,
        standing: str = "",
    ) -> None:
        """Begin a session of `client` with one declared channel for each layer.

        modulation_variance: V_A > 0 of the rows, in SNU, for all layers or as a sequence with one
            for each.
        failure_probability: δ in (0, 1) of all certificates of the session together.
        disclosed_bits: Bits that any session discloses of the network besides the light of its
            rows. They are charged only once for all sessions.
        standing: Name of the client's light under these terms. Sessions with the same name have one
            channel together; "" means a channel of its own.

        Raises `BudgetExhausted` where the disclosed bits alone do not fit the budget, and
        `RangeError` for a session that exists already or has no channel for some layer.
        """
        require("modulation variance", modulation_variance, above=0)
        require("failure probability", failure_probability, above=0, below=1)
        require("disclosed bits", disclosed_bits, at_least=0)
        with self._changed:
            account = self._account(network)
            # Checked before writing, because everything on disk has to be readable again.
            if session in self.accounts.sessions:
                raise RangeError(f"session {session} is known already; allowed: a new one")
            variances = modulation_variance
            if not isinstance(variances, Sequence):
                variances = [variances] * len(account.layers)
            if len(variances) != len(account.layers):
                raise RangeError(
                    f"{len(variances)} modulation variances are given; allowed: "
                    f"{len(account.layers)}, one for each layer"
                )
            if len(declared) != len(account.layers):
                raise RangeError(
                    f"{len(declared)} channels are declared; allowed: {len(account.layers)}, "
                    "one for each layer"
                )
            extra = Tally(account.layers)
            extra.disclosed = disclosed_bits
            for budget, tally in self._limits(account, client):
                told = tally.bits(budget.sense, extra)
                if disclosed_bits > tally.disclosed and told > budget.bits:
                    raise BudgetExhausted(
                        f"budget exhausted: the session alone would take it to {told:.6g} of "
                        f"{budget.bits:g} bits per weight ({budget.sense}), for the layers' scales "
                        "and the moments that decoys show; more is possible only if the owner "
                        "raises the budget"
                    )
            self._write(
                "session",
                {
                    "session": session,
                    "network": network,
                    "client": client,
                    "modulation_variance": one_or_each(variances),
                    "declared": [list(channel) for channel in declared],
                    "failure_probability": failure_probability,
                    "composition": COMPOSITION,
                    "disclosed_bits": disclosed_bits,
                    **({"standing": self._standing(client, standing)} if standing else {}),
                },
            )

    def reserve(
        self,
        session: str,
        layer: int,
        first: int,
        stop: int,
        inferences: int,
        patience: float = 10.0,
        emission: Emission | None = None,
    ) -> Reserve:
        """Charge rows [first, stop) `inferences` times, or as many of them from `first` on as fit.

        emission: Which light this is for its link, by which the link can later say that it never
            left.

        On return, the charge is on disk and the light may leave. If nothing fits while other light
        is still on its way, the call waits up to `patience` seconds for that light to be verified.
        Raises `BudgetExhausted` when not even one row fits, and `RangeError` for a session that
        has ended.
        """
        deadline = time.monotonic() + patience
        with self._changed:
            while True:
                if self.accounts.sessions[session].ended:
                    raise RangeError(f"session {session} has ended; allowed: an open session")
                fitting = self._fitting(session, layer, first, stop, inferences)
                if fitting > first:
                    body = {
                        "session": session,
                        "layer": layer,
                        "first": first,
                        "stop": fitting,
                        "inferences": inferences,
                        **({"emission": list(astuple(emission))} if emission else {}),
                    }
                    sequence = self._write("reserve", body)
                    return self.accounts.outstanding[sequence]
                left = deadline - time.monotonic()
                if left <= 0 or not self._in_flight():
                    raise BudgetExhausted(self._explain(session, inferences))
                self._changed.wait(left)

    def commit(
        self,
        reserve: Reserve,
        evidence: Mapping[str, bytes] | None = None,
        channel: LayerChannel | None = None,
    ) -> None:
        """Charge a reserve at its session's channel, since verification accepted its light.

        evidence: Records of the client's evidence that its light changed, by name; they are kept in
            the same step.
        channel: A channel that replaces the session's in the same step, as by `restate`.

        Without a new channel the step need not wait for the disk: if it is lost with the power, the
        light stays charged as lost. Raises `RangeError` for a reserve that is not outstanding.
        """
        with self._changed:
            if reserve.sequence not in self.accounts.outstanding:
                raise RangeError(f"reserve {reserve.sequence} is not outstanding")
            client = self.accounts.sessions[reserve.session].client
            # The new channel first: the rows that are committed then never count for less.
            restated = self._restated(reserve.session, reserve.layer, channel)
            events = [*restated, ("commit", {"reserve": reserve.sequence})]
            self._write_all(events, client, evidence, at_once=bool(restated))
            self._changed.notify_all()

    def settle(self, reserve: int, evidence: Mapping[str, Any]) -> None:
        """Take a reserve back, since its light provably never left; keep the evidence for that.

        reserve: Number of the reserve's event. Raises `RangeError` for a reserve that is not
        outstanding.
        """
        with self._changed:
            if reserve not in self.accounts.outstanding:
                raise RangeError(f"reserve {reserve} is not outstanding")
            self._write("settle", {"reserve": reserve, "evidence": dict(evidence)})
            self._changed.notify_all()

    def evidence(self, client: str) -> dict[str, bytes]:
        """Return the records of a client's evidence since it was admitted last, by name.

        Raises `RangeError` for a record that is missing or was changed.
        """
        with self._changed:
            found = {}
            known = self.accounts.clients.get(client, ClientStanding())
            for name, digest in known.evidence.items():
                value = self._log.record(self._standing(client, name))
                if value is None or hashlib.sha256(value).hexdigest() != digest:
                    raise RangeError(
                        f"ledger {self._log.path}: the evidence on client {client!r} is missing or "
                        "was changed"
                    )
                found[name] = value
            return found

    def take_over(self, client: str) -> dict[str, bytes]:
        """Return the `evidence` on a client, which from now on no one else adds to.

        A server calls this before it begins the client's first session there. Raises as `evidence`.
        """
        return self.evidence(client)

    def have_ended(self, sessions: Iterable[str]) -> bool:
        """Return whether all these sessions have ended, as the ledger stands now."""
        with self._changed:
            return all(self.accounts.sessions[session].ended for session in sessions)

    def refuse(self, client: str, reason: str, evidence: Mapping[str, bytes]) -> None:
        """Refuse a client, in all sessions to come, until `readmit`; keep its evidence."""
        with self._changed:
            self._write("refused", {"client": client, "reason": reason}, client, evidence)

    def refusal(self, client: str) -> str:
        """Return why a client is refused; "" if it is not."""
        # Without the lock, which others hold while they wait for the disk.
        return self.accounts.clients.get(client, ClientStanding()).refused

    def readmit(self, client: str) -> None:
        """Admit a refused client again. Its evidence begins anew; what leaked stays charged.

        Raises `RangeError` for a client that is not refused.
        """
        with self._changed:
            if not self.refusal(client):
                refused = sorted(c for c, known in self.accounts.clients.items() if known.refused)
                raise RangeError(
                    f"client = {client!r} is not refused; allowed: {', '.join(refused) or 'none'}"
                )
            self._write("readmitted", {"client": client})

    def restate(self, session: str, layer: int, channel: LayerChannel) -> None:
        """Replace the channel of a layer, and charge the session's committed rows at the new one.

        Verification calls this when more data gave it a better channel.
        """
        with self._changed:
            if restated := self._restated(session, layer, channel):
                self._write_all(restated)
                self._changed.notify_all()

    def _restated(
        self, session: str, layer: int, channel: LayerChannel | None
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the event by which a layer's channel is replaced; none if it stays as it is."""
        if channel is None or self.accounts.sessions[session].channels[layer] == channel:
            return []
        body: dict[str, Any] = {sense: list(getattr(channel, sense)) for sense in SENSES}
        return [("channel", {"session": session, "layer": layer, **body})]

    def end_session(self, session: str, reason: str) -> None:
        """End a session. What it reserved and did not commit stays charged."""
        with self._changed:
            if not self.accounts.sessions[session].ended:
                self._write("end", {"session": session, "reason": reason})
                self._changed.notify_all()

    def close(self) -> None:
        """Make a snapshot, if there is anything new, and close the ledger file."""
        try:
            if self._log.head.sequence > self._kept:
                keep(self._log, self.accounts)
        except (RangeError, sqlite3.Error):
            pass  # what is wrong with the file is told where it is opened again
        finally:
            self._log.close()

    def __enter__(self) -> BudgetFilter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(
        self,
        kind: str,
        body: Mapping[str, Any],
        client: str = "",
        evidence: Mapping[str, bytes] | None = None,
    ) -> int:
        """Write one event as `_write_all` does, and return its sequence number."""
        return self._write_all([(kind, body)], client, evidence)

    def _write_all(
        self,
        events: Sequence[tuple[str, Mapping[str, Any]]],
        client: str = "",
        evidence: Mapping[str, bytes] | None = None,
        *,
        at_once: bool = True,
    ) -> int:
        """Try events on the accounts, write them to disk in one step; return the last one's number.

        The log keeps only what the accounts take. Where either refuses, the accounts are read from
        the file again, so they never hold anything else than the file. Records of the evidence on
        a client are written in the same step, and the last event names their digests.
        """
        records = {}
        if evidence:
            digests = {name: hashlib.sha256(data).hexdigest() for name, data in evidence.items()}
            *others, (kind, body) = events
            events = [*others, (kind, {**body, "records": {client: digests}})]
            records = {self._standing(client, name): data for name, data in evidence.items()}
        try:
            append = self._log.append_all
            written = append(events, records, self.accounts.apply, at_once=at_once)[-1]
        except BaseException:
            self.accounts = restore(self._log)
            raise
        if written.sequence >= self._kept + EVERY:
            self._keep()
            self._kept = written.sequence
        return written.sequence

    def _keep(self) -> None:
        keep(self._log, self.accounts)

    def _require_here(self) -> None:
        if self.accounts.moved:
            raise RangeError(
                f"ledger {self._log.path} was moved to {self.accounts.moved}; allowed: that ledger"
            )

    def _standing(self, client: str, name: str) -> str:
        """Return a name for what is known of a client since it was admitted last."""
        admissions = self.accounts.clients.get(client, ClientStanding()).admissions
        return standing_name(client, admissions, name)

    def _account(self, network: str) -> NetworkAccount:
        account = self.accounts.account_of(network)
        if account is None:
            raise RangeError(f"network {network} is not in the ledger")
        return account

    def _fitting(self, session: str, layer: int, first: int, stop: int, inferences: int) -> int:
        """Return the largest end ≤ stop for which rows [first, end) fit all budgets, else first."""
        account = self.accounts.sessions[session]
        network = self.accounts.networks[account.network]
        limits = self._limits(network, account.client)

        def fits(end: int) -> bool:
            copies = self.accounts.copies_of(Reserve(0, session, layer, first, end, inferences))
            variance = account.modulation_variance[layer]
            return all(
                tally.has_room(budget.sense, budget.bits, layer, variance, copies)
                for budget, tally in limits
            )

        if fits(stop):
            return stop
        return last_fitting(fits, first, stop)

    def _limits(self, network: NetworkAccount, client: str) -> list[tuple[Budget, Tally]]:
        """Return each budget that applies to a client, with the tally that it limits."""
        # Only a first session opens an account for a client; reading must not.
        own = network.clients.get(client) or Tally(network.layers)
        both = (network.budget, network.total), (network.budget_of(client), own)
        return [(budget, tally) for budget, tally in both if budget is not None]

    def _in_flight(self) -> bool:
        return any(
            not self.accounts.sessions[r.session].ended for r in self.accounts.outstanding.values()
        )

    def _explain(self, session: str, inferences: int) -> str:
        account = self.accounts.sessions[session]
        network = self.accounts.networks[account.network]
        weights = sum(rows * columns for rows, columns in network.layers)
        parts = [
            f"{whose} has {tally.bits(budget.sense):.6g} of {budget.bits:g} bits per weight "
            f"({budget.sense}) charged, {tally.bits(budget.sense) * weights:.6g} of "
            f"{budget.bits * weights:.6g} bits of all weights"
            for whose, budget, tally in (
                (f"network {network.name}", network.budget, network.total),
                (
                    f"client {account.client}",
                    network.budget_of(account.client),
                    network.client(account.client),
                ),
            )
            if budget is not None
        ]
        return (
            f"budget exhausted: {' and '.join(parts)}, and one more row sent {inferences} times "
            "does not fit; what has leaked stays leaked, so more is possible only if the owner "
            "raises the budget" + (" or with fewer images at once" if inferences > 1 else "")
        )


def standing_name(client: str, admissions: int, name: str) -> str:
    """Return the name of a record of what is known of a client since its last admission."""
    return json.dumps([client, admissions, name])


def remaining_inferences(
    account: NetworkAccount,
    tally: Tally,
    budget: Budget,
    channels: Sequence[ChannelClass],
    modulation_variance: Sequence[float],
    most: int = 10**12,
) -> int:
    """Return how many more inferences keep a tally within a budget, at most `most`.

    channels: The channel of each layer, at which the inferences are charged.
    modulation_variance: V_A of each layer's rows, in SNU.

    The room that reserves need while light is on its way is not subtracted.
    """

    def fits(inferences: int) -> bool:
        extra = Tally(account.layers)
        for layer, channel in enumerate(channels):
            extra.add(budget.sense, layer, channel, modulation_variance[layer], inferences)
        return tally.bits(budget.sense, extra) <= budget.bits

    return 0 if tally.bits(budget.sense) > budget.bits else most_fitting(fits, most)
