"""A server whose light goes through a node, here of the bit-true models, with a fibre behind it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.model import ModelDevice
from shotveil.host.devices.node import Node
from shotveil.host.parties.calibration import ServerCalibration
from shotveil.host.parties.node_transmitter import NodeTransmitter
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import ProtocolError, Refusal, pack
from shotveil.host.verification.estimation import Calibration
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import Arm, DriveSpec
from shotveil.models.link.encoding import EncodedRows
from shotveil.models.node.light import LEAD_IN, layout_of, parts_of
from shotveil.models.node.spec import NodeSpec
from shotveil.models.waveform.delay import Delay
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.optics import Optics
from shotveil.sim.loop.live import Table

MODES, ROWS, DECOYS = 40, 12, 4
FULL_SCALE = 24.0
TRANSMITTANCE = 0.7
SCALE = 1 << 14  # of the receiver: 256 steps per √SNU
UNIT = 2.0**11  # raw units of a symbol per √SNU
RNG = np.random.default_rng(2)
WEIGHTS, DRAWN = (
    EncodedRows(*RNG.normal(scale=4.0, size=(2, number, MODES)), scale=1.0)
    for number in (ROWS, DECOYS)
)
CALIBRATION = ServerCalibration(
    receiver=Calibration(UNIT**2, 0.0, 10**6, 10**6, (SCALE, SCALE), 2),
    arms=(Arm(), Arm()),
    full_scale=FULL_SCALE,
    delay=0,
)


class Fibre:
    """Out and back through loss, with vacuum; a frame later, as behind a client that does nothing.

    `hidden` frames, counted from the first, are blocked: the receiver cannot find them.
    """

    def __init__(self, modes=MODES, hidden=()):
        spec, layout = NodeSpec(), layout_of(modes)
        table = Table(1.3, FULL_SCALE, Impairments(transmittance_out=TRANSMITTANCE))
        setup = table.setup(spec, NodeSpec("client"), layout, 0)
        straight = np.zeros((2, modes))
        self.optics = Optics(setup, Mesh(straight, straight), np.random.default_rng(3))
        self.period, self.delay = setup.period, Delay(setup.period)
        self.hidden, self.frames = set(hidden), 0

    def __call__(self, codes):
        light = self.optics.modulate(codes)
        if codes.shape[1] == self.period:
            if self.frames in self.hidden:
                light = np.zeros_like(light)
            self.frames += 1
        return self.optics.way_back(self.delay(self.optics.way_out(light)))


def transmitter(fibre=None, calibration=CALIBRATION, role="server"):
    node = Node(ModelDevice(NodeSpec(role), (fibre or Fibre()) if role == "server" else None))
    made = NodeTransmitter(lambda: node, np.random.default_rng(4), calibration)
    made.hold("w", WEIGHTS)
    return made


def shot(slots, drawn=DRAWN):
    """A part with weights s ≥ 0, and with decoys of `drawn`: −1 − d is the d-th."""
    own = [-1 - s for s in slots if s < 0]
    order = [s if s >= 0 else -1 - own.index(-1 - s) for s in slots]
    return pb.Shot(
        version=4,
        images=1,
        weights="w",
        order=Order(np.array([order]), np.ones((1, len(order)), int), False).to_bytes(),
        decoy_x=pack(drawn.x[own]),
        decoy_p=pack(drawn.p[own]),
        decoy_peak=float(max(np.abs(drawn.x).max(), np.abs(drawn.p).max())),
    )


def test_parts_are_alike_and_hold_every_row_once():
    light = transmitter()
    plan = parts_of(ROWS, MODES, DECOYS, DriveSpec())
    assert plan.slots * MODES <= DriveSpec().row_capacity
    where = set()
    for _ in range(20):
        parts = list(light.parts(WEIGHTS, DECOYS, 1, 0))
        lengths = {part.stop - part.first + len(part.decoys) for part in parts}
        assert lengths == {plan.slots} and len(parts) == plan.weights + plan.decoys
        rows = [row for part in parts for row in range(part.first, part.stop)]
        assert rows == list(range(ROWS))
        decoys = [d for part in parts for d in part.decoys]
        assert len(set(decoys)) == len(decoys) <= DECOYS and set(decoys) <= set(range(DECOYS))
        alone = [n for n, part in enumerate(parts) if part.first == part.stop]
        assert len(alone) == plan.decoys
        where.update(alone)
    # Anywhere, or the client could tell.
    assert where == set(range(plan.weights + plan.decoys))


@pytest.mark.parametrize("rows", [1, 10, 97, 784])
@pytest.mark.parametrize("modes", [1, 12, 392, 4096])
@pytest.mark.parametrize("rate", [1 / 16, 0.3, 1.0])
def test_plans_hold_all_rows_within_the_declared_decoys(rows, modes, rate):
    decoys = math.ceil(rate * rows)
    plan = parts_of(rows, modes, decoys, DriveSpec())
    assert 1 <= plan.slots <= 4096 // modes and plan.decoys >= 1
    assert plan.weights * plan.slots >= rows > (plan.weights - 1) * plan.slots
    assert (plan.weights + plan.decoys) * plan.slots <= rows + decoys
    assert plan.frames == (plan.weights + plan.decoys) * (LEAD_IN + plan.slots)


def test_sums_of_weights_and_of_decoys_show_the_channel_in_shot_noise_units():
    light = transmitter()
    order = [2, 0, 1, 3, -2]
    weights, none = light.send(shot(order))
    assert none is None and weights.count == 5 * 2 * MODES
    rows = np.concatenate([WEIGHTS.x[[2, 0, 1, 3]], WEIGHTS.p[[2, 0, 1, 3]], DRAWN.x[[1]],
                           DRAWN.p[[1]]])  # fmt: skip
    assert weights.qq == pytest.approx(np.sum(rows**2), rel=1e-3)
    # The receiver has half of the light for either quadrature.
    slope = math.sqrt(TRANSMITTANCE / 2)
    assert weights.slope == pytest.approx(slope, abs=5 / math.sqrt(weights.qq))
    assert weights.residual / weights.count == pytest.approx(1, abs=5 * math.sqrt(2 / 400))
    empty, decoys = light.send(shot([-1, -2, -3, -4]))
    assert empty.count == 0 and decoys.count.tolist() == [8] * MODES
    np.testing.assert_allclose(
        decoys.qq, np.sum(DRAWN.x**2 + DRAWN.p**2, axis=0), rtol=0.01, atol=0.01
    )
    pooled = decoys.pooled()
    assert pooled.slope == pytest.approx(slope, abs=5 / math.sqrt(pooled.qq))
    assert pooled.residual / pooled.count == pytest.approx(1, abs=5 * math.sqrt(2 / 320))


def test_light_that_cannot_be_read_counts_as_lost():
    light = transmitter(Fibre(hidden=[LEAD_IN + 1]))
    weights, _ = light.send(shot([0, 1, 2, 3]))
    assert weights.count == 4 * 2 * MODES
    sent = np.sum(WEIGHTS.x[:4] ** 2 + WEIGHTS.p[:4] ** 2, axis=1)
    seen = math.sqrt(TRANSMITTANCE / 2) * (1 - sent[1] / sent.sum())
    assert weights.slope == pytest.approx(seen, abs=5 / math.sqrt(weights.qq))
    _, decoys = transmitter(Fibre(hidden=[LEAD_IN])).send(shot([-1, -2]))
    assert decoys.count.tolist() == [4] * MODES
    sent = np.sum(DRAWN.x[:2] ** 2 + DRAWN.p[:2] ** 2, axis=1)
    seen = math.sqrt(TRANSMITTANCE / 2) * (1 - sent[0] / sent.sum())
    pooled = decoys.pooled()
    assert pooled.slope == pytest.approx(seen, abs=5 / math.sqrt(pooled.qq))


def test_modes_that_share_sums_share_them_evenly():
    modes = 520  # of 512 words
    light = transmitter(Fibre(modes))
    rows = EncodedRows(*np.random.default_rng(5).normal(scale=4, size=(2, 2, modes)), scale=1.0)
    light.hold("w", rows)
    _, decoys = light.send(shot([-1, -2], rows))
    assert decoys.count.tolist() == [4] * modes
    power = np.sum(rows.x**2 + rows.p**2, axis=0).reshape(-1, 2).mean(axis=1).repeat(2)
    np.testing.assert_allclose(decoys.qq, power, rtol=0.01)
    pooled = decoys.pooled()
    assert pooled.slope == pytest.approx(math.sqrt(TRANSMITTANCE / 2), abs=5 / math.sqrt(pooled.qq))


def test_what_a_node_cannot_do_is_refused_before_any_light():
    light = transmitter()
    with pytest.raises(ProtocolError, match=r"images of a batch = 4, checks = 0; allowed: 1 and 0"):
        next(light.parts(WEIGHTS, DECOYS, 4, 0))
    bright = EncodedRows(np.full((1, MODES), 24.5), np.zeros((1, MODES)), 1.0)
    with pytest.raises(ProtocolError, match=r"24\.5 √SNU; allowed: \[0, 24\], the full scale"):
        light.hold("bright", bright)
    long = EncodedRows(np.ones((1, 5000)), np.ones((1, 5000)), 1.0)
    with pytest.raises(ProtocolError, match="modes of a row = 5000"):
        light.hold("long", long)
    with pytest.raises(RangeError, match="is a client's; allowed: a server's"):
        transmitter(role="client")


def test_all_parts_of_a_layer_have_one_scale():
    """That of the largest decoy of the layer, whether or not it is in the part."""
    sets = []

    class Watched(Node):
        def configure(self, drive, *others, **more):
            sets.append(drive.scale)
            super().configure(drive, *others, **more)

    node = Watched(ModelDevice(NodeSpec(), Fibre()))
    light = NodeTransmitter(lambda: node, np.random.default_rng(4), CALIBRATION)
    light.hold("w", WEIGHTS)
    drawn = EncodedRows(np.concatenate([DRAWN.x, [[20.0] + [0.0] * (MODES - 1)]]),
                        np.concatenate([DRAWN.p, [[0.0] * MODES]]), 1.0)  # fmt: skip
    for slots in ([0, 1], [-1, -2], [-1 - DECOYS, 2]):
        light.send(shot(slots, drawn))
    assert len(sets) == 1 and sets[0] == pytest.approx(20 / 24, rel=0.01)
    loud = EncodedRows(1.5 * drawn.x, drawn.p, 1.0)
    with pytest.raises(ProtocolError, match=r"largest quadrature = 30 √SNU; allowed: \[0, 24\]"):
        light.send(shot([0, 1], loud))


KEEPING = NodeSpec(store=1 << 15)
QUIET, LOUD = (EncodedRows(factor * DRAWN.x, factor * DRAWN.p, 1.0) for factor in (0.5, 1.5))


def sent_through(spec, drawn=QUIET, watch=lambda node: None):
    """The sums of two images' parts, through a node that may keep rows."""
    node = Node(ModelDevice(spec, Fibre()))
    watch(node)
    light = NodeTransmitter(lambda: node, np.random.default_rng(4), CALIBRATION)
    light.hold("w", WEIGHTS)
    plan = list(light.parts(WEIGHTS, DECOYS, 1, 0))
    found = []
    for batch in range(2):
        request = pb.LayerRequest(session="s", batch=batch, layer=0)
        light.expect(request, "w", plan, drawn)
        for number, part in enumerate(plan):
            names = [*range(part.first, part.stop), *(-1 - d for d in part.decoys)]
            order = list(np.random.default_rng(number).permutation(names))
            one = shot(order, drawn)
            one.session, one.batch, one.part = "s", batch, number
            # The part's decoys come in the part's order, whatever the slots'.
            own = list(part.decoys)
            one.decoy_x, one.decoy_p = pack(drawn.x[own]), pack(drawn.p[own])
            order = [n if n >= 0 else -1 - own.index(-1 - n) for n in order]
            one.order = Order(np.array([order]), np.ones((1, len(order)), int), False).to_bytes()
            found.append(light.send(one))
    return found


