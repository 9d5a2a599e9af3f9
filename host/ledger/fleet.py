"""The budget filter of a fleet: many servers, one account of each network over all of them.

Whoever adds to the accounts takes a turn: it locks the head of the log in the database, adds the
events that other servers wrote to its own accounts, decides on them, writes, and gives the lock
back. So every decision is made on all events before it, as with one server. While it waits for its
turn it reads what is there already, so that little is left to add. The threads of a server that
wait for a turn share one, and its cost: what they wrote is on disk when any returns, if that of one
has to be. Others have their turns while one waits for the disk; light leaves only after that.

A commit takes no turn of its own. It waits for the next one of its server, which writes it before
anything else, or has one made for it soon. So what verification learned of a client is kept before
the client's next light leaves. Where the server, or the database's machine, fails before that, the
light stays charged as lost, which is the safe side.

A session belongs to one server. A server holds its own name in the database as long as it is
connected; the sessions of one that is gone are ended by the others. A client has its sessions at
one server at a time, so that the evidence on it, which goes on from one session to the next, stays
one: where it begins another one elsewhere, its old ones end.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.leakage.majorant import plane_table
from shotveil.host.ledger import snapshots
from shotveil.host.ledger.accounts import LayerChannel, Reserve
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import Head
from shotveil.host.ledger.postgres_log import PostgresLog
from shotveil.host.ledger.snapshots import EVERY, restore
from shotveil.models.common.checks import RangeError

MOST_SHARING = 64  # threads whose events go to disk together
SHORT_WAIT = 0.25  # seconds of waiting for a turn after which the time is used to read
BREATH = 0.001  # seconds for which the thread that makes a snapshot leaves the processor to others
POLL = 0.02  # seconds between two looks at what other servers wrote, while a reserve waits
RIDE = 0.2  # seconds for which a commit waits for a turn, at least; twice that at most
STALE = 1.0  # seconds for which the standing of a client may be that of the last turn
REAP_SECONDS = 10.0  # between two looks for servers that are gone


class _Turn:
    """What the threads that share a turn know of it."""

    def __init__(self) -> None:
        self.shared = 0
        self.over = threading.Event()
        self.error: BaseException | None = None


class Turns:
    """Turns at a log of a fleet, in the form of a `threading.Condition`.

    Inside the context this thread alone acts for this server, and this server alone for the fleet.
    The context is left when what was written is on disk. Where that fails, it raises, and whoever
    shared the turn raises too.

    begin, over: Functions that are called at the beginning of each turn, and at its end with
        whether what was written is kept.
    enter: Function that is called for each thread that comes into a turn, before it goes on.
    wait: Function that `pass_the_time` calls while this server waits for its turn.
    """

    def __init__(
        self,
        log: PostgresLog,
        begin: Callable[[Any], None],
        enter: Callable[[], None],
        over: Callable[[bool], None],
        wait: Callable[[], None],
    ) -> None:
        self._log, self._begin, self._enter, self._ended = log, begin, enter, over
        self._meanwhile = wait
        self._lock = threading.RLock()
        self._depth = 0
        self._count = threading.Lock()
        self._waiting = 0
        self._turn: _Turn | None = None
        self._reading = threading.Lock()
        self._asked: float | None = None  # when this server began to wait for its turn
        self._look = 0.0  # when it reads next, if it still waits then

    def __enter__(self) -> bool:
        with self._count:
            self._waiting += 1
        self._lock.acquire()
        with self._count:
            self._waiting -= 1
        try:
            if self._depth == 0:
                if self._turn is None:
                    self._start()
                else:
                    self._log.join()
                assert self._turn is not None
                self._turn.shared += 1
            self._depth += 1
        except BaseException:
            self._lock.release()
            raise
        if self._depth == 1:
            try:
                self._enter()
            except BaseException as error:
                self.__exit__(type(error), error, None)
                raise
        return True

    def _start(self) -> None:
        now = time.monotonic()
        self._look, self._asked = now + SHORT_WAIT, now
        try:
            stored = self._log.begin()
        finally:
            with self._reading:  # whoever reads has finished then
                self._asked = None
        self._turn = _Turn()
        try:
            self._begin(stored)
        except BaseException as error:
            self._over(error)
            raise

    def pass_the_time(self) -> None:
        """Call `wait` if this server has waited long for its turn; to be called now and then."""
        with self._reading:
            asked, now = self._asked, time.monotonic()
            if asked is not None and now >= self._look:
                # A long wait means that there is much to do, so it must not cost much.
                self._look = now + 2 * (now - asked)
                self._meanwhile()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth:
            self._lock.release()
            return
        turn = self._turn
        assert turn is not None
        with self._count:
            last = self._waiting == 0 or turn.shared >= MOST_SHARING
        try:
            if self._log.broken:
                self._over(error or RangeError(f"ledger {self._log.path}: a turn has failed"))
            elif last:
                self._over(None)
            else:
                self._log.leave()
        finally:
            self._lock.release()
        turn.over.wait()
        if turn.error is not None and error is None:
            raise RangeError(
                f"ledger {self._log.path}: what was written is not on disk: {turn.error}"
            ) from turn.error

    def _over(self, error: BaseException | None) -> None:
        """End the turn, with what was written on disk or, after an `error`, undone."""
        turn, self._turn = self._turn, None
        assert turn is not None
        try:
            self._log.finish(keep=error is None)
        except BaseException as other:
            error = error or other
        turn.error = error
        self._ended(error is None)
        turn.over.set()

    def wait(self, timeout: float) -> None:
        """Let others act for a moment; nobody tells of what other servers write."""
        self.__exit__(None, None, None)
        time.sleep(min(timeout, POLL))
        self.__enter__()

    def notify_all(self) -> None:
        """Do nothing: whoever waits looks again soon."""


class FleetFilter(BudgetFilter):
    """The accounts of the ledger in a database, which other servers change as well.

    address: As for `PostgresLog`.

    Raises `RangeError` for a database that `PostgresLog` refuses, and where the chain of events is
    broken.
    """

    _log: PostgresLog
    _changed: Any  # Turns, which are used as a `threading.Condition`

    def __init__(self, address: str) -> None:
        plane_table()  # which would be read from its file in the first turn with a budget
        self._log = PostgresLog(address)
        self._server = secrets.token_hex(8)
        self._followed = self._reaped = -1e9
        self._stale = False
        self._holder: Any = None
        self._dumped: tuple[Head, bytes] | None = None  # what a snapshot is to be made of
        self._commits: dict[int, tuple[Any, ...]] = {}  # that wait for a turn, or for its end
        self._riding: list[int] = []  # which of them are in the present turn
        self._queueing = threading.Lock()
        self._closing = threading.Event()
        self._helpers = [
            threading.Thread(target=task, name=f"ledger {name}", daemon=True)
            for name, task in (("reader", self._help), ("commits", self._carry))
        ]
        try:
            self._hold()
            self._read()
            self._kept = self._log.head.sequence
            self._changed = Turns(
                self._log, self._follow, self._ride, self._turn_over, self._read_ahead
            )
            with self._changed:
                self._reap()
            for helper in self._helpers:
                helper.start()
        except BaseException:
            if self._holder is not None:
                self._holder.close()
            self._log.close()
            raise

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
        """Begin a session as `BudgetFilter.open_session`; the client's sessions elsewhere end."""
        with self._changed:
            self._reap()
            self._end_elsewhere(client)
            super().open_session(
                session,
                network,
                client,
                modulation_variance,
                declared,
                failure_probability,
                disclosed_bits,
                standing,
            )

    def take_over(self, client: str) -> dict[str, bytes]:
        """Return the evidence on a client, after its sessions elsewhere are ended in the same turn.

        What another server learned of it and has not written by then is never written: the light
        stays charged as lost. Raises as `evidence`.
        """
        with self._changed:
            self._end_elsewhere(client)
            return self.evidence(client)

    def commit(
        self,
        reserve: Reserve,
        evidence: Mapping[str, bytes] | None = None,
        channel: LayerChannel | None = None,
    ) -> None:
        """Charge a reserve as `BudgetFilter.commit`, with this server's next turn.

        Where the channel stays as it is, the caller does not wait for that turn. Otherwise, and
        where many commits wait already, a turn is taken now.

        Raises `RangeError` for a reserve that is not outstanding, and for a session that has ended,
        since it may go on elsewhere, where the evidence on the client grows now. A commit that
        waits when its session ends elsewhere is dropped: its light stays charged as lost, and the
        session's next reserve is refused.
        """
        known = self.accounts.sessions.get(reserve.session)
        new = channel is not None and (known is None or known.channels[reserve.layer] != channel)
        if not new and self._queue(reserve, dict(evidence or {}), channel):
            return
        with self._changed:  # in which those that wait are written first
            if not self._is_open(reserve):
                raise RangeError(f"session {reserve.session} has ended; its light stays charged")
            super().commit(reserve, evidence, channel)

    def refusal(self, client: str) -> str:
        """Return why a client is refused, as of a second ago or less; "" if it is not."""
        if time.monotonic() - self._followed > STALE:
            with self._changed:  # a turn, at whose beginning this server reads what others wrote
                return super().refusal(client)
        return super().refusal(client)

    def close(self) -> None:
        """End this server's sessions and leave the database."""
        try:
            with self._changed:
                for session, account in list(self.accounts.sessions.items()):
                    if not account.ended and account.server == self._server:
                        self.end_session(session, "the server had stopped")
        except RangeError:
            pass  # the others end them, when they see that this server is gone
        self._closing.set()
        for helper in self._helpers:
            helper.join()
        if self._holder is not None:
            self._holder.close()
        self._log.close()

    def _write_all(
        self,
        events: Sequence[tuple[str, Mapping[str, Any]]],
        client: str = "",
        evidence: Mapping[str, bytes] | None = None,
        *,
        at_once: bool = True,
    ) -> int:
        self._require_here()
        named = [
            (kind, {**body, "server": self._server} if kind == "session" else body)
            for kind, body in events
        ]
        return super()._write_all(named, client, evidence, at_once=at_once)

    def _keep(self) -> None:
        # All servers wait for a turn, so it only notes what the accounts are.
        self._dumped = self._log.head, snapshots.dump(self.accounts)

    def _help(self) -> None:
        """Do beside the turns what can wait: read ahead, and make snapshots."""
        while not self._closing.wait(SHORT_WAIT):
            self._changed.pass_the_time()
            dumped, self._dumped = self._dumped, None
            if dumped is not None:
                with suppress(RangeError):  # a turn that failed; or the next start tells of it
                    snapshots.write(self._log, *dumped, lambda: time.sleep(BREATH))

    def _queue(
        self, reserve: Reserve, evidence: Mapping[str, bytes], channel: LayerChannel | None
    ) -> bool:
        """Let a commit wait for the next turn; return whether it may, as far as is known here."""
        number = reserve.sequence
        with self._queueing:
            if (
                len(self._commits) >= MOST_SHARING
                or number in self._commits
                or number not in self.accounts.outstanding
                or not self._is_open(reserve)
            ):
                return False
            self._commits[number] = reserve, evidence, channel
            return True

    def _ride(self) -> None:
        """Write the commits that wait, before anything else is done in a turn."""
        with self._queueing:
            waiting = [commit for n, commit in self._commits.items() if n not in self._riding]
        for reserve, evidence, channel in waiting:
            self._riding.append(reserve.sequence)
            if self._is_open(reserve) and reserve.sequence in self.accounts.outstanding:
                with suppress(RangeError):  # the light stays charged
                    super().commit(reserve, evidence, channel)

    def _turn_over(self, kept: bool) -> None:
        """Forget the commits that are written; or read everything again, and try them again."""
        if kept:
            with self._queueing:
                for number in self._riding:
                    del self._commits[number]
        else:
            self._stale = True  # the accounts may be ahead
        self._riding.clear()

    def _carry(self) -> None:
        """Take a turn for commits that no other one took along."""
        before: set[int] = set()
        while not self._closing.wait(RIDE):
            with self._queueing:
                now = set(self._commits)
            if now & before:
                with suppress(RangeError), self._changed:  # else they wait for the next turn
                    pass
            before = now

    def _is_open(self, reserve: Reserve) -> bool:
        known = self.accounts.sessions.get(reserve.session)
        return known is not None and not known.ended

    def _end_elsewhere(self, client: str) -> None:
        for session, account in list(self.accounts.sessions.items()):
            elsewhere = account.server != self._server
            if account.client == client and not account.ended and elsewhere:
                self.end_session(session, "the client went to another server")

    def _read(self) -> None:
        """Read the accounts from the database, at one moment, without keeping others from it."""
        with self._log.moment():
            self.accounts = restore(self._log)
        self._require_here()

    def _follow(self, stored: Any) -> None:
        """Add what other servers wrote, at the beginning of a turn."""
        if self._stale:
            self._start_anew(stored)
        try:
            self._log.follow(self.accounts.apply, stored)
        except RangeError:
            if self._log.holds(self._log.head):
                raise
            self._start_anew(stored)
        # Whoever crosses a multiple of EVERY makes the snapshot; the others need not.
        self._kept = max(self._kept, stored.sequence // EVERY * EVERY)
        self._followed = time.monotonic()

    def _read_ahead(self) -> None:
        """Add what others wrote while this server waits for its turn, so that the turn is short."""
        if self._stale:
            return
        with suppress(RangeError):  # the turn meets it again, and says what is wrong
            self._log.catch_up(self.accounts.apply)

    def _start_anew(self, stored: Any) -> None:
        self._log.require_lasting(stored)
        self.accounts = restore(self._log)
        self._log.seen(stored)
        self._stale = False

    def _hold(self) -> None:
        """Hold this server's name in the database; the connection that did may have been cut."""
        if self._holder is None or not self._log.is_open(self._holder):
            self._holder = None
            self._holder = self._log.hold_name(self._server)

    def _reap(self) -> None:
        """End the sessions of servers that are gone."""
        now = time.monotonic()
        if now - self._reaped < REAP_SECONDS:
            return
        self._reaped = now
        self._hold()
        gone: dict[str, bool] = {self._server: False}
        for session, account in list(self.accounts.sessions.items()):
            if account.ended:
                continue
            if account.server not in gone:
                gone[account.server] = not self._log.is_held(account.server)
            if gone[account.server]:
                self.end_session(session, "the server had stopped")
