"""What all tests of the parties share: refusals of one test are not counted in the next."""

import pytest

from shotveil.host.parties import rpc


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch):
    """Of each client only so many refusals a minute are written to the log."""
    monkeypatch.setattr(rpc, "_REFUSALS", rpc._Refusals())
