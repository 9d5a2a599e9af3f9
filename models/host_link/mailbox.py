"""The mailbox by which a processor beside the node reaches its host link: addresses and model.

Two rings of bytes lie in memory that the processor sees. It writes into one and reads from the
other as often as it likes; bytes move only when it writes a position: `DOWN_HEAD` says how far the
ring to the node is filled, `UP_TAIL` how far the ring from the node is read. An access that the
processor repeats, splits, overlaps or gives up therefore never gives a byte twice. Positions count
bytes modulo 2¹⁶, so they stay apart where a ring is full.

Bytes may also come from memory of the processor, as *chunks*, which the node fetches by itself. The
source of the bytes is chosen by `CONTROL`; while it is memory, the ring to the node stays as it is.
A node that keeps rows in memory is told where by `ROWS_PLACE`, which a flush leaves alone.

A wrong access is answered by an error and has no effect. This file is also what the program on a
board's own Linux knows of the mailbox, so it needs no package beside Python's own.
"""

from __future__ import annotations

import enum
from collections import deque

BASE = 0x4000_0000  # where a Zynq-7000's processor sees it: its port M_AXI_GP0
IDENTITY = 0x53484D32  # "SHM2": the version of this page too
WINDOW = 0x10000  # bytes of addresses that are decoded; beyond them all accesses are errors
RING = 2048  # bytes of each ring, a power of two: half a block RAM of a Zynq-7000
DOWN, UP = 0x8000, 0xC000  # where the rings lie
POSITIONS = 1 << 16
CHUNKS = 16  # chunks that wait
CHUNK_BYTES = 1 << 20  # bytes of the largest chunk
CHUNK_ALIGNMENT = 8  # of a chunk's first byte: a word of the memory
ROWS_BYTES = 1 << 22  # of memory for rows that stay at the node; they begin at a multiple of it


class MailboxRegister(enum.IntEnum):
    """Addresses of the registers, words of 32 bits that are written whole."""

    IDENTITY = 0x00  # `IDENTITY`, read only
    CONTROL = 0x04  # see `Control`
    DOWN_HEAD = 0x08  # position behind the last byte for the node
    DOWN_TAIL = 0x0C  # position behind the last byte that the node took, read only
    UP_HEAD = 0x10  # position behind the last byte from the node, read only
    UP_TAIL = 0x14  # position behind the last byte that the processor took
    CHUNK_PLACE = 0x18  # address of the next chunk in memory
    CHUNK_COUNT = 0x1C  # bytes of the next chunk; a write lets it wait. Reads: chunks that wait
    CHUNKS_DONE = 0x20  # chunks of which all bytes went to the node, modulo 2^16, read only
    BAD_WORDS = 0x24  # words of memory that came with an error; stops at 2^16 − 1, read only
    ROWS_PLACE = 0x28  # address of `ROWS_BYTES` of memory that are the node's own; 0: none


class Control(enum.IntFlag):
    """Bits of `CONTROL`."""

    MEMORY = 1  # bytes for the node come from memory, not from the ring
    FLUSH = 2  # empties rings and chunks, zeroes positions; reads as 1 until it is done


REGISTER_BYTES = 0x2C
LARGEST = POSITIONS - 1  # of a counter that stops


