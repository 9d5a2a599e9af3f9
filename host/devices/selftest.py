"""A self-test that compares a node with the models, to the bit.

It needs a node whose DAC codes come back as ADC words: the models, simulated gateware, or a board
with a loopback bitstream.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from shotveil.host.devices.device import Device
from shotveil.host.devices.model import ModelDevice
from shotveil.host.devices.node import BatchResult, Node
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.node.chain import Loopback
from shotveil.models.node.register import Access, Register
from shotveil.models.node.register_map import LINK
from shotveil.models.signal.frame import FrameLayout

ROWS = 8
LEAD_IN = 2
# The shortest frame that the receiver takes, so that the rows of a batch fit the node's row buffer.
LAYOUT = FrameLayout(row=120, pilot_spacing=40)
MODEL_DELAY = 5  # samples; the result does not depend on the delay
LEVEL = 0.3  # well within the range of the modulator


@dataclass(frozen=True)
class SelftestCheck:
    """One check of a self-test, with what was found if it failed."""

    name: str
    passed: bool
    detail: str = ""


def selftest(node: Node, rng: np.random.Generator) -> list[SelftestCheck]:
    """Compare a node with the models, and return all checks.

    The test covers the registers, a batch, and a grant that is smaller than the batch. It measures
    the delay of the loop first. Afterwards the node is disarmed and its settings are changed.
    Raises `DeviceError` if no light comes back or the node does not answer.
    """
    spec = node.spec
    model = Node(ModelDevice(spec, Loopback(spec, MODEL_DELAY)))
    high = spec.drive.symbol.highest
    rows = rng.integers(-high, high + 1, (ROWS, 2, LAYOUT.row))
    checks = [_registers(node.device, rng)]
    played = []
    for one in (node, model):
        one.configure(
            DriveSettings(layout=LAYOUT, scale=LEVEL, reference=LEVEL),
            DigitiserSettings(layout=LAYOUT),
            lead_in=LEAD_IN,
        )
        one.find_loop_delay(rng)
        played.append(one.play(rows))
    # There is no link to the models, so they count no packets.
    link = {register.name for register in node.device.map if register.group == LINK}
    checks += _batches(played[0], played[1], link)
    granted = node.play(rows, grant=ROWS - 3).rows_sent
    detail = f"{granted} rows left instead of {ROWS - 3}"
    checks.append(_check("grant", granted == ROWS - 3, detail))
    return checks


def _check(name: str, passed: bool, detail: str) -> SelftestCheck:
    return SelftestCheck(name, bool(passed), "" if passed else detail)


def _registers(device: Device, rng: np.random.Generator) -> SelftestCheck:
    """Check that every setting reads back its lowest, its highest and a random value."""
    settings = device.map.of(Access.SETTING)
    before = device.read_all(settings)
    bad: set[str] = set()
    for number in range(3):
        values = {
            name: (r.lowest, r.highest, _between(r, rng))[number] for name, r in settings.items()
        }
        values["arm"] = 0
        device.write(**values)
        found = device.read_all(settings)
        bad |= {name for name, value in values.items() if found[name] != value}
    device.write(**{**before, "arm": 0})
    return _check("registers", not bad, f"not what was written: {', '.join(sorted(bad))}")


def _between(register: Register, rng: np.random.Generator) -> int:
    return int(rng.integers(register.lowest, register.highest, endpoint=True))


def _batches(got: BatchResult, due: BatchResult, beside: Container[str]) -> list[SelftestCheck]:
    checks = []
    for name in ("session", "modes"):
        ours, theirs = getattr(got, name), getattr(due, name)
        wrong = int(np.count_nonzero(ours != theirs))
        checks.append(_check(name, not wrong, f"{wrong} of {theirs.size} sums differ"))
    rows = due.rows_sent
    pairs = zip(got.last(rows), due.last(rows), strict=True)
    wrong = sum(int(np.count_nonzero(ours != theirs)) for ours, theirs in pairs)
    checks.append(_check("inference", not wrong, f"{wrong} values or flags differ"))
    checks.append(_check("usable", not got.refusals, ", ".join(got.refusals)))
    for name in ("faults", "flags", "spoilt"):
        ours, theirs = getattr(got, name), getattr(due, name)
        checks.append(_check(name, ours == theirs, f"{ours}, the models say {theirs}"))
    for name, theirs in due.counters.items():
        ours = got.counters[name]
        if name not in beside:
            checks.append(_check(name, ours == theirs, f"{ours}, the models say {theirs}"))
    return checks
