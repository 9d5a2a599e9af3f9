"""The simulated link at its two ends: order, limits, and one server at a time."""

import json
import threading
import time

import numpy as np
import pytest

from shotveil.host.parties.optical_link import SimulatedLink
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import ProtocolError, Refusal, pack, unpack
from shotveil.models.link.encoding import directions
from shotveil.models.link.optics import Link
from tests.host.parties.parties import LINK

MODES, ROWS = 6, 4
RNG = np.random.default_rng(1)
X, P = RNG.normal(size=(2, ROWS, MODES))
XI, _ = directions(RNG.normal(size=(3, 2 * MODES)))
ORDER = np.array([[2, 0, 3, 1], [3, 1, 0, 2], [0, 1, 2, 3]])


def emission(key="weights", first=0, stop=ROWS, **other):
    fields = {"version": 4, "key": key, "scale": 1.0, "rows": ROWS, "modes": MODES}
    x, p = pack(X[first:stop]), pack(P[first:stop])
    return pb.Emission(**(fields | {"first": first, "x": x, "p": p} | other))


def settings(**other):
    fields = {"version": 4, "session": "s", "gain": 1.3, "images": 3, "modes": MODES}
    parts = {"real": pack(XI.real), "imaginary": pack(XI.imag)}
    return pb.Settings(**(fields | parts | other))


def packed(names):
    """An order without a mixing, as bytes."""
    return Order(np.array(names), np.ones_like(names), False).to_bytes()


def shot(**other):
    fields = {"version": 4, "session": "s", "images": 3, "weights": "weights", "stop": ROWS}
    order = other.pop("order", ORDER)
    order = order.to_bytes() if isinstance(order, Order) else packed(order)
    return pb.Shot(**(fields | {"order": order, "last": True} | other))


@pytest.fixture
def link():
    link = SimulatedLink(LINK, 1, patience=0.1)
    link.load([emission(stop=2), emission(first=2)])
    return link


def refused(text):
    return pytest.raises(ProtocolError, match=text)


def test_each_side_gets_what_its_detector_shows(link):
    readings = link.measure(settings())
    returned = link.emit(shot())
    assert returned.weights.count == 3 * ROWS * MODES and not returned.decoy_count
    (reading,) = list(readings)
    assert unpack("values", reading.values, (3, ROWS)).shape == (3, reading.slots)


def test_slots_are_where_the_server_put_the_rows():
    bright = Link(1.3, 1e9)  # far above the noise
    link = SimulatedLink(bright, 1)
    link.load([emission(x=pack(1e5 * X), p=pack(1e5 * P))])
    readings = link.measure(settings())
    link.emit(shot())
    values = unpack("values", next(readings).values, (3, ROWS))
    products = 1e5 * (XI.real @ X.T + XI.imag @ P.T) * np.sqrt(0.3)
    expected = np.take_along_axis(products, ORDER, axis=1)
    np.testing.assert_allclose(values, expected, atol=10)


@pytest.mark.parametrize(
    ("places", "error"),
    [
        ([[4]], r"places are not ascending within \[0, 3\]"),
        ([[-1]], "not ascending"),
        ([[2, 2]], r"not ascending within \[0, 4\]"),
        ([[0, 1, 2]], "places have 12 bytes; allowed: a multiple of 8"),
    ],
)
def test_places_of_checks_are_those_of_repetitions(link, places, error):
    """Of three images and one check there are four repetitions, the last of which is number 3."""
    checks = min(len(places[0]), 2)
    met = {"check_real": pack(XI.real[:1]), "check_imaginary": pack(XI.imag[:1])}
    sent = np.array(places, "<i4").tobytes()
    with refused(error):
        link.measure(settings(checks=checks, places=sent, **met))


@pytest.mark.parametrize("mixed", [False, True])
def test_decoys_and_checks_are_where_the_server_and_the_client_put_them(mixed):
    """Two decoys of the part's own; of four repetitions, the second is a check."""
    rng = np.random.default_rng(2)
    link = SimulatedLink(Link(1.3, 1e9), 1)
    link.load([emission(x=pack(1e5 * X), p=pack(1e5 * P))])
    own = 1e5 * rng.normal(size=(2, 2, MODES))
    check, _ = directions(rng.normal(size=(1, 2 * MODES)))
    places = np.tile([[1]], (6, 1)).astype("<i4").tobytes()
    of_check = {"check_real": pack(check.real), "check_imaginary": pack(check.imag)}
    readings = link.measure(settings(checks=1, places=places, **of_check))
    order = Order.draw(np.arange(-2, 4), 4, mixed, rng)
    decoys = {"decoy_x": pack(own[0]), "decoy_p": pack(own[1])}
    returned = link.emit(shot(images=4, order=order, mixed=mixed, **decoys))
    assert returned.decoy_count == 4 * 2 and returned.weights.count == 4 * ROWS * MODES
    values = unpack("values", next(readings).values, (4, 6))
    x, p = (np.concatenate([own[i][::-1], 1e5 * rows]) for i, rows in enumerate((X, P)))
    met = np.insert(XI, 1, check[0], axis=0)
    products = (met.real @ x.T + met.imag @ p.T) * np.sqrt(0.3)
    np.testing.assert_allclose(values, order.played(products), atol=10)


def test_rows_are_loaded_once_and_whole(link):
    with refused("holds other rows"):
        link.load([emission()])
    link.load([emission("half", stop=2)])
    with refused("2 rows are not loaded"):
        link.emit(shot(weights="half"))
    with refused("no rows are held"):
        link.emit(shot(weights="none"))
    with refused("hold a number outside"):
        link.load([emission("bad", x=pack(np.full((ROWS, MODES), np.nan)))])
    with refused("x has 7 bytes"):
        link.load([emission("bad", x=b"1234567")])
    with refused("numbers of"):
        one = pack(np.zeros((1, 64)))
        link.load([emission("huge", rows=1 << 20, modes=64, x=one, p=one)])


