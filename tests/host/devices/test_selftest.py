"""The self-test: what it looks at, and that it finds what is wrong."""

import numpy as np
import pytest

from shotveil.host.devices.node import Node
from shotveil.host.devices.selftest import selftest
from shotveil.models.node.spec import ROLES
from tests.host.devices.nodes import model


@pytest.mark.parametrize("role", ROLES)
def test_selftest(backend, role):
    with Node(backend(role)) as node:
        checks = selftest(node, np.random.default_rng(3))
    assert {"registers", "session", "modes", "inference", "grant"} <= {c.name for c in checks}
    assert not [check for check in checks if not check.passed]


def test_selftest_finds_a_wrong_bit():
    """A loop that loses the lowest bit of one quadrature now and then."""
    device = model("server")
    plain, count = device._plant, iter(range(1 << 30))
    device._plant = lambda codes: plain(codes) ^ np.array([[next(count) % 2], [0]])
    checks = selftest(Node(device), np.random.default_rng(3))
    assert {c.name for c in checks if not c.passed} >= {"session"}


class Wrong:
    """The models' registers, with what `change` makes of their values."""

    def __init__(self, change):
        self.device, self.change = model("server"), change
        read = self.device._read
        self.device._read = lambda registers: [
            change(r, value) for r, value in zip(registers, read(registers), strict=True)
        ]

    def failed(self):
        checks = selftest(Node(self.device), np.random.default_rng(3))
        return {check.name: check.detail for check in checks if not check.passed}


def test_selftest_names_a_setting_that_does_not_take():
    found = Wrong(lambda r, v: 0 if r.name == "trigger_delay" else v).failed()
    assert found == {"registers": "not what was written: trigger_delay"}


@pytest.mark.parametrize(
    "name, check",
    [
        ("drive_clipped", "drive_clipped"),
        ("digitiser_overrange_count", "digitiser_overrange_count"),
        ("frames_missed", "frames_missed"),
        ("digitiser_overrange", "flags"),
    ],
)
def test_selftest_compares_counters_and_flags(name, check):
    found = Wrong(lambda r, v: v ^ 1 if r.name == name else v).failed()
    assert check in found and "the models say" in found[check]


def test_packets_of_the_link_are_no_matter_of_the_models():
    assert not Wrong(lambda r, v: 7 if r.name.startswith("link_") else v).failed()


def test_a_row_more_than_granted_is_found():
    found = Wrong(lambda r, v: v + 1 if r.name == "rows_sent" and v == 5 else v).failed()
    assert found == {"grant": "6 rows left instead of 5"}
