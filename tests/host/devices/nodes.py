"""Nodes for tests of the host, on every backend that needs no hardware."""

from collections import deque
from dataclasses import replace

import numpy as np

from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.model import ModelDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_device
from shotveil.host.devices.transport import Transport
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import DriveSettings
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.chain import Loopback
from shotveil.models.node.ports import ReadPort, WritePort, write_ports
from shotveil.models.node.register import Access
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout

LAYOUT = FrameLayout(row=120, pilot_spacing=40)
DRIVE = DriveSettings(layout=LAYOUT, scale=0.3, reference=0.3)
DIGITISER = DigitiserSettings(layout=LAYOUT)
ROWS = np.random.default_rng(11).integers(-20_000, 20_000, (9, 2, LAYOUT.row))
DELAY = 37
BLOCK = 1024


class Inside:
    """A model behind the model of the host link: words at addresses instead of names."""

    def __init__(self, device):
        self.device = device
        known = device.map
        self._places = {known.address(r.name) + k: (r, k) for r in known for k in range(r.words)}
        self._staged = {}
        self._latched = {}
        self._waiting = {port: deque() for port in ReadPort}

    def read(self, address):
        register, k = self._places.get(address, (None, 0))
        if register is None or register.access is Access.STROBE:
            return 0
        if k == 0 or register.access is Access.SETTING:
            bits = register.unsigned(self.device.read(register.name))
            self._latched[register.name] = bits
        return self._latched[register.name] >> (WORD * k) & (2**WORD - 1)

    def write(self, address, word):
        register, k = self._places.get(address, (None, 0))
        if register is None:
            return
        if register.access is Access.STROBE:
            self.device._write([(register, 1)])
        elif register.access is Access.SETTING:
            words = self._staged.setdefault(
                register.name, register.to_words(self.device.read(register.name))
            )
            words[k] = word
            self.device._write([(register, register.from_words(words))])

    def room(self, port):
        return min(self.device.room(WritePort(port)), 2**15)

    def send(self, port, words):
        self.device.send(WritePort(port), np.array(words, dtype=np.uint32))

    def available(self, port):
        queue = self._waiting[ReadPort(port)]
        queue.extend(self.device.receive(ReadPort(port), 4096).tolist())
        return min(len(queue), 2**16 - 1)

    def receive(self, port, count):
        return [self._waiting[ReadPort(port)].popleft() for _ in range(count)]


class ModelPipe:
    """Bytes to and from the model of the link's far end; `break_after` bytes it goes dead."""

    def __init__(self, inside, window=8):
        ports = len(write_ports(inside.device.spec)), len(ReadPort)
        self._endpoint = EndpointModel(inside, *ports, window)
        self._back = bytearray()
        self.dead = False

    def write(self, data):
        if not self.dead:
            self._back += self._endpoint.feed(data)

    def read(self, most, timeout):
        data = bytes(self._back[:most])
        del self._back[:most]
        return data

    def close(self):
        self.dead = True


def model(role, spec=None):
    spec = spec or NodeSpec(role)
    return ModelDevice(spec, Loopback(spec, DELAY))


def linked(role, spec=None):
    """The model behind both models of the link."""
    pipe = ModelPipe(Inside(model(role, spec)))
    return LinkDevice(Transport(pipe, timeout=0.01), "model link", spec)


def rtl(role, spec=None):
    """The gateware."""
    return open_device(f"rtl:{role}", spec, Loopback(spec or NodeSpec(role), DELAY))


BACKENDS = {"model": model, "linked": linked, "rtl": rtl}


def loop_delay(device):
    """The simulated gateware hands over samples in blocks, which takes as long as one of them."""
    return DELAY + (BLOCK if device.name.startswith("rtl") else 0)


def configured(device, delay=None, **more):
    """A node on a device, ready to play; `more` changes the drive's settings."""
    node = Node(device)
    way = loop_delay(device) if delay is None else delay
    node.configure(replace(DRIVE, **more), DIGITISER, loop_delay=way)
    return node
