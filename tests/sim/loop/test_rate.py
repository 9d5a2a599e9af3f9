"""The projected rate, against what the gateware counts and what the wire carries."""

import numpy as np
import pytest

from shotveil.models.host_link.packet import MAX_WORDS
from shotveil.models.networks.network import Network, load_network
from shotveil.models.node.ports import WritePort
from shotveil.models.node.spec import CLOCK_HZ, NodeSpec
from shotveil.sim.loop import rate
from shotveil.sim.loop.attacks import probe
from shotveil.sim.loop.rate import HostLinkRate, placed_clock, project, received_bytes, sent_bytes
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import realistic

PLACED = {"node server": {"mhz": [140.0, 131.0]}, "node client": {"mhz": [128.0, 150.0]}}


@pytest.fixture(scope="module")
def loop():
    return Loop(load_network("mnist-paper"), realistic(1.3, 2.4))


def test_the_slower_node_sets_the_clock_and_converters_limit_it():
    fast = placed_clock({"ecp5": PLACED})
    assert fast.hertz == CLOCK_HZ and "node client placed at 128 MHz" in fast.source
    slow = {**PLACED, "node server": {"mhz": [118.5, 131.0]}}
    assert placed_clock({"ecp5": slow}).hertz == 118.5e6
    assert placed_clock({"ecp5": PLACED}, clock_hz=62_500_000).hertz == 62.5e6
    two = {"node server, 2 samples": {"mhz": [99.0]}, "node client, 2 samples": {"mhz": [120.0]}}
    assert placed_clock({"ecp5": {**PLACED, **two}}, 2).hertz == 99e6
    alone = placed_clock({"ecp5": {"node server": PLACED["node server"]}})
    assert alone.hertz == CLOCK_HZ and "node client not placed" in alone.source


def test_words_on_the_wire_cost_their_packets():
    assert sent_bytes(0) == received_bytes(0) == 0
    # Header, CRC, delimiter, and at least one byte of stuffing.
    assert sent_bytes(1) == 4 + 6 + 4 + 1 + 1
    assert received_bytes(1) == 4 + 8 + 4 + 1 + 1
    many = 10 * MAX_WORDS + 7
    assert sent_bytes(many) == 10 * sent_bytes(MAX_WORDS) + sent_bytes(7)
    assert 1.01 < sent_bytes(MAX_WORDS) / (4 * MAX_WORDS) < 1.02


def test_without_a_link_in_the_way_light_is_what_takes_the_time(loop):
    clock = placed_clock({"ecp5": PLACED})
    found = project(loop, rate.UNLIMITED, clock)
    light = sum((layer.rows + 32) * 1728 for layer in loop.network.layers) / CLOCK_HZ
    assert light < 1 / found.images_a_second < 1.03 * light
    assert found.bound.startswith("the frames of light") and found.feasible
    slower = project(loop, rate.UNLIMITED, rate.Clock(CLOCK_HZ / 2, "half"))
    assert slower.images_a_second == pytest.approx(found.images_a_second / 2)


def test_a_slow_link_stretches_the_frames_as_far_as_guards_go(loop):
    clock = placed_clock({"ecp5": PLACED})
    found = {link: project(loop, HostLinkRate("", link), clock) for link in (5e7, 3e5)}
    assert all(p.bound.startswith("the host link") for p in found.values())
    assert found[5e7].feasible and not found[3e5].feasible
    rows = sum(layer.rows * sent_bytes(layer.modes) for layer in loop.network.layers)
    for link, p in found.items():
        assert p.seconds_of("rows") == pytest.approx(rows / link, rel=1e-3)
        assert 1 / p.images_a_second > rows / link


def test_clocks_are_those_that_the_gateware_takes():
    pytest.importorskip("shotveil.sim.loop.node_device")
    from shotveil.gateware.node.chain import NodeCore

    for role in ("server", "client"):
        spec = NodeSpec(role)
        cleared = rate.CLEARING * spec.digitiser.modes
        assert NodeCore(spec).restart_clocks == pytest.approx(cleared, rel=0.01)
    loop = Loop(Network("short", (probe(24, 20),)), realistic(1.3, 2.4))
    found = rate.counted(loop, loop.records(40), rows=8)
    assert found.frames == loop.settings.lead_in + 8
    assert found.periods == (loop.layers[0].setup.period,)
    # The host's questions come on top: their answers are a block of clocks away each.
    assert found.projected < found.tail < 2.5 * found.projected


