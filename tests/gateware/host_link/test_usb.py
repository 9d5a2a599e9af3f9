"""USB: that luna-usb's device and ours fit together. Its own tests are those of the bus."""

import warnings
from types import SimpleNamespace

import pytest
from amaranth.hdl import ClockSignal, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

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


class Device(wiring.Component):
    """Stands for luna-usb's serial port: its streams, and the transceiver's clock as its domain."""

    def __init__(self, bus, **described):
        self._bus = bus
        byte = wiring.Signature(
            {"valid": Out(1), "ready": In(1), "payload": Out(8), "last": Out(1)}
        )
        super().__init__({"rx": Out(byte), "tx": In(byte), "connect": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += ClockSignal("usb").eq(self._bus.clk.i)
        return m


def test_bytes_cross_once_though_the_domain_of_the_bus_is_reset_alone(monkeypatch):
    """The transceiver is reset and gives no clock while the node already sends: what it sent waits,
    and nothing of it is lost or comes twice when the domain of the bus starts."""
    monkeypatch.setattr(usb, "RESET", 40)
    made = []

    def device(bus, **described):
        made.append(Device(bus, **described))
        return made[0]

    monkeypatch.setattr(usb, "_luna", lambda name: SimpleNamespace(USBSerialDevice=device))
    dut = usb.Usb()
    up, down, resets = [], [], []
    to_host, from_host = [5, 0, 7, 9, 0, 255, 3, 8], [1, 0, 200, 4, 17, 0]

    async def node(ctx):
        """The side of `sync`: sends from the first clock on, and takes what comes."""
        left = list(to_host)
        ctx.set(dut.o.ready, 1)
        for _ in range(300):
            ctx.set(dut.i.valid, bool(left))
            ctx.set(dut.i.payload, left[0] if left else 0)
            taken = left and ctx.get(dut.i.ready)
            if ctx.get(dut.o.valid):
                down.append(ctx.get(dut.o.payload))
            resets.append(ctx.get(dut.ulpi.rst))
            await ctx.tick()
            if taken:
                left.pop(0)

    async def bus(ctx):
        """The transceiver: 60 MHz once its reset is over, and a device that moves bytes."""
        left = list(from_host)
        while not made:
            await ctx.delay(1e-9)
        port = made[0]
        while ctx.get(dut.ulpi.rst):
            await ctx.delay(8e-9)
        ctx.set(port.tx.ready, 1)
        for clock in range(100):
            ctx.set(port.rx.valid, bool(left) and clock > 8)
            ctx.set(port.rx.payload, left[0] if left else 0)
            taken = left and clock > 8 and ctx.get(port.rx.ready)
            if ctx.get(port.tx.valid):
                up.append((ctx.get(port.tx.payload), ctx.get(port.tx.last)))
            ctx.set(dut.ulpi.clk, 1)
            await ctx.delay(8.3e-9)
            ctx.set(dut.ulpi.clk, 0)
            await ctx.delay(8.3e-9)
            if taken:
                left.pop(0)

    simulator = Simulator(dut)
    simulator.add_clock(8e-9)
    simulator.add_testbench(node)
    simulator.add_testbench(bus)
    simulator.run()
    assert resets == [1] * 40 + [0] * 260
    assert up == [(byte, byte == 0) for byte in to_host] and down == from_host
