"""What all tests share: the profile of property tests, the seed of their order, small networks."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from shotveil.models.networks.network import Layer, Network

# No load of the machine can fail these: no example has a deadline, none counts as too slow to draw.
# The examples are the same each time, so that a change fails by what it changed; whoever hunts
# for more runs `pytest --hypothesis-profile search`.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", _UNHURRIED, derandomize=True)
settings.register_profile("search", _UNHURRIED, print_blob=True, max_examples=2000)
settings.load_profile("steady")


def pytest_terminal_summary(terminalreporter, config):
    """Say in which order the tests ran, so that it can be had again."""
    seed = config.getoption("randomly_seed", None)
    if seed is not None and config.getoption("randomly_reorganize", False):
        terminalreporter.write_line(f"order of the tests: pytest --randomly-seed={seed}")


@pytest.fixture
def small_network():
    """A random 784-24-10 network with a bias in its first layer: an odd width, padded."""
    rng = np.random.default_rng(99)
    return Network(
        "small",
        (Layer(rng.normal(size=(24, 785)), bias=True), Layer(rng.normal(size=(10, 24)))),
    )
