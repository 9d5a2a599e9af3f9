"""What surrounds a node in the simulator, without one."""

from types import SimpleNamespace

import numpy as np

from shotveil.sim.benches.host import SimulatedPipe, receiver, small


def test_small_nodes_are_what_the_host_would_accept():
    for role in ("server", "client"):
        spec = small(role)
        assert spec.digitiser.quadratures == (2 if role == "server" else 1)
        receiver(spec).validate(spec.digitiser)


def test_a_pipe_gives_bytes_once_and_in_order():
    sent = []
    bench = SimpleNamespace(
        clock=125,
        sinks={"link__o": SimpleNamespace(words=[1, 2, 3])},
        sources={"link__i": SimpleNamespace(send=sent.append)},
    )
    pipe = SimulatedPipe(bench)
    assert (pipe.read(2, 1.0), pipe.read(5, 1.0)) == (b"\1\2", b"\3")
    assert pipe.time() == 125 / 125e6
    pipe.write(b"\7\0")
    np.testing.assert_array_equal(sent[0], [7, 0])