def watched(calls):
    """Note what a node is asked to load and to play."""

    def watch(node):
        for name in ("load_rows", "play", "play_slots"):
            own = getattr(node, name)
            setattr(node, name, lambda *a, n=name, own=own, **m: (calls.append((n, len(a[0]))),
                                                                   own(*a, **m))[1])  # fmt: skip

    return watch


def as_lists(sums):
    return [[None if s is None else [np.asarray(v).tolist() for v in vars(s).values()]
             for s in pair] for pair in sums]  # fmt: skip


def test_rows_that_stay_give_the_sums_of_rows_that_come():
    """Weights are loaded once, the decoys of all parts before the first part of each image."""
    calls = []
    kept = sent_through(KEEPING, watch=watched(calls))
    assert as_lists(kept) == as_lists(sent_through(NodeSpec()))
    loads = [(n, call) for n, call in enumerate(calls) if call[0] == "load_rows"]
    parts = (len(calls) - len(loads)) // 2
    drawn = loads[1][1][1]
    assert [call for _, call in loads] == [("load_rows", ROWS), *[("load_rows", drawn)] * 2]
    # No load between two parts, or a client could tell from the pause what the next one holds.
    assert [n for n, _ in loads] == [0, 1, 2 + parts] and drawn <= DECOYS
    assert {call[0] for call in calls} == {"load_rows", "play_slots"}
    assert len({call[1] for call in calls if call[0] == "play_slots"}) == 1


