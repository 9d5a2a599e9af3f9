"""The loop on the bit-true models: its floors, at the smallest size that shows them."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import directions
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import chain
from shotveil.sim.loop.session import Loop, channel, infer, verified
from shotveil.sim.loop.settings import LoopSettings, realistic

GAIN, F2 = 1.3, 2.4


@pytest.fixture(scope="module")
def part():
    """The first rows of a trained layer, as a network of one layer."""
    weights = load_network("mnist-paper").layers[0].weights
    return Network("part", (Layer(weights[:100]),))


@pytest.fixture(scope="module")
def image():
    return load_mnist(None, "test")[0][:1]


def ideal(**more):
    return LoopSettings.of(Link(gain=GAIN, photons=1).with_f2(F2), **more)


def test_without_impairments_and_noise_nothing_is_lost_and_next_to_nothing_added(part, image):
    loop = Loop(part, ideal(vacuum=False))
    seen = infer(loop, image, loop.records())
    sums = verified(loop, seen, 0)
    assert sums.slope**2 * 2 == pytest.approx(1, abs=1e-4)  # floor: 1e-3
    assert sums.residual / sums.count * 2 < 2e-5  # of the floor's 5e-4
    np.testing.assert_allclose(seen.read[0], seen.carried[0], atol=0.02)


def test_excess_noise_of_the_ideal_loop_is_the_amplifiers(image):
    """At common noise: all but the amplifier's own cancels from the difference of two gains."""
    whole = Network("whole", load_network("mnist-paper").layers[:1])
    light = ideal().link
    seen = {}
    for gain in (GAIN, 1 + 1e-6):
        link = replace(light, gain=gain)
        # The client of tiny gain sees nothing: its reception is not asked for.
        loop = Loop(whole, LoopSettings.of(link))
        records = loop.records(40)
        xi, _ = directions(image)
        if gain == GAIN:
            played = loop.play(0, xi[0], records, np.random.default_rng(3))
            sums = played.sums
        else:
            sums = loop.returned(0, xi[0], records, np.random.default_rng(3)).sums.frames[-784:]
        seen[gain] = loop.statistics(0, sums, records)
    noise = {gain: s.residual / s.count for gain, s in seen.items()}
    difference = 2 * (noise[GAIN] - noise[1 + 1e-6])
    assert difference == pytest.approx(light.noise_quantum / 392, abs=5e-4)


def test_the_client_reads_with_the_noise_of_the_optics_model(part, image):
    loop = Loop(part, ideal())
    seen = infer(loop, np.repeat(image, 3, axis=0), loop.records(60))
    noise = (seen.read[0] - seen.carried[0]) / np.sqrt(GAIN - 1)
    expected = loop.settings.link.inference_noise
    assert noise.var() == pytest.approx(expected, rel=4 * np.sqrt(2 / noise.size))
    assert abs(noise.mean()) < 4 * np.sqrt(expected / noise.size)


def test_a_plan_with_patches_goes_through_the_loop():
    """Each patch is a run of its own, and the verifier counts it; sigmoid is the client's."""
    rng = np.random.default_rng(1)
    layers = Layer(rng.normal(size=(5, 40)), patches=3), Layer(rng.normal(size=(4, 15)))
    between = [
        [Operation("reshape", {"shape": [3, 40]})],
        [Operation("sigmoid"), Operation("reshape", {"shape": [15]})],
        [],
    ]
    plan = chain([layer.shape for layer in layers], between, (120,))
    network = Network("planned", layers, {}, plan)
    data = rng.random((2, 120))
    loop = Loop(network, ideal(vacuum=False))
    seen = infer(loop, data, loop.records())
    for number, sent in enumerate((2 * 3 * 5 * 20, 2 * 4 * 8)):
        assert verified(loop, seen, number).count == 2 * sent  # both quadratures
        np.testing.assert_allclose(seen.read[number], seen.carried[number], atol=0.03)
    assert seen.read[0].shape == (2, 15)
    clean = network.forward(data)
    assert np.corrcoef(seen.outputs.ravel(), clean.ravel())[0, 1] > 0.99


