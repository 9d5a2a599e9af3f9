"""The compiled gateware of both nodes in the loop, against the bit-true models."""

import time
from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.devices.node import Node
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import registers
from shotveil.models.link.encoding import directions
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network
from shotveil.models.node.chain import NodeSetup
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.loop import rtl
from shotveil.sim.loop.session import Loop, infer
from shotveil.sim.loop.settings import realistic

pytest.importorskip("shotveil.sim.loop.node_device")


def test_gateware_and_models_agree_in_every_bit_around_the_loop():
    weights = load_network("mnist-paper").layers[0].weights[:12]
    loop = Loop(Network("part", (Layer(weights),)), realistic(1.3, 2.4))
    image = load_mnist(None, "test")[0][:1]
    (xi,), norms = directions(image)
    got = rtl.play(loop, 0, xi, np.random.default_rng(1), record=True)
    assert got.server.rows_sent == 12
    assert got.server.counters["frames_matched"] == 12
    found = rtl.agreement(loop, 0, xi, got)
    assert found.complete, found
    # A bit less in one of them, and they would not.
    got.server.session[0, 4] ^= 1
    assert not rtl.agreement(loop, 0, xi, got).sums
    # From the same seed the models get the same light, and make the same of it.
    records = loop.records(40)
    got = rtl.play(loop, 0, xi, np.random.default_rng(2), records.offsets[0])
    own = loop.play(0, xi, records, np.random.default_rng(2))
    assert np.array_equal(got.server.session, own.sums.sum(axis=0))
    assert np.array_equal(got.values, own.client.received.inference[0][-12:])
    # And it is the inner products that the client reads.
    link = loop.settings.link
    factor = np.sqrt(link.client_detector.efficiency * link.transmittance_out * (link.gain - 1))
    carried = factor * loop.layers[0].scale * weights @ image[0] / norms[0]
    unit = 2.0**loop.settings.client.symbol.fraction
    error = (got.values / unit - carried) / factor
    assert np.mean(error**2) < 4 * link.inference_noise
    assert np.mean(carried**2) / factor**2 > link.inference_noise


def short_loop():
    weights = load_network("mnist-paper").layers[0].weights[:3]
    loop = Loop(Network("part", (Layer(weights),)), realistic(1.3, 2.4))
    (xi,), _ = directions(load_mnist(None, "test")[0][:1])
    return loop, xi


def test_rows_that_stay_at_the_node_give_what_streamed_rows_give():
    """Two layers, two images: each is loaded once, and played again from where it lies."""
    rng = np.random.default_rng(6)
    shapes = (11, 784), (3, 11)
    layers = tuple(Layer(rng.normal(size=shape).astype(np.float32)) for shape in shapes)
    loop = Loop(Network("part", layers), realistic(1.3, 2.4))
    images = load_mnist(None, "test")[0][:2]
    records, streamed = loop.records(4), Loop(loop.network, replace(loop.settings, store=0))
    assert [rtl.node_specs(each)["server"].store for each in (loop, streamed)] == [1 << 20, 0]
    assert rtl.keeper_of(streamed) is None
    played, loaded, sent = [], [], []
    with pytest.MonkeyPatch.context() as patch:
        for name, seen in (("play_slots", played), ("load_rows", loaded), ("play", sent)):
            own = getattr(Node, name)
            patch.setattr(
                Node, name, lambda *a, own=own, seen=seen, **k: (seen.append(a[1]), own(*a, **k))[1]
            )
        got = infer(loop, images, records, player=rtl.player(loop))
    own = infer(loop, images, records)
    assert [len(rows) for rows in loaded] == [11, 3] and not sent
    assert [list(slots) for slots in played] == [
        list(range(0, 11 * 392, 392)), [11 * 392 + 6 * k for k in range(3)],
    ] * 2  # fmt: skip
    np.testing.assert_array_equal(got.outputs, own.outputs)
    for ours, theirs in zip(got.sums, own.sums, strict=True):
        whole = theirs.reshape(2, -1, *theirs.shape[1:]).sum(axis=1)
        np.testing.assert_array_equal(ours, whole)


def test_a_layer_that_does_not_fit_the_store_is_streamed(monkeypatch):
    """The store holds ten rows of the first layer, which has eleven; the second has room."""
    rng = np.random.default_rng(6)
    shapes = (11, 784), (3, 11)
    layers = tuple(Layer(rng.normal(size=shape).astype(np.float32)) for shape in shapes)
    loop = Loop(Network("part", layers), realistic(1.3, 2.4))
    monkeypatch.setattr(Node, "room_behind", lambda node, behind=None: 10 * 392)
    keeper = rtl.Keeper(loop)
    first, second = keeper.stored
    assert first is None and (second.first, second.count, second.row) == (0, 3, 6)
    records = loop.records(4)
    for number, rows in enumerate((11, 3)):
        xi, _ = directions(rng.normal(size=(1, shapes[number][1])))
        got = rtl.play(
            loop, number, xi[0], np.random.default_rng(3), records.offsets[number], keeper=keeper
        )
        own = loop.play(number, xi[0], records, np.random.default_rng(3))
        np.testing.assert_array_equal(got.server.session, own.sums.sum(axis=0))
        assert got.server.rows_sent == rows


