"""The odometer: what it reports is what the record holds, no more and no less."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from matplotlib.dates import num2date
from matplotlib.figure import Figure

from shotveil.host.leakage.composition import LOST, ChannelClass
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.ledger.accounts import Budget, LayerChannel
from shotveil.host.ledger.budget import BudgetFilter, remaining_inferences
from shotveil.host.ledger.odometer import Moment, history, plot, read_accounts, report
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
    with BudgetFilter(path) as ledger:
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
        "disclosed_bits": 84.0,
        "row_copies_sent": 6 * 5 + 2 * 3 + 3 * 4 + 7,
        "row_copies_never_verified": 3 * 4 + 7,
        "failure_probability": pytest.approx(3 * DELTA),
        "budget": {"bits": 9.0, "sense": "declared"},
        "remaining_inferences": second["remaining_inferences"],
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
        "disclosed_bits": 0.0,
        "row_copies_sent": 0,
        "row_copies_never_verified": 0,
        "failure_probability": 0,
        "budget": None,
        "remaining_inferences": dict.fromkeys(nothing),
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
    with BudgetFilter(tmp_path / "ledger.db") as ledger:
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


def test_a_record_that_was_changed_is_not_reported(path):
    with pytest.raises(RangeError, match="not found"):
        read_accounts(path.with_name("none.db"))
    with pytest.raises(RangeError, match="not found"):
        history(path.with_name("none.db"), NETWORK.digest)


MOMENTS = [Moment(1.7e9 + 60 * i, 0.1 * i, 0.2 * i, 0.4 * i) for i in range(4)]


@pytest.mark.parametrize("budget", [None, Budget(1.5, "certified")])
def test_the_plot_shows_the_moments_and_the_budget(tmp_path, monkeypatch, budget):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, out: (drawn.append(figure), save(figure, out))
    )
    plot(iter(MOMENTS), budget, "what left", tmp_path / "plot.svg")
    assert "what left" in (tmp_path / "plot.svg").read_text()
    (axes,) = drawn[0].axes
    assert axes.get_title() == "what left" and axes.get_ylabel() == "leaked, bits per weight"
    assert axes.get_ylim()[0] == 0
    lines = {line.get_label(): line for line in axes.get_lines()}
    for sense in ("declared", "estimated", "certified"):
        line = lines.pop(sense)
        assert line.get_drawstyle() == "steps-post"  # a total holds until the next event
        assert list(line.get_ydata()) == [getattr(m, sense) for m in MOMENTS]
        for number, moment in zip(line.get_xdata(), MOMENTS, strict=True):
            seen = num2date(number).timestamp()
            assert math.isclose(seen, datetime.fromtimestamp(moment.time, UTC).timestamp())
    if budget is None:
        assert not lines
    else:
        assert list(lines.pop("budget (certified)").get_ydata()) == [1.5, 1.5] and not lines
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(labels) == 3 + (budget is not None)
