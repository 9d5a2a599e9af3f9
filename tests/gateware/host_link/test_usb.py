"""USB: that luna-usb's device and ours fit together. Its own tests are those of the bus."""

import warnings

import pytest

from shotveil.gateware.host_link import usb
from shotveil.sim.engines.verilog import emit


def test_it_emits():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of luna-usb
        text = emit(usb.Usb(serial="1"))
    for pin in ("clk", "dir", "nxt", "stp", "rst", "data_i", "data_o", "data_oe"):
        assert f"ulpi__{pin}" in text
    assert "posedge ulpi__clk" in text or "usb_clk" in text


def test_without_the_package_it_tells_how_to_get_it(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])

    monkeypatch.setattr(usb.importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"shotveil\[usb\].*make setup-usb"):
        emit(usb.Usb())
