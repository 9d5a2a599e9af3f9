"""The processor's side of a node's mailbox, on a board's own Linux: bytes to the node and from it.

`models.host_link.mailbox` says what the registers do. The bytes for the node go through a buffer in
memory that Linux leaves alone, if there is one, else through the mailbox's own ring. Needs no
package beside Python's own.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import Protocol

from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.mailbox import (
    CHUNKS,
    DOWN,
    IDENTITY,
    POSITIONS,
    RING,
    ROWS_BYTES,
    UP,
    Control,
    MailboxRegister,
)

LARGEST_SLOT = 1 << 16  # bytes of a chunk: more would only wait longer before it leaves
FLUSH_SECONDS = 1.0  # after which a flush that does not end is an error
RESERVED = Path("/proc/device-tree/reserved-memory")
# The vendor's names of the memory that its own designs write samples to.
BUFFERS = ("buffer@", "labuf@")


class MailboxError(Exception):
    """What is at the address is no mailbox, or it does not do what it should."""


class ProcessorView(Protocol):
    """A piece of the processor's addresses, from 0."""

    def word(self, address: int) -> int:
        """The word of 32 bits at an address that is a multiple of 4."""

    def set_word(self, address: int, value: int) -> None:
        """Write a word of 32 bits in one access."""

    def read(self, address: int, count: int) -> bytes:
        """Bytes, by accesses of any size."""

    def write(self, address: int, data: bytes) -> None:
        """Write bytes, by accesses of any size and as often as it likes."""


class MappedView:
    """`size` bytes from `offset` on of a file such as /dev/mem or /dev/uio0, mapped.

    Raises `OSError` where the file does not let itself be mapped.
    """

    def __init__(self, file: str, offset: int, size: int):
        # O_SYNC: without it, Linux would keep what it maps of memory in the processor's cache.
        descriptor = os.open(file, os.O_RDWR | os.O_SYNC)
        try:
            self._map = mmap.mmap(descriptor, size, offset=offset)
        finally:
            os.close(descriptor)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("I")

    def word(self, address: int) -> int:
        """The word at an address."""
        return int(self._words[address >> 2])

    def set_word(self, address: int, value: int) -> None:
        """Write a word."""
        self._words[address >> 2] = value

    def read(self, address: int, count: int) -> bytes:
        """Bytes."""
        return bytes(self._bytes[address : address + count])

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        self._bytes[address : address + len(data)] = data


