"""Which simulators there are, what is said where one is missing, and builds that are kept."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.sim.engines import simulators


class Register(wiring.Component):
    i: In(4)
    o: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


def test_a_missing_simulator_is_named(monkeypatch):
    monkeypatch.setattr(simulators.shutil, "which", lambda name: None)
    assert "apt install iverilog" in simulators.missing("icarus")
    with pytest.raises(ModuleNotFoundError, match="Icarus Verilog is not on PATH"):
        simulators.build("register", Register(), "icarus", False)


def test_a_build_is_found_again(monkeypatch, tmp_path):
    if absent := simulators.missing("icarus"):
        pytest.skip(absent)
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    first = simulators.build("register", Register(), "icarus", False).build_dir
    (made,) = (tmp_path / "icarus").glob("register-*/finished")
    stamp = made.stat().st_mtime_ns
    assert simulators.build("register", Register(), "icarus", False).build_dir == first
    assert made.stat().st_mtime_ns == stamp
    assert simulators.build("register", Register(), "icarus", True).build_dir != first
    assert simulators.ending("icarus") == "fst"


def test_a_build_of_verilators_that_was_found_runs_from_its_folder(monkeypatch, tmp_path):
    """The runner of an earlier build was never told where that build is."""
    monkeypatch.setattr(simulators, "missing", lambda simulator: "")
    made = simulators.cocotb_build.BlockRunner.__new__(simulators.cocotb_build.BlockRunner)
    monkeypatch.setattr(simulators.cocotb_build, "build", lambda *_, **__: (made, tmp_path))
    assert simulators.build("register", Register(), "verilator", False).build_dir == tmp_path