def test_realistic_impairments_show_their_transmittance(part, image):
    loop = Loop(part, realistic(GAIN, F2))
    seen = infer(loop, np.repeat(image, 2, axis=0), loop.records(200))
    found = channel(loop, seen, 0)
    true = loop.settings.impairments.transmittance
    assert abs(found.transmittance.value - true) < 4 * found.transmittance.error
    assert abs(found.excess_noise.value) < 4 * found.excess_noise.error + 0.005


def test_light_beyond_the_converters_is_refused(part):
    with pytest.raises(RangeError, match="largest symbol at the server"):
        Loop(part, LoopSettings.of(Link(gain=GAIN, photons=400)))


class Dazzler:
    """Blinds the receivers within the row of every frame: what comes then cannot be read."""

    def pass_on(self, light, vacuum):
        out = light.copy()
        out[:, 800:900] += 200.0  # √SNU, amid the row symbols
        return out


def test_light_that_cannot_be_read_counts_as_vacuum(part, image):
    """Or whoever makes it unreadable would have it forgotten."""
    xi, _ = directions(image)
    seen = {}
    for intruder in (None, Dazzler()):
        loop = Loop(part, ideal(), intruder)
        records = loop.records(40)
        sums = loop.returned(0, xi[0], records, np.random.default_rng(3)).sums.frames[-100:]
        seen[intruder] = (
            sums[:, : loop.settings.server.segments, 7].sum(),
            loop.statistics(0, sums, records),
        )
    (whole, plain), (read, lost) = seen.values()
    # Nearly all that was blinded was left out, and nothing is missing from the count.
    share = 1 - read / whole
    assert 0.05 < share < 0.15
    assert lost.count == plain.count == 100 * 2 * part.layers[0].modes
    assert lost.qq == plain.qq
    assert lost.slope == pytest.approx(plain.slope * (1 - share), rel=0.02)
    # The noise there is that of vacuum, and the weights that did not arrive.
    missing = plain.slope**2 * plain.qq * share * (1 - share)
    assert lost.residual == pytest.approx(plain.residual + missing, rel=0.03)


def test_sums_of_other_rows_are_refused(part, image):
    loop = Loop(part, ideal())
    records = loop.records(10)
    xi, _ = directions(image)
    sums = loop.returned(0, xi[0], records, np.random.default_rng(3)).sums.frames[-100:]
    with pytest.raises(RangeError, match="quadratures that the receiver summed"):
        loop.statistics(0, np.concatenate([sums, sums]), records)
    assert loop.statistics(0, np.concatenate([sums, sums]), records, images=2).count == 156800
    odd = Layer(part.layers[0].weights + np.float32(0.01))
    other = Loop(Network("other", (odd,)), ideal())
    with pytest.raises(RangeError, match="compared the light with"):
        other.statistics(0, sums, records)


def test_each_layer_goes_through_the_loop_with_its_own_light(image):
    first, second = (Layer(layer.weights[:8, :30]) for layer in load_network("mnist-paper").layers)
    network = Network("two", (first, Layer(second.weights[:6, :8])))
    links = (Link(GAIN, 20.0), Link(1.05, 60.0))
    loop = Loop(network, LoopSettings.of(links[0], vacuum=False), light=links)
    assert loop.links == links and [light.setup.gain for light in loop.layers] == [GAIN, 1.05]
    again = Loop(*loop.__reduce__()[1])
    assert again.links == links
    seen = infer(loop, image[:, 300:330], loop.records())
    for number, link in enumerate(links):
        sums = verified(loop, seen, number)
        assert sums.qq / sums.count == pytest.approx(link.modulation_variance, rel=0.05)
        np.testing.assert_allclose(seen.read[number], seen.carried[number], atol=0.05)
    np.testing.assert_allclose(
        seen.outputs, network.forward(image[:, 300:330]), atol=0.05 * np.abs(seen.outputs).max()
    )
