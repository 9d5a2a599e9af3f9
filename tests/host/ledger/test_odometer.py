"""The odometer: what it reports is what the record holds, no more and no less."""

from itertools import pairwise

import numpy as np
import pytest

from shotveil.host.leakage.composition import LOST, ChannelClass
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.ledger.accounts import Budget, LayerChannel
from shotveil.host.ledger.budget import BudgetFilter, remaining_inferences
from shotveil.host.ledger.odometer import Moment, history, read_accounts, report
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network

V_A, DELTA = 12.0, 1e-10
GOOD, WORSE = ChannelClass(1.0, 1e-3), ChannelClass(0.9, 0.05)
RNG = np.random.default_rng(1)
NETWORK = Network("small", (Layer(RNG.normal(size=(6, 5))), Layer(RNG.normal(size=(2, 6)))))
OTHER = Network("another", (Layer(RNG.normal(size=(3, 2))),))


def chi(copies, through):
    return float(majorant_after(copies, V_A, *through))


@pytest.fixture
def path(tmp_path):
    """Two networks; of one, two clients with three sessions, of which one stays open."""
    path = tmp_path / "ledger.db"
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(OTHER)
        ledger.register(NETWORK)
        ledger.set_budget(NETWORK.digest, 9.0, "declared")
        ledger.set_budget(NETWORK.digest, 20.0, "certified", "bob")
        for name, client, channel in (
            ("a", "alice", GOOD),
            ("b", "bob", GOOD),
            ("c", "alice", WORSE),
        ):
            ledger.open_session(name, NETWORK.digest, client, V_A, [channel] * 2, DELTA, 84.0)
        ledger.commit(ledger.reserve("a", 0, 0, 6, 5))
        ledger.commit(ledger.reserve("b", 1, 0, 2, 3))
        ledger.reserve("a", 0, 2, 5, 4)
        ledger.end_session("a", "closed")
        ledger.reserve("c", 1, 1, 2, 7)
        certified = LayerChannel(WORSE, GOOD, WORSE)
        for layer in (0, 1):
            ledger.restate("c", layer, certified)
        ledger._log.close()  # as a process that died: session b and c stay open
        yield path


def test_the_report_holds_what_left_of_each_network(path):
    accounts = read_accounts(path)
    first, second = sorted(report(accounts), key=lambda entry: entry["network"])
    assert [e["digest"] for e in report(accounts)] == sorted([NETWORK.digest, OTHER.digest])
    account = accounts.networks[NETWORK.digest]
    senses = ("declared", "estimated", "certified")
    layers = [{sense: account.total.layer_bits(sense, i) for sense in senses} for i in (0, 1)]
    # With what is disclosed, the layers make up the whole.
    of_layers = 30 * layers[0]["declared"] + 12 * layers[1]["declared"] + 84.0
    assert 42 * second["leakage_bits"]["declared"] == pytest.approx(of_layers)
    assert second == {
        "network": "small",
        "digest": NETWORK.digest,
        "weights": 42,
        "leakage_bits": {
            sense: account.total.bits(sense) for sense in ("declared", "estimated", "certified")
        },
        "total_bits": {
            sense: 42 * account.total.bits(sense)
            for sense in ("declared", "estimated", "certified")
        },
        "layers": [
            {
                "rows": rows,
                "columns": columns,
                "leakage_bits": layer,
                "total_bits": {sense: rows * columns * bits for sense, bits in layer.items()},
            }
            for (rows, columns), layer in zip(((6, 5), (2, 6)), layers, strict=True)
        ],
        "light": [{"modulation_variance": V_A, "transmittance": 0.9, "excess_noise": 0.05}] * 2,
        "disclosed_bits": 84.0,
        "row_copies_sent": 6 * 5 + 2 * 3 + 3 * 4 + 7,
        "row_copies_never_verified": 3 * 4 + 7,
        "failure_probability": pytest.approx(3 * DELTA),
        "budget": {"bits": 9.0, "sense": "declared"},
        "remaining_inferences": second["remaining_inferences"],
        "networks": [{"network": "small", "digest": NETWORK.digest}],
        "budget_raised": 0,
        "sessions": 3,
        "sessions_open": 2,
        "clients": [
            {
                "client": "alice",
                "leakage_bits": {
                    sense: account.clients["alice"].bits(sense)
                    for sense in ("declared", "estimated", "certified")
                },
                "row_copies_sent": 30 + 12 + 7,
                "budget": None,
                "refused": "",
            },
            {
                "client": "bob",
                "leakage_bits": {
                    "declared": pytest.approx(2 + 12 / 42 * chi(3, GOOD)),
                    "estimated": pytest.approx(2 + 12 / 42 * chi(3, LOST)),
                    "certified": pytest.approx(2 + 12 / 42 * chi(3, LOST)),
                },
                "row_copies_sent": 6,
                "budget": {"bits": 20.0, "sense": "certified"},
                "refused": "",
            },
        ],
    }
    nothing = {"declared": 0.0, "estimated": 0.0, "certified": 0.0}
    assert first == {
        "network": "another",
        "digest": OTHER.digest,
        "weights": 6,
        "leakage_bits": nothing,
        "total_bits": nothing,
        "layers": [{"rows": 3, "columns": 2, "leakage_bits": nothing, "total_bits": nothing}],
        "light": [],
        "disclosed_bits": 0.0,
        "row_copies_sent": 0,
        "row_copies_never_verified": 0,
        "failure_probability": 0,
        "budget": None,
        "remaining_inferences": dict.fromkeys(nothing),
        "networks": [{"network": "another", "digest": OTHER.digest}],
        "budget_raised": 0,
        "sessions": 0,
        "sessions_open": 0,
        "clients": [],
    }