@pytest.mark.parametrize(
    "bad, text",
    [
        ({"version": 2}, "version 2"),
        ({"session": ""}, "session is not"),
        ({"gain": 1.0}, "gain = 1 is outside"),
        ({"gain": float("nan")}, "gain = nan"),
        ({"images": 0}, "images = 0"),
        ({"images": 2}, "has 144 bytes"),
        ({"modes": 5}, "has 144 bytes"),
        ({"real": pack(XI.real * 1.1)}, "not of unit length"),
        ({"real": pack(XI.real * np.nan)}, "hold a number outside"),
    ],
)
def test_bad_optics_are_refused(link, bad, text):
    with refused(text):
        link.measure(settings(**bad))


@pytest.mark.parametrize(
    "bad, text",
    [
        ({"order": [[0, 1, 2, 2]] * 3}, "same rows and decoys once in each repetition"),
        ({"order": [[0, 1, 2]] * 3}, "each of the rows once"),
        ({"order": [[0, 1, 2, 3, -1]] * 3}, "hold 1 decoys, but there are 0"),
        ({"decoy_x": pack(X[:1]), "decoy_p": pack(P[:1])}, "hold 0 decoys, but there are 1"),
        ({"decoy_x": pack(X[:1]), "decoy_p": pack(P[:2])}, "decoys has 96 bytes"),
        ({"stop": 5}, "rows"),
        ({"first": 4}, "rows"),
        ({"images": 2, "order": ORDER[:2]}, "for 3 repetitions"),
        ({"images": 0}, "images = 0"),
        ({"part": 1}, "out of order"),
        ({"session": "other"}, "were not set within"),
    ],
)
def test_bad_shots_are_refused_and_nothing_is_sent(bad, text):
    sent = []
    link = SimulatedLink(LINK, 1, patience=0.1, record=sent.append)
    link.load([emission()])
    readings = link.measure(settings())
    with refused(text):
        link.emit(shot(**bad))
    assert sent == []
    link.emit(shot())
    assert len(list(readings)) == 1 and len(sent) == 1


def test_a_batch_is_measured_once(link):
    readings = link.measure(settings())
    with refused("measured already"):
        link.measure(settings())
    link.emit(shot())
    list(readings)
    with refused("measured already"):
        link.measure(settings())


def test_a_client_without_light_is_let_go(link):
    with refused("no light arrived"):
        next(link.measure(settings()))


def test_dropping_a_session_lets_both_ends_go():
    link = SimulatedLink(LINK, 1, patience=30)
    link.load([emission()])
    readings = link.measure(settings())
    dropped = pb.Dropped(version=4, session="s", refusal="RESOURCE_EXHAUSTED", reason="spent")
    timer = threading.Timer(0.1, link.drop, [dropped])
    timer.start()
    calls = [
        lambda: list(readings),
        lambda: link.measure(settings(batch=1)),
        lambda: link.emit(shot()),
    ]
    for call in calls:  # each hears it in the server's words
        with refused("spent") as found:
            call()
        assert found.value.refusal is Refusal.RESOURCE_EXHAUSTED
    timer.join()
    link.drop(pb.Dropped(version=4, session="s"))
    with refused("spent"):  # the first word stands
        link.emit(shot())


@pytest.mark.parametrize(
    "bad, text", [({"refusal": "NONSENSE"}, "none that"), ({"reason": "x" * 1001}, "1001 char")]
)
def test_bad_ends_are_refused(link, bad, text):
    with refused(text):
        link.drop(pb.Dropped(version=4, session="s", **bad))
    link.measure(settings())


def test_a_new_server_clears_what_the_last_one_left(link):
    link.claim()
    with refused("no rows are held"):
        link.emit(shot())
    link.load([emission()])


def test_batches_whose_client_left_make_room(monkeypatch):
    monkeypatch.setattr("shotveil.host.parties.optical_link.MOST_WAITING", 3)
    link = SimulatedLink(LINK, 1, patience=0.05)
    for batch in range(3):
        link.measure(settings(batch=batch))  # and never read
    with refused("on their way already"):
        link.measure(settings(batch=3))
    time.sleep(0.2)
    link.measure(settings(batch=4))


def test_a_link_tells_of_a_session_that_was_dropped_that_its_light_never_left():
    link = SimulatedLink(Link(1.3, 6.0), 1)
    epoch = link.claim().epoch
    link.begin(pb.Announcement(version=4, session="s", client="alice", epoch=epoch))
    link.drop(pb.Dropped(version=4, session="s"))
    asked = pb.Light(version=4, session="s", batch=2, layer=1, part=0, epoch=epoch)
    assert json.loads(link.state(asked).body)["emitted"] is False
    asked.session = "t"  # of which it never heard
    assert json.loads(link.state(asked).body)["emitted"] is None


def test_what_has_not_left_when_the_server_asks_never_leaves():
    link = SimulatedLink(LINK, 1, patience=0.5)
    epoch = link.claim().epoch
    link.load([emission()])

    def left(batch):
        asked = pb.Light(version=4, session="s", batch=batch, layer=0, part=0, epoch=epoch)
        return json.loads(link.state(asked).body)["emitted"]

    first = link.measure(settings())
    link.emit(shot(last=False))
    assert left(0) is True
    link.emit(shot(part=1))  # asking about light that has left takes nothing from the rest
    assert [reading.part for reading in first] == [0, 1]
    second = link.measure(settings(batch=1))
    assert left(1) is False
    with refused("gave the layer up"):
        list(second)
    with refused("optics were not set"):
        link.emit(shot(batch=1))
    assert left(1) is False