@pytest.mark.parametrize(
    ("spec", "drawn"),
    [
        (NodeSpec(), QUIET),
        (NodeSpec(drive=DriveSpec(row_capacity=256), store=256), QUIET),
        (KEEPING, LOUD),
    ],
    ids=["no store", "too small a store", "another scale"],
)
def test_rows_come_as_before_where_they_cannot_stay(spec, drawn):
    """A decoy beyond the largest weight changes the scale, and with it the symbols of weights."""
    calls = []
    found = sent_through(spec, drawn, watched(calls))
    assert as_lists(found) == as_lists(sent_through(replace(spec, store=0), drawn))
    assert {name for name, _ in calls} == {"play"}


def test_a_memory_that_gives_no_rows_is_not_asked_again():
    """As that of a board whose program found no room for rows; the next image's rows are sent."""
    calls = []
    node = Node(ModelDevice(KEEPING, Fibre()))
    watched(calls)(node)
    own, spoilt = node.play_slots, frozenset({"store_unreadable"})
    node.play_slots = lambda *a, **m: replace(own(*a, **m), spoilt=spoilt)
    light = NodeTransmitter(lambda: node, np.random.default_rng(4), CALIBRATION)
    light.hold("w", WEIGHTS)
    plan = list(light.parts(WEIGHTS, DECOYS, 1, 0))
    for batch in range(2):
        light.expect(pb.LayerRequest(session="s", batch=batch, layer=0), "w", plan, QUIET)
        one = shot([0, 1])
        one.session, one.batch, one.part = "s", batch, 0
        if batch:
            light.send(one)
            continue
        with pytest.raises(ProtocolError, match="stopped early: store_unreadable"):
            light.send(one)
    assert [name for name, _ in calls] == ["load_rows", "load_rows", "play_slots", "play"]