def test_what_remains_is_by_the_last_sessions_channel_in_each_sense(path):
    accounts = read_accounts(path)
    account = accounts.networks[NETWORK.digest]
    entry = next(e for e in report(accounts) if e["network"] == "small")
    for sense, channel in (("declared", WORSE), ("estimated", GOOD), ("certified", WORSE)):
        expected = remaining_inferences(
            account, account.total, Budget(9.0, sense), [channel] * 2, [V_A] * 2
        )
        assert entry["remaining_inferences"][sense] == expected > 0
    assert len(set(entry["remaining_inferences"].values())) == 3


def test_a_budget_without_a_session_says_nothing_of_what_remains(tmp_path):
    with BudgetFilter(tmp_path / "ledger.db", create=True) as ledger:
        ledger.register(NETWORK)
        ledger.set_budget(NETWORK.digest, 3.0, "declared")
        (entry,) = report(ledger.accounts)
    assert entry["budget"] == {"bits": 3.0, "sense": "declared"}
    assert set(entry["remaining_inferences"].values()) == {None}


def test_history_is_the_totals_after_events_from_the_networks_first_on(path):
    moments = history(path, NETWORK.digest)
    accounts = read_accounts(path)
    total = accounts.networks[NETWORK.digest].total
    # 15 events, of which the first is another network's.
    assert len(moments) == 15
    assert [m.time for m in moments] == sorted(m.time for m in moments)
    assert moments[0] == Moment(moments[0].time, 0.0, 0.0, 0.0)
    last = moments[-1]
    assert (last.declared, last.estimated, last.certified) == tuple(
        total.bits(sense) for sense in ("declared", "estimated", "certified")
    )
    # Fewer points: every fifth event of 16, and always the last.
    few = history(path, NETWORK.digest, points=3)
    assert few == [moments[i - 1] for i in (5, 10, 15)]
    few = history(path, NETWORK.digest, points=4)
    assert few == [moments[i - 1] for i in (4, 8, 12, 15)]
    assert len(history(path, OTHER.digest)) == 16
    assert history(path, "unknown") == []
    assert len(history(path, NETWORK.digest, points=1000)) == 15


@pytest.mark.parametrize("sense", ["declared", "certified"])
def test_what_is_on_its_way_is_told_apart_from_what_is_charged_for_good(path, sense):
    moments = history(path, NETWORK.digest, sense=sense)
    # Session a's light is on its way until it is committed, and lost for good when a ends.
    flying = [moment.in_flight > 0 for moment in moments]
    assert flying == [False] * 6 + [True, False, True, False, True, False, *[True] * 3]
    committed = [getattr(moment, sense) - moment.in_flight for moment in moments]
    if sense == "declared":
        assert all(a <= b + 1e-12 for a, b in pairwise(committed))
    # One row of the second layer, of session c, is on its way at the end.
    assert 0 < moments[-1].in_flight <= 6 / 42 * chi(7, LOST) * (1 + 1e-12)


def test_a_record_that_was_changed_is_not_reported(path):
    with pytest.raises(RangeError, match="not found"):
        read_accounts(path.with_name("none.db"))
    with pytest.raises(RangeError, match="not found"):
        history(path.with_name("none.db"), NETWORK.digest)
