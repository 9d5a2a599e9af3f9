"""The server's end of the light: what it makes of a link that does not keep to the protocol."""

import numpy as np
import pytest

from shotveil.host.parties.transmitter import (
    RepeatingTransmitter,
    SymbolTransmitter,
    decoys_of,
    transmitter_for,
)
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import ProtocolError, pack
from shotveil.models.link.encoding import EncodedRows

RNG = np.random.default_rng(1)
ROWS = EncodedRows(RNG.normal(size=(3, 5)), RNG.normal(size=(3, 5)), 1.0)


class Port:
    """A link that answers as it is told."""

    def __init__(self, records=(), symbol_level=True, returned=None):
        self.records, self.symbol_level, self.returned = records, symbol_level, returned
        self.lights = []

    def load(self, emissions):
        return pb.Loaded(rows=sum(1 for _ in emissions))

    def emit(self, shot):
        return self.returned

    def send(self, lights):
        self.lights = list(lights)
        return iter(self.records)

    def drop(self, dropped):
        return pb.Loaded()

    def claim(self):
        return pb.Loaded(symbol_level=self.symbol_level, epoch="first")


def shot(order=((1, 0, 2), (2, 1, 0)), **other):
    if not isinstance(order, Order):
        order = Order(np.array(order), np.ones_like(order), False)
    fields = {"version": 4, "weights": "w", "images": 2, "mixed": order.mixed}
    return pb.Shot(**(fields | {"order": order.to_bytes()} | other))


def record(rows=3, value=0.0):
    return pb.Record(values=pack(np.full((rows, 5), value)))


def test_the_link_says_which_transmitter_it_needs():
    for symbol_level, kind in ((True, SymbolTransmitter), (False, RepeatingTransmitter)):
        transmitter = transmitter_for(Port(symbol_level=symbol_level), RNG)
        assert type(transmitter) is kind and transmitter.epoch == "first"


def test_amplitudes_go_out_in_the_order_of_slots_for_each_repetition():
    port = Port([record(), record()])
    transmitter = SymbolTransmitter(port, RNG)
    transmitter.hold("w", ROWS)
    weights, decoys = transmitter.send(shot())
    assert decoys is None and weights.count == 2 * 3 * 5 and weights.yy == 0
    assert [light.repetition for light in port.lights] == [0, 1]
    for light, rows in zip(port.lights, ([1, 0, 2], [2, 1, 0]), strict=True):
        np.testing.assert_array_equal(np.frombuffer(light.x).reshape(3, 5), ROWS.x[rows])
        np.testing.assert_array_equal(np.frombuffer(light.p).reshape(3, 5), ROWS.p[rows])
        assert set(light.measure_p) <= {0, 1}


@pytest.mark.parametrize(
    "records, text",
    [
        ([record()], "less light"),
        ([record(), record(), record()], "more light"),
        ([record(), record(rows=2)], "has 80 bytes"),
        ([record(), record(value=np.nan)], "hold a number outside"),
    ],
)
def test_light_that_was_not_sent_is_refused(records, text):
    transmitter = SymbolTransmitter(Port(records), RNG)
    transmitter.hold("w", ROWS)
    with pytest.raises(ProtocolError, match=text):
        transmitter.send(shot())


def test_decoys_of_the_shot_are_sent_and_summed_apart():
    port = Port([record(5, 1.0), record(5, 2.0)])
    transmitter = SymbolTransmitter(port, RNG)
    transmitter.hold("w", ROWS)
    own = RNG.normal(size=(2, 2, 5))
    order = np.array([[-1, 0, 1, -2, 2], [2, -2, 0, -1, 1]])
    asked = shot(order, decoy_x=pack(own[0]), decoy_p=pack(own[1]))
    weights, decoys = transmitter.send(asked)
    x = np.concatenate([ROWS.x, own[0][::-1]])
    for light, line in zip(port.lights, order, strict=True):
        np.testing.assert_array_equal(np.frombuffer(light.x).reshape(5, 5), x[line])
    assert weights.count == 2 * 3 * 5 and weights.yy == 15 * (1 + 4)
    assert decoys.count.tolist() == [4] * 5 and decoys.yy.tolist() == [2 * (1 + 4)] * 5