class MailboxModel:
    """The mailbox, access by access. Model of `gateware.axi.mailbox` and `gateware.axi.chunks`.

    `memory` holds the bytes that chunks are fetched from, by address; an address that it does not
    have is one whose words come with an error, and gives zeros. Time does not pass in it: `take`
    and `give` are the node's side.
    """

    def __init__(self, memory: dict[int, int] | None = None):
        self.memory = memory if memory is not None else {}
        self.bad_words = 0
        self.memory_chosen = False
        self.rows_place = 0
        self._down, self._up = bytearray(RING), bytearray(RING)
        self._flush()

    def _flush(self) -> None:
        self.down_head = self.down_tail = self.up_head = self.up_tail = 0
        self.chunk_address = 0
        self.chunks: deque[bytes] = deque()
        self.chunks_done = 0

    def read(self, address: int) -> tuple[int, bool]:
        """The word at an address that is a multiple of 4, and whether the access was right."""
        if UP <= address < UP + RING:
            return int.from_bytes(self._up[address - UP : address - UP + 4], "little"), True
        if not 0 <= address < REGISTER_BYTES:
            return 0, False
        return {
            MailboxRegister.IDENTITY: IDENTITY,
            MailboxRegister.CONTROL: int(self.memory_chosen),
            MailboxRegister.DOWN_HEAD: self.down_head,
            MailboxRegister.DOWN_TAIL: self.down_tail,
            MailboxRegister.UP_HEAD: self.up_head,
            MailboxRegister.UP_TAIL: self.up_tail,
            MailboxRegister.CHUNK_PLACE: self.chunk_address,
            MailboxRegister.CHUNK_COUNT: len(self.chunks),
            MailboxRegister.CHUNKS_DONE: self.chunks_done,
            MailboxRegister.BAD_WORDS: self.bad_words,
            MailboxRegister.ROWS_PLACE: self.rows_place,
        }[MailboxRegister(address)], True

    def write(self, address: int, word: int, strobe: int = 0b1111) -> bool:
        """Write the bytes of a word that `strobe` names; whether the access was right."""
        if DOWN <= address < DOWN + RING:
            for lane in range(4):
                if strobe >> lane & 1:
                    self._down[address - DOWN + lane] = word >> (8 * lane) & 0xFF
            return True
        if strobe != 0b1111 or not 0 <= address < REGISTER_BYTES:
            return False
        register = MailboxRegister(address)
        if register == MailboxRegister.CONTROL:
            if word > Control.MEMORY | Control.FLUSH:
                return False
            if word & Control.FLUSH:
                self._flush()
            self.memory_chosen = bool(word & Control.MEMORY)
        elif register == MailboxRegister.DOWN_HEAD:
            if word >= POSITIONS or (word - self.down_tail) % POSITIONS > RING:
                return False
            self.down_head = word
        elif register == MailboxRegister.UP_TAIL:
            due = (self.up_head - self.up_tail) % POSITIONS
            if word >= POSITIONS or (word - self.up_tail) % POSITIONS > due:
                return False
            self.up_tail = word
        elif register == MailboxRegister.CHUNK_PLACE:
            if word % CHUNK_ALIGNMENT:
                return False
            self.chunk_address = word
        elif register == MailboxRegister.CHUNK_COUNT:
            if not 1 <= word <= CHUNK_BYTES or len(self.chunks) == CHUNKS:
                return False
            self.chunks.append(self._fetch(self.chunk_address, word))
        elif register == MailboxRegister.ROWS_PLACE:
            if word % ROWS_BYTES:
                return False
            self.rows_place = word
        else:
            return False
        return True

    def _fetch(self, address: int, count: int) -> bytes:
        """The bytes of a chunk, zeros in place of words that come with an error."""
        found = bytearray()
        for at in range(address, address + count, CHUNK_ALIGNMENT):
            word = range(at, at + CHUNK_ALIGNMENT)
            if all(place in self.memory for place in word):
                found += bytes(self.memory[place] for place in word)
            else:
                self.bad_words = min(self.bad_words + 1, LARGEST)
                found += bytes(CHUNK_ALIGNMENT)
        return bytes(found[:count])

    def take(self) -> bytes:
        """All bytes for the node."""
        if self.memory_chosen:
            taken = b"".join(self.chunks)
            self.chunks_done = (self.chunks_done + len(self.chunks)) % POSITIONS
            self.chunks.clear()
            return taken
        count = (self.down_head - self.down_tail) % POSITIONS
        taken = bytes(self._down[(self.down_tail + k) % RING] for k in range(count))
        self.down_tail = self.down_head
        return taken

    def give(self, data: bytes) -> int:
        """Take bytes from the node, as many as find room; return how many."""
        count = min(len(data), RING - (self.up_head - self.up_tail) % POSITIONS)
        for byte in data[:count]:
            self._up[self.up_head % RING] = byte
            self.up_head = (self.up_head + 1) % POSITIONS
        return count
