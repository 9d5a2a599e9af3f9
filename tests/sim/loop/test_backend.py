"""The backends `model` and `rtl`: a task goes through the nodes, and what they found comes back."""

from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.run.backends import InferenceTask, backend_named
from shotveil.host.run.inference import Inference
from shotveil.models.common.checks import RangeError
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link
from shotveil.sim.loop import backend
from shotveil.sim.loop.session import BackToBack

LINK = Link(1.3, 5.0, excess_noise=0.02)


@pytest.mark.parametrize("name", ["model", "rtl"])
def test_a_task_goes_through_the_nodes(name, small_network, monkeypatch):
    asked = []
    seen = Inference(np.zeros((2, 10)), ())

    def through_nodes(*positional, **named):
        asked.append((positional, named))
        calibration = SimpleNamespace(as_dict=lambda: {"bias": 0.5})
        return SimpleNamespace(
            inference=seen, link=LINK.with_f2(1.0), calibration=calibration, loop=None, seen=None
        )

    monkeypatch.setattr(backend, "through_nodes", through_nodes)
    images, done = np.zeros((2, 784)), []
    task = InferenceTask(small_network, images, LINK, 9, impairments="ideal", progress=done.append)
    result = backend_named(name)(task)
    (((network, given, link, seed), named),) = asked
    assert network is small_network and given is images and (link, seed) == (LINK, 9)
    assert named == {"backend": name, "impairments": "ideal", "progress": done.append}
    assert result.inference is seen and result.link == LINK.with_f2(1.0)
    assert result.symbol_level and result.calibration == {"bias": 0.5}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"backend": "optics"}, "backend = 'optics' is none of model, rtl"),
        ({"impairments": "none"}, "impairments = 'none' is none of ideal, realistic"),
        ({"samples_per_symbol": 3}, "samples_per_symbol = 3 cannot be received; allowed: 2 and 4"),
    ],
)
def test_refuses(options, message, small_network):
    with pytest.raises(RangeError, match=message):
        backend.through_nodes(small_network, np.zeros((1, 784)), LINK, 1, **options)


def test_the_declared_link_has_the_calibrated_receiver_and_counts_distortion_as_noise():
    receiver = Detector(0.8, 0.05)
    layers = {0: SimpleNamespace(receiver=receiver), 1: None}
    loop = SimpleNamespace(
        links=(LINK, LINK),
        back_to_back=lambda: (BackToBack(0.9, 0.003), BackToBack(0.5, 1.0)),
    )
    declared = backend.declared(loop, SimpleNamespace(of_layer=layers.__getitem__))
    assert declared.server_detector is receiver
    assert declared.excess_noise == pytest.approx(0.023)
    assert (declared.gain, declared.photons) == (1.3, 5.0)