def test_a_receiver_searches_again_when_the_projection_says(loop):
    """Against the models, which the gateware equals."""
    from shotveil.models.digitiser import chain

    short = Loop(Network("short", (probe(24, 20),)), realistic(1.3, 2.4))
    light = short.layers[0]
    xi = np.zeros(24, np.complex128)
    xi[0] = 1
    _, _, words = short._light_of(0, xi, np.random.default_rng(1))
    period = light.setup.period
    end = light.starts[-1] + light.setup.to_server + period
    words = np.concatenate([words, np.zeros((2, 8 * period), np.int64)], axis=1)
    q = np.pad(light.q, ((0, 0), (0, 8 * 24)))  # a receiver goes on by the clock for some frames
    frames = chain.model(short.settings.server, light.server, words, q).frames
    # Lost frames go on for as long as the receiver is patient.
    last = frames[-1].start + light.setup.period
    settled = rate.settling(period, short.settings.server.delay)
    assert end < last < end + settled < last + 2 * period


def test_shares_of_the_time_are_those_of_steps_and_frames(loop):
    clock = rate.Clock(CLOCK_HZ, "given")
    found = project(loop, rate.UNLIMITED, clock)
    assert sum(found.shares.values()) == pytest.approx(1)
    # Of 432 symbols of a frame, 392 are the row's; of 794 rows and 64 other frames, the rows.
    frames = (794 + 64) * 1728 / CLOCK_HZ * found.images_a_second
    assert found.shares["row"] == pytest.approx(frames * 794 / 858 * 392 / 432)
    assert found.shares["preamble"] == pytest.approx(found.shares["row"] * 16 / 392)
    paced = project(loop, HostLinkRate("", 5e7), clock)
    assert sum(paced.shares.values()) == pytest.approx(1)
    assert paced.shares["guard"] > 0.4 > 0.1 > found.shares["guard"]


def test_half_the_samples_a_symbol_take_about_half_the_time(loop):
    two = Loop(loop.network, loop.settings.with_samples(2))
    clock = rate.Clock(CLOCK_HZ, "given")
    found = [project(each, rate.UNLIMITED, clock).images_a_second for each in (loop, two)]
    assert found[1] > 150  # floor
    assert found[1] / found[0] == pytest.approx(1728 / 880, rel=0.01)


def test_images_of_a_batch_share_what_comes_before_and_after_their_rows(loop):
    clock = rate.Clock(CLOCK_HZ, "given")
    one, many = (project(loop, rate.LINKS[0], clock, images) for images in (1, 10))
    for name in one.layers[0].steps:
        share = 1 if name in ("angles", "slots", "rows") else 10
        assert one.seconds_of(name) == pytest.approx(share * many.seconds_of(name))


def test_a_network_at_the_node_needs_its_slots_and_the_sums_of_the_session(loop):
    clock = rate.Clock(CLOCK_HZ, "given")
    limit = project(loop, rate.UNLIMITED, clock)
    for link in (5.3e7, 3e5):
        found = project(loop, HostLinkRate("", link), clock, stored=True)
        assert found.feasible and found.stored
        assert [layer.paced for layer in found.layers] == [layer.period for layer in limit.layers]
        sums = received_bytes(2 * 20 * 16) / link  # 20 words of 16 sums
        angles = [sent_bytes(layer.modes) / link for layer in loop.network.layers]
        # The second layer's ten slots are there before the client's angles are.
        slots = sent_bytes(784, WritePort.SLOTS) / link - angles[0]
        extra = 2 * sums + sum(angles) + slots
        assert 1 / found.images_a_second == pytest.approx(
            1 / limit.images_a_second + extra, rel=1e-3
        )
    assert found.images_a_second > 15  # floor of a serial port
    assert found.name == ", network at the node"
    assert project(loop, HostLinkRate("a", link), clock).name == "a"


def test_every_link_is_projected_both_ways(loop):
    found = rate.projections(loop)
    assert [(p.link, p.stored) for p in found] == [
        (rate.UNLIMITED, False),
        *((link, stored) for link in rate.LINKS for stored in (True, False)),
    ]
    assert sum(found[1].shares.values()) == pytest.approx(1)