def test_a_layer_of_another_session_is_not_taken_for_the_one_that_was_prepared():
    calls = []
    node = Node(ModelDevice(KEEPING, Fibre()))
    watched(calls)(node)
    light = NodeTransmitter(lambda: node, np.random.default_rng(4), CALIBRATION)
    light.hold("w", WEIGHTS)
    plan = list(light.parts(WEIGHTS, DECOYS, 1, 0))
    light.expect(pb.LayerRequest(session="s", batch=3, layer=0), "w", plan, QUIET)
    other = shot([0, 1])
    for session, batch in (("t", 3), ("s", 4)):
        other.session, other.batch = session, batch
        light.send(other)
    assert [name for name, _ in calls] == ["load_rows", "load_rows", "play", "play"]
    # Rows of which the link is told to forget are loaded again.
    light.hold("v", WEIGHTS)
    light.drop(pb.Dropped(keys=["v"]))
    light.expect(pb.LayerRequest(session="s", batch=5, layer=0), "w", plan, QUIET)
    light.drop(pb.Dropped(keys=["w"]))
    light.hold("w", WEIGHTS)
    light.expect(pb.LayerRequest(session="s", batch=6, layer=0), "w", plan, QUIET)
    assert [size for name, size in calls[4:] if name == "load_rows"][1] == ROWS


def test_a_node_that_is_lost_is_refused_and_looked_for_again():
    opened = []

    class Dying(ModelDevice):
        def receive(self, port, count):
            if len(opened) == 1:
                raise DeviceError("no answer from the device")
            return super().receive(port, count)

    def reach():
        opened.append(Node(Dying(NodeSpec(), Fibre())))
        return opened[-1]

    light = NodeTransmitter(reach, np.random.default_rng(4), CALIBRATION)
    light.hold("w", WEIGHTS)
    with pytest.raises(ProtocolError, match="the server's node: no answer") as lost:
        light.send(shot([0, 1]))
    assert lost.value.refusal is Refusal.UNAVAILABLE
    weights, _ = light.send(shot([0, 1]))
    assert len(opened) == 2 and weights.count == 2 * 2 * MODES


def test_a_calibrated_offset_is_there_from_the_first_symbol():
    """An offset that the receiver starts with and the light does not have shows as noise."""
    still, _ = transmitter().send(shot([0, 1]))
    known = ServerCalibration(**{**vars(CALIBRATION), "offset": (256 << 22, 0)})  # of 1 √SNU
    off, _ = transmitter(calibration=known).send(shot([0, 1]))
    each = (off.residual - still.residual) / off.count
    assert 0.3 < each < 0.7  # 1 SNU in one of the two quadratures, hardly measured away yet
