"""The odometer: it reports what a ledger's events add up to, in all three senses.

It never refuses anything; that is the task of the filter, `host.ledger.budget`. The two share only
the accounts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shotveil.host.ledger.accounts import (
    SENSES,
    Accounts,
    Budget,
    LayerChannel,
    NetworkAccount,
    Sense,
    Tally,
)
from shotveil.host.ledger.budget import remaining_inferences
from shotveil.host.ledger.event_log import EventLog


@dataclass(frozen=True)
class Moment:
    """A network's total leakage in bits per weight, at a `time` in seconds since 1970."""

    time: float
    declared: float
    estimated: float
    certified: float


def read_accounts(path: Path) -> Accounts:
    """Read and check the ledger at `path`, and return its accounts.

    Raises `RangeError` for a file that is missing, damaged or changed.
    """
    accounts = Accounts()
    with EventLog(path, writable=False) as log:
        for event in log.events():
            accounts.apply(event)
    return accounts


def history(path: Path, network: str, points: int = 200) -> list[Moment]:
    """Return the totals of `network` (a digest) at about `points` moments of its history.

    Raises `RangeError` as `read_accounts`.
    """
    with EventLog(path, writable=False) as log:
        events = list(log.events())
    step = max(1, len(events) // points)
    accounts, moments = Accounts(), []
    for i, event in enumerate(events):
        accounts.apply(event)
        if network in accounts.networks and (i % step == 0 or i == len(events) - 1):
            total = accounts.networks[network].total
            moments.append(Moment(event.time, *(total.bits(sense) for sense in SENSES)))
    return moments


def report(accounts: Accounts) -> list[dict[str, Any]]:
    """Return what leaked of each network, with its budgets, clients and sessions, as plain values.

    The keys are stable. `remaining_inferences` holds, for each sense, how many inferences through
    the last session's channel still fit the budget, or None without a budget or a session.
    `failure_probability`, of the certified totals, is the sum over all standings (one for all
    sessions of a client under the same terms), since the certificates of each of them may fail.
    `refused` says why a client is refused, and is "" where it is not.
    """
    return [
        _network(accounts, digest, account) for digest, account in sorted(accounts.networks.items())
    ]


def _network(accounts: Accounts, digest: str, account: NetworkAccount) -> dict[str, Any]:
    sessions = [s for s in accounts.sessions.values() if s.network == digest]
    in_flight = [
        reserve
        for reserve in accounts.outstanding.values()
        if accounts.sessions[reserve.session].network == digest
    ]
    last = sessions[-1] if sessions else None
    channels = last.channels if last else None
    variances = last.modulation_variance if last else []
    weights = sum(rows * columns for rows, columns in account.layers)
    return {
        "network": account.name,
        "digest": digest,
        "weights": weights,
        "leakage_bits": _bits(account.total),
        "total_bits": {sense: weights * bits for sense, bits in _bits(account.total).items()},
        "disclosed_bits": account.total.disclosed,
        "row_copies_sent": account.total.copies(),
        "row_copies_never_verified": sum((r.stop - r.first) * r.inferences for r in in_flight),
        "failure_probability": sum(
            {s.standing or id(s): s.failure_probability for s in sessions}.values()
        ),
        "budget": asdict(account.budget) if account.budget else None,
        "remaining_inferences": _remaining(account, account.budget, channels, variances),
        "sessions": len(sessions),
        "sessions_open": sum(not s.ended for s in sessions),
        "clients": [
            {
                "client": client,
                "leakage_bits": _bits(tally),
                "row_copies_sent": tally.copies(),
                "budget": asdict(budget) if (budget := account.budget_of(client)) else None,
                "refused": accounts.clients[client].refused if client in accounts.clients else "",
            }
            for client, tally in sorted(account.clients.items())
        ],
    }


def _bits(tally: Tally) -> dict[str, float]:
    return {sense: tally.bits(sense) for sense in SENSES}


def _remaining(
    account: NetworkAccount,
    budget: Budget | None,
    channels: list[LayerChannel] | None,
    variances: list[float],
) -> dict[str, int | None]:
    """Return, for each sense, the inferences that still fit if the budget applied to that sense."""
    if budget is None or channels is None:
        return dict.fromkeys(SENSES)

    def in_sense(sense: Sense) -> int:
        rated = [getattr(channel, sense) for channel in channels]
        held = Budget(budget.bits, sense)
        return remaining_inferences(account, account.total, held, rated, variances)

    return {sense: in_sense(sense) for sense in SENSES}


def plot(moments: Iterable[Moment], budget: Budget | None, title: str, out: Path) -> None:
    """Draw the totals, in bits per weight, over time into the image `out` (png, svg or pdf)."""
    from matplotlib.dates import AutoDateFormatter, AutoDateLocator, date2num
    from matplotlib.figure import Figure

    listed = list(moments)
    times = date2num([datetime.fromtimestamp(moment.time, UTC) for moment in listed])
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for sense in SENSES:
        values = [getattr(moment, sense) for moment in listed]
        axes.step(times, values, where="post", label=sense)
    if budget is not None:
        axes.axhline(budget.bits, color="black", linestyle="--", label=f"budget ({budget.sense})")
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(AutoDateFormatter(locator))
    axes.set(ylabel="leaked, bits per weight", title=title, ylim=(0, None))
    axes.legend()
    figure.savefig(out)
