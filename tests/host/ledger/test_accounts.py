"""Accounts: what events add up to, whatever their order, and which events make no sense."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shotveil.host.adversaries.attacks import held_per_mode
from shotveil.host.leakage.composition import LOST, ChannelClass, composed_leakage
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.leakage.weight_bounds.holevo_amplified import holevo_amplified
from shotveil.host.ledger.accounts import (
    COMPOSITION,
    SENSES,
    Accounts,
    Budget,
    LayerChannel,
    Tally,
    _patterns,
    require_budget,
)
from shotveil.host.ledger.event_log import Event
from shotveil.models.adversaries.amplified_components import AmplifyingClient
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link

LAYERS = [[6, 5], [2, 6]]
V_A = 12.0
GOOD, WORSE = ChannelClass(1.0, 1e-3), ChannelClass(0.9, 0.02)


def event(sequence, kind, **body):
    return Event(sequence, 1000.0 + sequence, kind, body, b"")


def network(sequence=1, name="small", digest="d1", layers=LAYERS):
    return event(sequence, "network", network=digest, name=name, layers=layers)


def session(sequence, name="s", client="alice", declared=GOOD, v_a=V_A, **more):
    return event(
        sequence,
        "session",
        network="d1",
        session=name,
        client=client,
        modulation_variance=v_a,
        failure_probability=1e-10,
        declared=[list(declared), list(declared)],
        **more,
    )


def reserve(sequence, name="s", layer=0, first=0, stop=6, inferences=1):
    return event(
        sequence,
        "reserve",
        session=name,
        layer=layer,
        first=first,
        stop=stop,
        inferences=inferences,
    )


def commit(sequence, of):
    return event(sequence, "commit", reserve=of)


def channel(sequence, declared, estimated, certified, name="s", layer=0):
    return event(
        sequence,
        "channel",
        session=name,
        layer=layer,
        declared=list(declared),
        estimated=list(estimated),
        certified=list(certified),
    )


def replayed(*events):
    accounts = Accounts()
    for each in events:
        accounts.apply(each)
    return accounts


def bits(accounts, client=None):
    """Totals in the three senses, of all clients or of one."""
    account = accounts.networks["d1"]
    tally = account.total if client is None else account.clients[client]
    return [tally.bits(sense) for sense in SENSES]


def chi(copies, through, sense="declared"):
    """What copies leak; where it is certified, to clients that may amplify as well."""
    bound = holevo_amplified if sense == "certified" else majorant_after
    return float(bound(copies, V_A, *through))


FIRST = 30 / 42  # of the weights that lie in layer 0


def test_light_is_lost_until_it_is_committed_and_then_as_its_session_says():
    events = [network(), session(2), reserve(3, inferences=4)]
    assert bits(replayed(*events)) == pytest.approx([FIRST * chi(4, LOST)] * 3)
    events.append(commit(4, 3))
    after = replayed(*events)
    expected = [FIRST * chi(4, GOOD)] + [FIRST * chi(4, LOST)] * 2  # nothing is known but declared
    assert bits(after) == bits(after, "alice") == pytest.approx(expected)
    events.append(channel(5, WORSE, GOOD, (0.5, 0.1)))
    rated = dict(zip(SENSES, (WORSE, GOOD, (0.5, 0.1)), strict=True))
    expected = [FIRST * chi(4, c, sense) for sense, c in rated.items()]
    assert bits(replayed(*events)) == pytest.approx(expected)
    # What is committed after a statement is rated by it at once.
    events += [reserve(6, inferences=3), commit(7, 6)]
    expected = [FIRST * chi(7, c, sense) for sense, c in rated.items()]
    assert bits(replayed(*events)) == pytest.approx(expected)


def test_a_commit_leaves_the_senses_alone_that_it_does_not_change():
    accounts = replayed(network(), session(2), reserve(3), reserve(4))
    tallies = accounts.networks["d1"].total, accounts.networks["d1"].client("alice")

    def forgotten_by(event):
        for tally in tallies:
            for sense in SENSES:
                tally.bits(sense)
        accounts.apply(event)
        return [{place for place in tally._then if place not in tally._bits} for tally in tallies]

    assert forgotten_by(commit(5, 3)) == [{("declared", 0)}] * 2
    accounts.apply(channel(6, GOOD, WORSE, LOST))
    assert forgotten_by(commit(7, 4)) == [{("declared", 0), ("estimated", 0)}] * 2
    assert forgotten_by(channel(8, GOOD, WORSE, WORSE)) == [{("certified", 0)}] * 2


def test_rows_layers_clients_and_brightness_are_apart():
    accounts = replayed(
        network(),
        session(2, "a", "alice"),
        session(3, "b", "bob", v_a=3.0),
        reserve(4, "a", layer=0, first=1, stop=4, inferences=5),
        reserve(5, "b", layer=1, stop=2, inferences=7),
        commit(6, 4),
        commit(7, 5),
    )
    account = accounts.networks["d1"]
    of_a = 15 * chi(5, GOOD)  # 3 rows of 5
    of_b = 12 * float(majorant_after(7, 3.0, *GOOD))
    assert account.clients["alice"].bits("declared") == pytest.approx(of_a / 42)
    assert account.clients["bob"].bits("declared") == pytest.approx(of_b / 42)
    assert account.total.bits("declared") == pytest.approx((of_a + of_b) / 42)
    assert [account.clients[c].copies() for c in ("alice", "bob")] == [15, 14]
    assert account.total.copies() == account.total.copies("certified") == 29
    a = accounts.sessions["a"]
    assert (a.network, a.client, a.modulation_variance, a.failure_probability, a.ended) == (
        "d1",
        "alice",
        [V_A, V_A],
        1e-10,
        "",
    )
    np.testing.assert_array_equal(a.committed[0], [0, 5, 5, 5, 0, 0])
    np.testing.assert_array_equal(a.committed[1], [0, 0])


def test_two_brightnesses_through_one_channel_add_their_energy():
    accounts = replayed(
        network(),
        session(2, "a", v_a=3.0),
        session(3, "b", v_a=5.0),
        *(reserve(4, "a", inferences=2), reserve(5, "b", inferences=4), commit(6, 4), commit(7, 5)),
    )
    expected = FIRST * float(majorant_after(1, 2 * 3.0 + 4 * 5.0, *GOOD))
    assert bits(accounts)[0] == pytest.approx(expected)


def test_a_statement_rates_its_own_session_and_layer_alone():
    events = [
        network(),
        *(session(2, "a"), session(3, "b", "bob")),
        *(reserve(4, "a"), reserve(5, "b"), reserve(6, "a", layer=1, stop=2)),
        *(commit(7, 4), commit(8, 5), commit(9, 6), reserve(10, "a", inferences=9)),
    ]
    accounts = replayed(*events, channel(11, WORSE, WORSE, WORSE, "a"))
    of = {c: accounts.networks["d1"].clients[c].bits("declared") for c in ("alice", "bob")}
    assert of["bob"] == pytest.approx(FIRST * chi(1, GOOD))
    # Of alice's first layer: one copy at the new channel, nine in flight, still lost.
    mixed = composed_leakage([WORSE, LOST], np.array([V_A, 9 * V_A]))
    assert of["alice"] == pytest.approx(FIRST * float(mixed) + 12 / 42 * chi(1, GOOD))
    assert accounts.sessions["a"].channels[0] == LayerChannel(WORSE, WORSE, WORSE)
    assert accounts.sessions["a"].channels[1] == LayerChannel(GOOD)
    assert list(accounts.outstanding) == [10]


def test_what_sessions_tell_counts_once_at_its_most():
    told = [7.0, 21.0, 14.0]
    accounts = replayed(
        network(),
        *(session(2 + i, str(i), "ab"[i % 2], disclosed_bits=t) for i, t in enumerate(told)),
        session(9, "old"),  # of a log from before this was counted
    )
    assert bits(accounts) == pytest.approx([0.5] * 3)
    assert bits(accounts, "a") == pytest.approx([14 / 42] * 3)
    assert bits(accounts, "b") == pytest.approx([0.5] * 3)
    assert bits(accounts, "alice") == [0, 0, 0]


def test_budgets_are_of_all_of_one_or_of_each_without_one():
    def budget(sequence, client, limit, sense="declared"):
        return event(sequence, "budget", network="d1", client=client, bits=limit, sense=sense)

    events = [network(), budget(2, None, 3), budget(3, "", 2, "certified"), budget(4, "bob", 1)]
    account = replayed(*events).networks["d1"]
    assert account.budget == Budget(3.0, "declared")
    assert account.budget_of("alice") == Budget(2.0, "certified")
    assert account.budget_of("bob") == Budget(1.0, "declared")
    events += [budget(5, "bob", None), budget(6, "carol", None), budget(7, None, None)]
    account = replayed(*events).networks["d1"]
    assert account.budget is None
    assert account.budget_of("bob") == account.budget_of("carol") == Budget(2.0, "certified")
    account = replayed(*events, budget(8, "", None)).networks["d1"]
    assert account.budget_of("bob") is None


BASE = (network(), session(2), reserve(3), reserve(4, layer=1, stop=2), commit(5, 4))


@pytest.mark.parametrize(
    "bad, reason",
    [
        (event(9, "gift"), "event 9 has unknown kind 'gift'"),
        (network(9), "the network is known already"),
        (event(9, "network", network="d2", name="x"), "layers"),
        (session(9), "the session is known already"),
        (replace(session(9, "t"), body={**session(9, "t").body, "network": "d2"}), "d2"),
        (replace(session(9, "t"), body={**session(9, "t").body, "declared": [[1, 0]]}), "one ch"),
        (reserve(9, "nobody"), "nobody"),
        (reserve(9, stop=7), "rows 0 to 7 of 6"),
        (reserve(9, layer=1, stop=3), "rows 0 to 3 of 2"),
        (reserve(9, first=-1), "rows -1 to 6 of 6"),
        (reserve(9, first=2, stop=2), "rows 2 to 2 of 6"),
        (reserve(9, first=3, stop=2), "rows 3 to 2 of 6"),
        (reserve(9, inferences=0), "rows 0 to 6"),
        (reserve(9, inferences=-1), "rows 0 to 6"),
        (reserve(9, layer=2, stop=1), "layer 2 of 2"),
        (reserve(9, layer=-1, stop=2), "layer -1 of 2"),
        (channel(9, GOOD, GOOD, GOOD, layer=2), "layer 2 of 2"),
        (channel(9, GOOD, GOOD, GOOD, layer=-1), "layer -1 of 2"),
        (commit(9, 4), "4"),  # a second time
        (commit(9, 7), "7"),
        (channel(9, GOOD, GOOD, GOOD, "nobody"), "nobody"),
        (channel(9, GOOD, GOOD, (1.0,)), "excess_noise"),
        (event(9, "end", session="nobody", reason=""), "nobody"),
        (event(9, "budget", network="d2", client=None, bits=1, sense="declared"), "d2"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused_and_changes_nothing(bad, reason):
    accounts = replayed(*BASE)
    before = bits(accounts)
    with pytest.raises(RangeError, match="ledger event 9") as found:
        accounts.apply(bad)
    assert reason in str(found.value)
    assert bits(accounts) == before
    assert list(accounts.outstanding) == [3]
    assert list(accounts.networks) == ["d1"] and list(accounts.sessions) == ["s"]
    assert bits(replayed(*BASE)) == before


def test_a_session_ends_for_a_reason():
    accounts = replayed(*BASE, event(6, "end", session="s", reason="closed by the client"))
    assert accounts.sessions["s"].ended == "closed by the client"
    accounts = replayed(*BASE, event(6, "end", session="s", reason=""))
    assert accounts.sessions["s"].ended == "ended"


def test_the_least_reserve_is_one_row_once():
    accounts = replayed(*BASE, reserve(6, first=5, stop=6))
    assert accounts.networks["d1"].total.copies() == 6 + 2 + 1
    np.testing.assert_array_equal(
        accounts.copies_of(replace(accounts.outstanding[6], first=2, stop=4, inferences=3)),
        [0, 0, 3, 3, 0, 0],
    )


def test_a_network_is_found_by_name_digest_or_the_start_of_one():
    accounts = replayed(
        network(1, "small", "abc1"), network(2, "large", "abd2"), network(3, "large", "e3")
    )
    for asked, digest in (("small", "abc1"), ("abd", "abd2"), ("e3", "e3"), ("abc1", "abc1")):
        found, account = accounts.find(asked)
        assert found == digest and account is accounts.networks[digest]
    for asked, number in (("ab", 2), ("large", 2), ("", 0), ("smal", 0), ("b", 0)):
        with pytest.raises(RangeError, match=rf"fits {number} in the ledger: small \(abc1\), la"):
            accounts.find(asked)
    with pytest.raises(RangeError, match="fits 0 in the ledger: none"):
        Accounts().find("x")


def test_a_budget_rests_on_a_bound():
    for sense in ("declared", "certified"):
        require_budget(0.0, sense)
        require_budget(None, sense)
    with pytest.raises(RangeError, match=r"budget = -0\.1"):
        require_budget(-0.1, "declared")
    for limit in (None, 1.0):
        with pytest.raises(RangeError, match="'estimated'; allowed: declared, certified"):
            require_budget(limit, "estimated")


def test_what_is_not_known_counts_as_lost():
    assert LayerChannel(GOOD) == LayerChannel(GOOD, LOST, LOST)
    assert SENSES == ("declared", "estimated", "certified")
    assert "chi(1 + sum K V_A" in COMPOSITION  # as written into every session of a ledger


@pytest.mark.parametrize("images", [1, 10, 100])
@pytest.mark.parametrize("gain, photons, loss", [(1.000873, 391.2, 0.0), (1.3, 6.0, 0.01)])
def test_what_is_certified_covers_clients_that_amplify(gain, photons, loss, images):
    modes, client = 392, AmplifyingClient(1)
    link = Link(gain, photons, transmittance_back=1 - loss)
    play = client.play(link, link.modulation_variance * client.weights(modes))
    held = held_per_mode(images * play.energies, play.transmittance, play.noise_x)
    held = held.sum() / (2 * modes)
    channel = ChannelClass(
        float(link.declared_transmittance_at(modes)), float(link.declared_excess_noise(modes))
    )
    tally = Tally([(3, 2 * modes)])
    for sense in ("declared", "certified"):
        tally.add(sense, 0, channel, link.modulation_variance, np.full(3, images))
    assert held <= tally.bits("certified")
    # Which is more than a declaration implies, as verification takes its time to notice.
    assert tally.bits("declared") < tally.bits("certified") < 4 * tally.bits("declared")
    if not loss:
        assert held > 1.5 * tally.bits("declared")


def test_looking_at_more_copies_adds_none():
    tally, extra = Tally([(3, 4), (2, 3)]), Tally([(3, 4), (2, 3)])
    tally.add("declared", 0, GOOD, V_A, np.array([1, 2, 0]))
    before = tally.bits("declared")
    assert before == pytest.approx(4 * (chi(1, GOOD) + chi(2, GOOD)) / 18)
    extra.add("declared", 0, GOOD, V_A, np.array([0, 1, 5]))
    extra.add("declared", 1, WORSE, V_A, np.array([7, 0]))
    extra.disclosed = 9.0
    expected = 4 * (chi(1, GOOD) + chi(3, GOOD) + chi(5, GOOD)) + 3 * chi(7, WORSE) + 9
    assert tally.bits("declared", extra) == pytest.approx(expected / 18)
    assert tally.bits("declared") == before and tally.copies() == 3
    assert tally.bits("estimated") == 0
    tally.disclosed = 36.0
    assert tally.bits("declared", extra) == pytest.approx((expected - 9 + 36) / 18)
    # Taken back in full, nothing is left, not even the place it had.
    tally.add("declared", 0, GOOD, V_A, np.array([-1, -2, 0]))
    assert tally.bits("declared") == 2 and tally.copies() == 0
    assert not any(tally._counts["declared"])


# Any order of what different sessions do gives the same accounts.

channels = st.sampled_from([GOOD, WORSE, LOST, ChannelClass(1.0, 0.0), ChannelClass(0.5, 0.3)])


@st.composite
def stories(draw):
    """Per session, what happens in it, in order, without sequence numbers."""
    found = []
    for name in draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True)):
        client = draw(st.sampled_from(["alice", "bob"]))
        told = draw(st.sampled_from([0.0, 64.0, 128.0]))
        steps = [("open", client, draw(channels), told)]
        number = 0
        for _ in range(draw(st.integers(0, 5))):
            kind = draw(st.sampled_from(["reserve", "reserve", "commit", "channel"]))
            if kind == "reserve":
                layer = draw(st.integers(0, 1))
                rows = LAYERS[layer][0]
                first = draw(st.integers(0, rows - 1))
                stop = draw(st.integers(first + 1, rows))
                steps.append(("reserve", layer, first, stop, draw(st.integers(1, 50))))
                number += 1
            elif kind == "commit" and number:
                steps.append(("commit", draw(st.integers(0, number - 1))))
            elif kind == "channel":
                each = [draw(channels) for _ in SENSES]
                steps.append(("channel", draw(st.integers(0, 1)), each))
        found.append((name, steps))
    return found


def told(stories, order):
    """Accounts of the stories, their steps interleaved as `order` says; totals after each."""
    accounts, totals = replayed(network()), []
    left = {name: list(steps) for name, steps in stories}
    reserved = {name: [] for name in left}
    committed = {name: set() for name in left}
    sequence = 1
    for name in order:
        step = left[name].pop(0)
        sequence += 1
        if step[0] == "open":
            made = session(sequence, name, step[1], step[2], disclosed_bits=step[3])
        elif step[0] == "reserve":
            reserved[name].append(sequence)
            made = reserve(sequence, name, *step[1:])
        elif step[0] == "commit":
            if step[1] in committed[name]:
                continue
            committed[name].add(step[1])
            made = commit(sequence, reserved[name][step[1]])
        else:
            made = channel(sequence, *step[2], name=name, layer=step[1])
        accounts.apply(made)
        totals.append((made.kind, bits(accounts)))
    return accounts, totals


@settings(max_examples=60)
@given(st.data())
def test_the_order_of_different_sessions_does_not_matter(data):
    found = data.draw(stories())
    turns = [name for name, steps in found for _ in steps]
    one, totals = told(found, turns)
    other, _ = told(found, data.draw(st.permutations(turns)))
    assert bits(other) == pytest.approx(bits(one), rel=1e-12, abs=1e-300)
    for client in one.networks["d1"].clients:
        assert bits(other, client) == pytest.approx(bits(one, client), rel=1e-12, abs=1e-300)
        # One client never has more than all have together.
        for own, whole in zip(bits(one, client), bits(one), strict=True):
            assert own <= whole * (1 + 1e-12)
    # What was reserved never falls below nothing, and a reserve never lowers a total, nor does a
    # commit raise one: it was charged at the worst.
    before = [0.0] * 3
    for kind, after in totals:
        for old, new in zip(before, after, strict=True):
            assert math.isfinite(new) and new >= 0
            if kind in ("reserve", "session"):
                assert new >= old * (1 - 1e-12)
            if kind == "commit":
                assert new <= old * (1 + 1e-12)
        before = after


def test_layers_of_one_session_have_variances_of_their_own_and_one_number_holds_for_all():
    accounts = replayed(
        network(), session(2, v_a=[3.0, 50.0]), reserve(3, layer=1, stop=2), session(4, "old")
    )
    assert accounts.sessions["s"].modulation_variance == [3.0, 50.0]
    assert accounts.sessions["old"].modulation_variance == [V_A, V_A]
    bits = accounts.networks["d1"].total.bits("declared")
    rows, columns = LAYERS[1]
    weights = sum(r * c for r, c in LAYERS)
    alone = float(majorant_after(1, 50.0, *LOST))
    assert bits == pytest.approx(alone * rows * columns / weights)
    with pytest.raises(RangeError, match="one modulation variance a layer"):
        replayed(network(), session(2, v_a=[3.0, 4.0, 5.0]))


@pytest.mark.parametrize("seed", range(5))
def test_patterns_are_the_different_columns_and_how_often_each_occurs(seed):
    rng = np.random.default_rng(seed)
    counts = [rng.integers(-1, 2, 60), int(rng.integers(0, 9)), rng.integers(0, 2, 60)][: 1 + seed]
    patterns, occurrence = _patterns(counts)
    columns = np.stack(np.broadcast_arrays(*counts))
    expected, times = np.unique(columns, axis=1, return_counts=True)
    np.testing.assert_array_equal(patterns, expected)
    np.testing.assert_array_equal(occurrence, times)
    same, once = _patterns([4, 0])  # of as many rows as there are
    assert same.tolist() == [[4], [0]] and once.tolist() == [1]


@pytest.mark.parametrize("seed", range(4))
def test_there_is_room_exactly_where_the_bits_say_so(seed):
    """Whatever was sent, taken back and rated anew before: the quick way never grants more."""
    rng = np.random.default_rng(seed)
    tally, sent = Tally([(8, 4), (3, 8)]), []
    quick = 0
    for _ in range(40):
        layer = int(rng.integers(2))
        copies = np.zeros(tally.layers[layer][0], dtype=np.int64)
        copies[int(rng.integers(len(copies))) :] = int(10 ** rng.uniform(0, 3))
        variance = float(rng.choice([0.02, 1.0, 12.0]))
        lost = rng.random() < 0.3
        channel = LOST if lost else ChannelClass(rng.uniform(), 10 ** rng.uniform(-6, 0))
        for sense in ("declared", "certified"):
            extra = Tally(tally.layers)
            extra.add(sense, layer, LOST, variance, copies)
            exact = deepcopy(tally).bits(sense, extra)
            asked = layer, variance, copies
            assert not deepcopy(tally).has_room(sense, exact * (1 - 1e-9), *asked)
            assert deepcopy(tally).has_room(sense, exact * (1 + 1e-9), *asked)
            before = dict(tally._then)
            assert tally.has_room(sense, 1e9, *asked)
            quick += tally._then == before
            tally.add(sense, layer, channel, variance, copies)
        sent.append((layer, channel, variance, copies))
        if rng.random() < 0.3:
            layer, channel, variance, copies = sent.pop(int(rng.integers(len(sent))))
            for sense in ("declared", "certified"):
                tally.add(sense, layer, channel, variance, -copies)
    assert quick > 60, "it works nothing out while there is much room"
