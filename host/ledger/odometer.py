"""The odometer: it reports what a ledger's events add up to, in all three senses.

It never refuses anything; that is the task of the filter, `host.ledger.budget`. The two share only
the accounts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from shotveil.host.leakage.composition import LOST
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
from shotveil.host.ledger.snapshots import restore
from shotveil.host.ledger.stores import Address, open_log


@dataclass(frozen=True)
class Moment:
    """A network's total leakage in bits per weight, at a `time` in seconds since 1970.

    in_flight: The part of the total, in the sense that was asked for, that is charged for light on
        its way, as if all of it were lost.
    """

    time: float
    declared: float
    estimated: float
    certified: float
    in_flight: float = 0.0


def read_accounts(path: Address) -> Accounts:
    """Read and check the ledger at `path`, and return its accounts.

    Raises `RangeError` for a file that is missing, damaged or changed.
    """
    with open_log(path, writable=False) as log:
        return restore(log)


def history(
    path: Address, network: str, points: int = 200, sense: Sense = "declared"
) -> list[Moment]:
    """Return the totals of `network` (a digest) at about `points` moments of its history.

    sense: The sense of `Moment.in_flight`.

    Raises `RangeError` as `read_accounts`.
    """
    accounts, moments = Accounts(), []
    with open_log(path, writable=False) as log:
        last = log.head.sequence
        step = max(1, last // points)
        for event in log.events():
            accounts.apply(event)
            if network in accounts.networks and (
                (event.sequence - 1) % step == 0 or event.sequence == last
            ):
                total = accounts.networks[network].total
                moments.append(
                    Moment(
                        event.time,
                        total.bits("declared"),
                        total.bits("estimated"),
                        total.bits("certified"),
                        in_flight(accounts, network, sense),
                    )
                )
    return moments


def in_flight(accounts: Accounts, network: str, sense: Sense) -> float:
    """Return the bits per weight that a network's total holds for light that is on its way."""
    total = accounts.networks[network].total
    back = Tally(total.layers)
    for reserve in accounts.outstanding.values():
        session = accounts.sessions[reserve.session]
        if session.network == network and not session.ended:
            variance = session.modulation_variance[reserve.layer]
            back.add(sense, reserve.layer, LOST, variance, -accounts.copies_of(reserve))
    return total.bits(sense) - total.bits(sense, back)


def report(accounts: Accounts) -> list[dict[str, Any]]:
    """Return what leaked of each network, with its budgets, clients and sessions, as plain values.

    The keys are stable. `light` is what the last session declared of each layer's light.
    `remaining_inferences` holds, for each sense, how many inferences through the last session's
    channel still fit the budget, or None without a budget or a session. `failure_probability`, of
    the certified totals, is the sum over all standings (one for all sessions of a client under the
    same terms), since the certificates of each of them may fail. `refused` says why a client is
    refused, and is "" where it is not.
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
    last = account.last_session
    channels = last.channels if last else None
    variances = last.modulation_variance if last else []
    weights = sum(rows * columns for rows, columns in account.layers)
    return {
        "network": account.name,
        "digest": digest,
        "weights": weights,
        "leakage_bits": _bits(account.total),
        "total_bits": {sense: weights * bits for sense, bits in _bits(account.total).items()},
        "layers": _layers(account),
        "light": [
            {"modulation_variance": variance, **channel.declared._asdict()}
            for variance, channel in zip(variances, channels or [], strict=True)
        ],
        "disclosed_bits": account.total.disclosed,
        "row_copies_sent": account.total.copies(),
        "row_copies_never_verified": account.never_verified
        + sum(reserve.row_copies for reserve in in_flight),
        "failure_probability": account.failure_probability,
        "budget": asdict(account.budget) if account.budget else None,
        "remaining_inferences": _remaining(account, account.budget, channels, variances),
        "networks": [{"network": n, "digest": d} for d, n in account.members.items()],
        "budget_raised": len(account.raised),
        "sessions": account.sessions,
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


def _layers(account: NetworkAccount) -> list[dict[str, Any]]:
    """Return rows, columns and leakage of each layer, per weight and of all its weights."""
    found = []
    for number, (rows, columns) in enumerate(account.layers):
        bits = {sense: account.total.layer_bits(sense, number) for sense in SENSES}
        total = {sense: rows * columns * each for sense, each in bits.items()}
        found.append({"rows": rows, "columns": columns, "leakage_bits": bits, "total_bits": total})
    return found


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