def test_mixed_slots_are_sent_and_undone_in_the_sums():
    """The light returns as it came, so the sums are those of the rows and of the decoys."""
    own = RNG.normal(size=(2, 2, 5))
    order = Order.draw(np.arange(-2, 3), 2, True, np.random.default_rng(5))

    class Mirror(Port):
        def send(self, lights):
            for light in lights:
                measured = light.measure_p[0]
                assert set(light.measure_p) == {measured}, "a mixing needs one quadrature"
                self.lights.append(light)
                yield pb.Record(values=light.p if measured else light.x)

    transmitter = SymbolTransmitter(port := Mirror(), np.random.default_rng(6))
    transmitter.hold("w", ROWS)
    weights, decoys = transmitter.send(shot(order, decoy_x=pack(own[0]), decoy_p=pack(own[1])))
    x = np.concatenate([own[0][::-1], ROWS.x])
    for repetition, light in enumerate(port.lights):
        np.testing.assert_allclose(
            np.frombuffer(light.x).reshape(5, 5), order.played_rows(repetition, x)
        )
    chosen = [light.measure_p[0] for light in port.lights]
    of_rows = sum(np.sum((ROWS.x, ROWS.p)[c] ** 2) for c in chosen)
    of_decoys = sum(np.sum(own[c] ** 2, axis=0) for c in chosen)
    assert (weights.qq, weights.qy, weights.yy) == pytest.approx((of_rows,) * 3)
    for sums in (decoys.qq, decoys.qy, decoys.yy):
        np.testing.assert_allclose(sums, of_decoys)


def test_sums_of_other_modes_are_refused():
    sums = pb.Sums(count=1, qq=1.0, qy=1.0, yy=1.0)
    for returned, text in (
        (pb.Returned(weights=sums, modes=1 << 30, decoy_count=1), "speaks of 1073741824 modes"),
        (pb.Returned(weights=sums, modes=5, decoy_count=1), "has 0 bytes"),
        (pb.Returned(weights=pb.Sums(count=1, qq=-1.0)), "record is impossible"),
    ):
        transmitter = RepeatingTransmitter(Port(returned=returned))
        transmitter.hold("w", ROWS)
        with pytest.raises(ProtocolError, match=text):
            transmitter.send(shot())


def test_decoys_are_drawn_by_their_seed_or_taken_from_the_shot():
    seed, other = bytes(range(32)), bytes(32)
    order = np.array([[-1, 0, 1, -2, 2], [2, -2, 0, -1, 1]])
    x, p = decoys_of(shot(order, decoys=2, decoy_seed=seed), ROWS)
    assert x.shape == p.shape == (2, 5)
    np.testing.assert_array_equal(decoys_of(shot(order, decoys=2, decoy_seed=seed), ROWS)[0], x)
    assert not np.allclose(decoys_of(shot(order, decoys=2, decoy_seed=other), ROWS)[0], x)
    many, _ = decoys_of(shot(order, decoys=4000, decoy_seed=seed), ROWS)
    mean = np.mean([ROWS.x**2, ROWS.p**2])
    assert np.mean(many**2) / mean == pytest.approx(1, abs=0.6)
    assert [len(each) for each in decoys_of(shot(order), ROWS)] == [0, 0]
    with pytest.raises(ProtocolError, match=r"decoys × modes = .* is outside"):
        decoys_of(shot(order, decoys=1 << 30, decoy_seed=seed), ROWS)
    port = Port([record(5, 1.0), record(5, 2.0)])
    transmitter = SymbolTransmitter(port, RNG)
    transmitter.hold("w", ROWS)
    transmitter.send(shot(order, decoys=2, decoy_seed=seed))
    everything = np.concatenate([ROWS.x, x[::-1]])
    np.testing.assert_array_equal(
        np.frombuffer(port.lights[0].x).reshape(5, 5), everything[order[0]]
    )
