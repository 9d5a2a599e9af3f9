"""A node at the other end of a host link: simulated gateware, TCP or a serial port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy.typing as npt

from shotveil.host.devices.device import (
    Answer,
    Device,
    DeviceError,
    Words,
    as_words,
    recognise,
    require_identity,
)
from shotveil.host.devices.transport import BytePipe, LinkError, Pending, Transport
from shotveil.models.host_link.packet import MAX_WORDS
from shotveil.models.node.ports import ReadPort, WritePort
from shotveil.models.node.register import Register
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec


def open_link(url: str, pipe: Callable[[], BytePipe], spec: NodeSpec | None) -> LinkDevice:
    """Open a pipe of bytes and return the node behind it. Raises `DeviceError` where it fails."""
    try:
        transport = Transport(pipe())
    except LinkError as error:
        raise DeviceError(f"{url}: {error}") from error
    return LinkDevice(transport, url, spec)


class LinkDevice(Device):
    """The node behind a `Transport`. Closing the device closes the transport.

    The constructor first reads the constants of the node, which have to fit `spec`; without one
    they tell what the node was built from. Raises `DeviceError`, which says what to do, if it is
    another node or the link fails.
    """

    def __init__(self, transport: Transport, name: str, spec: NodeSpec | None = None):
        self._transport = transport
        # The identity is at the same place in every map, all constants in every map of a version.
        known = register_map(spec or NodeSpec())
        names = list(known.constants)
        count = len(known.identity)
        start = known.address(names[0])
        try:
            words = self._do(transport.read, start, count).tolist()
            require_identity(dict(zip(names, words, strict=False)), name)
            words += self._do(transport.read, start + count, len(names) - count).tolist()
            recognised = recognise(dict(zip(names, words, strict=True)), name, spec)
        except DeviceError:
            transport.close()
            raise
        super().__init__(recognised, name)

    @property
    def transport(self) -> Transport:
        """The link, for its statistics."""
        return self._transport

    def _do(self, act: Callable[..., Any], *arguments: object) -> Any:
        try:
            return act(*arguments)
        except LinkError as error:
            raise DeviceError(str(error)) from error

    def _read(self, registers: Sequence[Register]) -> list[int]:
        return self._values(registers, self._asked(registers))

    def _asked(self, registers: Sequence[Register]) -> list[Pending]:
        # Neighbouring registers share a request. Reading the first word of a status of two words
        # latches both, so their values belong together.
        return [
            self._do(
                self._transport.ask_read,
                self.map.address(run[0].name),
                sum(register.words for register in run),
            )
            for run in self._runs(registers)
        ]

    def _values(self, registers: Sequence[Register], asked: list[Pending]) -> list[int]:
        words = [word for one in asked for word in self._do(self._transport.result, one).tolist()]
        values = []
        for register in registers:
            values.append(register.from_words(words[: register.words]))
            words = words[register.words :]
        return values

    def ask(self, names: Iterable[str]) -> Answer[dict[str, int]]:
        """Ask for registers without waiting for their values."""
        registers = self._readable(names)
        asked = self._asked(registers)

        def get() -> dict[str, int]:
            values = self._values(registers, asked)
            return {r.name: value for r, value in zip(registers, values, strict=True)}

        return Answer(lambda: all(one.answer is not None for one in asked), get)

    def ask_words(self, port: ReadPort) -> Answer[Words]:
        """Ask for words that wait at a port, at most one packet, without waiting for them."""
        asked = self._do(self._transport.ask_receive, int(port), MAX_WORDS)
        return Answer(
            lambda: asked.answer is not None, lambda: self._do(self._transport.result, asked)
        )

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until an answer comes."""
        self._do(self._transport.wait, seconds)

    def offer(self, port: WritePort, words: Words) -> int:
        """Send as many words as a port is known to have room for; return how many."""
        return int(self._do(self._transport.feed, int(port), words))

    def _write(self, values: Sequence[tuple[Register, int]]) -> None:
        raw = [register.to_words(value) for register, value in values]
        start = 0
        for run in self._runs([register for register, _ in values]):
            words = [word for one in raw[start : start + len(run)] for word in one]
            first = self.map.address(run[0].name)
            self._do(self._transport.write, first, words)
            start += len(run)

    def _runs(self, registers: Sequence[Register]) -> list[list[Register]]:
        """Cut the registers, in their order, into runs with addresses that follow each other."""
        runs: list[list[Register]] = []
        following = -1
        for register in registers:
            address = self.map.address(register.name)
            if address != following or sum(r.words for r in runs[-1]) + register.words > MAX_WORDS:
                runs.append([])
            runs[-1].append(register)
            following = address + register.words
        return runs

    def send(self, port: WritePort, words: npt.ArrayLike) -> None:
        """Send all words to a port; wait for room. Raises `DeviceError` if there is none."""
        given = as_words(words)
        self._do(self._transport.send, int(port), given)

    def receive(self, port: ReadPort, count: int) -> Words:
        """Take the words that wait at a port, at most `count`."""
        words: Words = self._do(self._transport.receive, int(port), count)
        return words

    def room(self, port: WritePort) -> int:
        """Return how many words a port can take now."""
        return int(self._do(self._transport.room, int(port)))

    def close(self) -> None:
        """Close the link."""
        self._transport.close()
