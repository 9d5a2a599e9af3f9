"""USB high speed for the host link, through a transceiver with ULPI.

The board shows up as a serial port (CDC-ACM) at the host, so that the host needs no driver and no
other backend than for a UART. Needs the package luna-usb, which is imported when it is elaborated.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

from amaranth.hdl import ClockDomain, Fragment, Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from shotveil.models.host_link.cobs import DELIMITER

# Identifiers of pid.codes for tests and prototypes; boards that are sold need their own.
VENDOR, PRODUCT = 0x1209, 0x0001
PACKET = 512  # bytes of a bulk transfer at high speed
# Depth in bytes of the FIFOs at the clock-domain crossing. It covers the bytes that come until one
# side sees what the other has done; the endpoints of the bus hold whole packets.
DEPTH = 16
RESET = 1 << 17  # clocks of the transceiver's reset: a millisecond at 125 MHz


class Ulpi(wiring.Signature):
    """The signals of a ULPI transceiver that provides the clock of 60 MHz, as the link sees them.

    `data_i`, `data_o` and `data_oe` are the two directions of the data bus and the enable of ours;
    `rst` is high to reset the transceiver, whatever its pin's polarity.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "clk": In(1),
                "data_i": In(8),
                "data_o": Out(8),
                "data_oe": Out(1),
                "dir": In(1),
                "nxt": In(1),
                "stp": Out(1),
                "rst": Out(1),
            }
        )


class Usb(wiring.Component):
    """A serial port over USB for the host link.

    * `o`: bytes from the host, `i`: bytes to it, in the clock of the samples. `ulpi`: the pins.
    * A packet of bytes leaves when it is full or a frame of the link ends.
    * Makes a clock domain `usb` of the transceiver's 60 MHz; FIFOs stand between the domains.
    * The bus carries 40 MB/s; the rate that a host reaches depends on its serial driver.
    """

    def __init__(self, serial: str = "") -> None:
        self._serial = serial
        super().__init__(
            {
                "ulpi": Out(Ulpi()),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A transceiver in reset gives no clock, so the length of its reset is counted in `sync`.
        # The domain's own reset ends with the first edges of its clock.
        m.domains.usb = ClockDomain("usb")
        started = Signal(range(RESET + 1))
        with m.If(self.ulpi.rst):
            m.d.sync += started.eq(started + 1)
        m.d.comb += self.ulpi.rst.eq(started != RESET)
        m.submodules.reset = ResetSynchronizer(self.ulpi.rst, domain="usb")
        acm = _luna("luna.gateware.usb.devices.acm")
        device = acm.USBSerialDevice(
            bus=_pins(self.ulpi),
            idVendor=VENDOR,
            idProduct=PRODUCT,
            manufacturer_string="Shotveil",
            product_string="Shotveil node",
            serial_number=self._serial,
            max_packet_size=PACKET,
        )
        # It asks any platform for the name of its part; what is none that builds gets no say.
        builds = hasattr(platform, "device")
        m.submodules.device = device if builds else Fragment.get(device, None)
        m.submodules.from_host = from_host = fifo.AsyncFIFOBuffered(
            width=8, depth=DEPTH, w_domain="usb", r_domain="sync"
        )
        m.submodules.to_host = to_host = fifo.AsyncFIFOBuffered(
            width=8, depth=DEPTH, w_domain="sync", r_domain="usb"
        )
        wiring.connect(m, from_host.r_stream, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.i), to_host.w_stream)
        m.d.comb += [
            device.connect.eq(1),
            from_host.w_data.eq(device.rx.payload),
            from_host.w_en.eq(device.rx.valid),
            device.rx.ready.eq(from_host.w_rdy),
            device.tx.payload.eq(to_host.r_data),
            device.tx.valid.eq(to_host.r_rdy),
            device.tx.last.eq(to_host.r_data == DELIMITER[0]),
            to_host.r_en.eq(device.tx.ready),
        ]
        return m


def _pins(ulpi: Any) -> SimpleNamespace:
    """The pins in the form that luna-usb takes them in, but for the reset, which is not its."""
    return SimpleNamespace(
        clk=SimpleNamespace(i=ulpi.clk),
        data=SimpleNamespace(i=ulpi.data_i, o=ulpi.data_o, oe=ulpi.data_oe),
        dir=SimpleNamespace(i=ulpi.dir),
        nxt=SimpleNamespace(i=ulpi.nxt),
        stp=SimpleNamespace(o=ulpi.stp),
        rst=SimpleNamespace(o=Signal(name="ulpi_domain_reset")),
    )


def _luna(module: str) -> Any:
    """A module of luna-usb. Raises `ModuleNotFoundError` that tells how to get it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"USB needs the package luna-usb ({error.name} is missing); run "
            "`pip install 'shotveil[usb]'`, or `make setup-usb` in a checkout",
            name=error.name,
        ) from None