@pytest.mark.parametrize(("columns", "samples"), [(784, 4), (784, 2), (3136, 4)])
def test_blocks_with_stored_rows_are_as_long_as_the_replay_allows(columns, samples):
    weights = np.random.default_rng(1).normal(size=(1, columns)).astype(np.float32)
    loop = Loop(Network("one", (Layer(weights),)), realistic(2.0, 1.0).with_samples(samples))
    light = loop.layers[0]
    far, near = rtl.blocks_of(light, stored=True)
    assert near == light.setup.period - rtl.ANSWER and far % near == 0
    setup, replay = light.setup, NodeSpec.replay * samples
    held = setup.to_server + far + 2 * setup.period
    assert held <= replay < held + near
    assert rtl.node_specs(loop)["server"].replay == NodeSpec.replay


@pytest.mark.parametrize(("columns", "replay"), [(784, 8192), (6145, 16_384)])
def test_the_server_keeps_its_rows_until_their_light_is_back(columns, replay):
    weights = np.random.default_rng(1).normal(size=(1, columns)).astype(np.float32)
    loop = Loop(Network("long", (Layer(weights),)), realistic(2.0, 1.0))
    specs = rtl.node_specs(loop)
    assert specs["server"].replay == replay and specs["client"].replay == NodeSpec.replay
    light = loop.layers[0]
    setup = NodeSetup(
        registers(loop.settings.drive, light.drive),
        light.server,
        loop_delay=light.setup.to_server + rtl.blocks_of(light)[0],
    )
    setup.validate(specs["server"])


@pytest.mark.parametrize("slow", ["server", "client"])
def test_nodes_wait_for_each_other_before_the_light_comes(slow, monkeypatch):
    loop, xi = short_loop()
    own = loop.play(0, xi, loop.records(4), np.random.default_rng(3))
    configure = Node.configure

    def late(node, *arguments, **more):
        if node.spec.role == slow:
            time.sleep(0.5)
        return configure(node, *arguments, **more)

    monkeypatch.setattr(Node, "configure", late)
    monkeypatch.setattr(rtl, "PATIENCE", 20.0)
    got = rtl.play(loop, 0, xi, np.random.default_rng(3))
    assert np.array_equal(got.values, own.client.received.inference[0][-3:])


def test_a_client_that_gets_no_more_light_fails_at_once(monkeypatch):
    loop, xi = short_loop()
    play = Node.play
    monkeypatch.setattr(Node, "play", lambda node, rows, **how: play(node, rows, grant=1))
    started = time.monotonic()
    with pytest.raises(rtl.ClientFailed, match="light ended after 33 of 35 frames") as failed:
        rtl.play(loop, 0, xi, np.random.default_rng(3))
    assert failed.value.server.rows_sent == 1
    assert time.monotonic() - started < rtl.PATIENCE / 2


@pytest.mark.parametrize("failing", ["server", "client"])
def test_a_node_that_cannot_be_set_up_fails_at_once(failing, monkeypatch):
    loop, xi = short_loop()
    configure = Node.configure

    def wrong(node, *arguments, **more):
        if node.spec.role == failing:
            raise RangeError(f"{failing} is broken")
        return configure(node, *arguments, **more)

    monkeypatch.setattr(Node, "configure", wrong)
    started = time.monotonic()
    with pytest.raises(RangeError, match=f"{failing} is broken"):
        rtl.play(loop, 0, xi, np.random.default_rng(3))
    assert time.monotonic() - started < rtl.PATIENCE / 2


def test_light_is_the_same_whatever_its_blocks(monkeypatch):
    loop, xi = short_loop()
    got = [rtl.play(loop, 0, xi, np.random.default_rng(4))]
    monkeypatch.setattr(rtl, "FAR", 1500)
    monkeypatch.setattr(rtl, "ANSWER", 500)
    got.append(rtl.play(loop, 0, xi, np.random.default_rng(4)))
    assert np.array_equal(got[0].values, got[1].values)
    assert np.array_equal(got[0].server.session, got[1].server.session)
    # A client that answers too late is another one.
    monkeypatch.setattr(rtl, "ANSWER", 0)
    late = rtl.play(loop, 0, xi, np.random.default_rng(4))
    assert not np.array_equal(got[0].values, late.values)
