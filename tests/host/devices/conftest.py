"""What tests of devices are run on."""

import pytest

from tests.host.devices.nodes import BACKENDS


@pytest.fixture(params=BACKENDS)
def backend(request):
    return BACKENDS[request.param]
