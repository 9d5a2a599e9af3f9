"""Images side by side in lanes: the bits of the models, for each of them."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network
from shotveil.sim.loop import side_by_side
from shotveil.sim.loop.pool import infer_in_crowds, infer_in_processes
from shotveil.sim.loop.run import require_agreement
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import realistic


@pytest.mark.parametrize(("store", "samples", "processes"), [(1 << 12, 4, 2), (0, 2, 1)])
def test_every_image_gives_what_the_models_give(store, samples, processes):
    """With rows that stay at the node, and with rows that are streamed; two layers, five images."""
    shipped = load_network("mnist-paper")
    first = Layer(shipped.layers[0].weights[:5])
    network = Network("part", (first, Layer(np.eye(5, dtype=np.float32)[:3])))
    settings = replace(realistic(1.3, 2.4), store=store).with_samples(samples)
    loop = Loop(network, settings)
    records, images = loop.records(40), load_mnist(None, "test")[0][:5]
    done = []
    got = infer_in_crowds(
        loop,
        images,
        records,
        done.append,
        makers_of=side_by_side.compiled(loop),
        processes=processes,
    )
    assert done == [1] * 5
    require_agreement(got, infer_in_processes(loop, images, records, processes=1))
    assert len(np.unique(got.outputs, axis=0)) == 5


def test_rounds_are_equally_full():
    loop = Loop(
        Network("part", (Layer(load_network("mnist-paper").layers[0].weights[:3]),)),
        replace(realistic(1.3, 2.4), store=1 << 12),
    )
    makers_of = side_by_side.compiled(loop)
    assert [len(makers_of(loop, images)) for images in (1, 16, 17, 50)] == [1, 16, 9, 13]
