"""A table of angles is replayed: to the bit, and at the pace that is promised."""

import numpy as np
import pytest

from shotveil.gateware.drive.angles import Angles, NoAngles
from shotveil.models.drive.spec import DriveSpec
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run, Timeout
from tests.gateware.drive import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("angles")


def test_as_verilog():
    bit_true.as_verilog("angles")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("angles", monkeypatch)


def test_a_drive_without_a_table_takes_no_angles_and_plays_none():
    spec = DriveSpec()
    none = NoAngles(spec)
    assert none.signature == Angles(spec).signature
    table = {"i": np.arange(4), "q": np.arange(4)}
    (result,) = AmaranthBench(none).run(Run({"play": 1, "clear": 0}, {}, {"o": 0}, linger=40))
    assert not len(result.outputs["o"]["i"]) and result.status["length"] == 0
    with pytest.raises(Timeout):
        AmaranthBench(none).run(Run({"play": 0, "clear": 0}, {"i": table}, {}, timeout=200))