class NodeMailbox:
    """The node behind the mailbox at `registers`.

    `buffer`, if there is one, is memory at the address `buffer_address` of `buffer_size` bytes that
    nothing else uses. Behind what carries bytes, the node gets `ROWS_BYTES` of it for rows that
    stay; `rows_place` is their address, 0 if there is no room. Raises `MailboxError` if no mailbox
    of this version is there.
    """

    def __init__(
        self,
        registers: ProcessorView,
        buffer: ProcessorView | None = None,
        buffer_address: int = 0,
        buffer_size: int = 0,
    ):
        found = registers.word(MailboxRegister.IDENTITY)
        if found != IDENTITY:
            raise MailboxError(
                f"what answers is no mailbox of Shotveil ({found:08x} instead of {IDENTITY:08x}); "
                "load the node's bitstream, of the same release as this program"
            )
        self._registers, self._buffer, self._address = registers, buffer, buffer_address
        # A slot begins at a multiple of 64 bytes, so no two share a line of the memory.
        self._slot = min(LARGEST_SLOT, buffer_size // CHUNKS) & ~63
        if buffer is not None and not self._slot:
            raise RangeError(f"buffer_size = {buffer_size}; allowed: {64 * CHUNKS} bytes or more")
        behind = -(-(buffer_address + CHUNKS * self._slot) // ROWS_BYTES) * ROWS_BYTES
        fits = behind + ROWS_BYTES <= buffer_address + buffer_size
        self.rows_place = behind if buffer is not None and fits else 0
        registers.set_word(MailboxRegister.ROWS_PLACE, self.rows_place)
        self.flush()

    def flush(self) -> None:
        """Forget all bytes on their way in either direction. Raises `MailboxError` if it hangs."""
        source = 0 if self._buffer is None else int(Control.MEMORY)
        self._registers.set_word(MailboxRegister.CONTROL, source | Control.FLUSH)
        deadline = time.monotonic() + FLUSH_SECONDS
        while self._registers.word(MailboxRegister.CONTROL) & Control.FLUSH:
            if time.monotonic() > deadline:
                raise MailboxError(
                    "the memory does not answer the node's reads: the port S_AXI_HP0 is not set up"
                )
        self._head = self._tail = 0  # positions in the rings
        self._begun = self._done = 0  # chunks
        self._sizes: dict[int, int] = {}  # bytes of the chunks on their way, by slot
        if self._buffer is not None:
            self._buffer.write(0, bytes(self._slot * CHUNKS))

    @property
    def bad_words(self) -> int:
        """Words of memory that came to the node with an error."""
        return self._registers.word(MailboxRegister.BAD_WORDS)

    def put(self, data: bytes) -> int:
        """Give bytes to the node, as many as there is room for now; return how many."""
        return self._put_ring(data) if self._buffer is None else self._put_chunk(data)

    def _put_ring(self, data: bytes) -> int:
        gone = self._registers.word(MailboxRegister.DOWN_TAIL)
        count = min(len(data), RING - (self._head - gone) % POSITIONS)
        at = self._head % RING
        first = data[: min(count, RING - at)]
        self._registers.write(DOWN + at, first)
        if len(first) < count:
            self._registers.write(DOWN, data[len(first) : count])
        if count:
            self._head = (self._head + count) % POSITIONS
            self._registers.set_word(MailboxRegister.DOWN_HEAD, self._head)
        return count

    def _put_chunk(self, data: bytes) -> int:
        assert self._buffer is not None
        self._wipe()
        if not data or len(self._sizes) == CHUNKS:
            return 0
        count, slot = min(len(data), self._slot), self._begun % CHUNKS
        at = slot * self._slot
        self._buffer.write(at, data[:count])
        self._sizes[slot] = count
        self._begun += 1
        # Reading the last bytes back makes what was written before them leave the processor.
        last = data[max(count - 8, 0) : count]
        if self._buffer.read(at + count - len(last), len(last)) != last:
            raise MailboxError("the buffer does not keep what is written: is it memory?")
        self._registers.set_word(MailboxRegister.CHUNK_PLACE, self._address + at)
        self._registers.set_word(MailboxRegister.CHUNK_COUNT, count)
        return count

    def _wipe(self) -> None:
        """Free the slots of chunks that are done.

        Old packets must not lie where a new chunk is written: should the node ever read a slot
        before what was written has arrived, it finds zeros, which break the frame, and the host
        sends it again.
        """
        assert self._buffer is not None
        done = self._registers.word(MailboxRegister.CHUNKS_DONE)
        while self._done % POSITIONS != done:
            slot = self._done % CHUNKS
            self._buffer.write(slot * self._slot, bytes(self._sizes.pop(slot)))
            self._done += 1

    def take(self) -> bytes:
        """The bytes from the node that are there now."""
        head = self._registers.word(MailboxRegister.UP_HEAD)
        count = (head - self._tail) % POSITIONS
        if not count:
            return b""
        at = self._tail % RING
        taken = self._registers.read(UP + at, min(count, RING - at))
        if len(taken) < count:
            taken += self._registers.read(UP, count - len(taken))
        self._tail = head
        self._registers.set_word(MailboxRegister.UP_TAIL, self._tail)
        return taken


def reserved_buffer(folder: Path = RESERVED) -> tuple[int, int] | None:
    """Address and size of the largest buffer of the vendor's in the device tree, None without one.

    Only what the device tree reserves is taken: other memory is in use by Linux.
    """
    found = []
    for node in sorted(folder.glob("*")) if folder.is_dir() else ():
        if node.name.startswith(BUFFERS) and (node / "reg").is_file():
            reg = (node / "reg").read_bytes()
            if len(reg) == 8:  # a cell each for address and size
                found.append((int.from_bytes(reg[4:], "big"), int.from_bytes(reg[:4], "big")))
    if not found:
        return None
    size, address = max(found)
    return address, size
