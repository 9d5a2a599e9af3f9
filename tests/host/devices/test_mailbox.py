"""The processor's side of the mailbox against its model: each byte once, by ring and by memory."""

import numpy as np
import pytest

from shotveil.host.devices import mailbox as room
from shotveil.host.devices.mailbox import (
    MailboxError,
    MappedView,
    NodeMailbox,
    reserved_buffer,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.mailbox import CHUNKS, RING, ROWS_BYTES, MailboxRegister
from tests.host.devices.boarding import ADDRESS, ModelRegisters, PlainMemory

SIZE = 64 * 4 * CHUNKS


class Echo:
    """A device that sends back what it hears."""

    def __init__(self):
        self.heard = b""

    def feed(self, data):
        self.heard += data
        return data


def opened(way):
    """A mailbox with an echo behind it: by the ring, or by a buffer."""
    memory = PlainMemory(SIZE) if way == "memory" else None
    registers = ModelRegisters(Echo(), memory)
    buffer = (memory, ADDRESS, SIZE) if memory else ()
    return NodeMailbox(registers, *buffer), registers


@pytest.mark.parametrize("way", ["ring", "memory"])
def test_bytes_go_there_and_back(way):
    mailbox, registers = opened(way)
    rng = np.random.default_rng(1)
    sent = got = b""
    for _ in range(300):
        data = rng.integers(0, 256, int(rng.integers(1, 900)), dtype=np.uint8).tobytes()
        registers.asleep = bool(rng.random() < 0.5)
        sent += data[: mailbox.put(data)]
        got += mailbox.take()
    registers.asleep = False
    while more := mailbox.take():
        got += more
    assert registers.device.heard == sent == got and len(sent) > 40_000


@pytest.mark.parametrize(
    ("address", "size", "place"),
    [
        (0x100_0000, 32 << 20, 0x140_0000),  # the vendor's buffer: slots take its first MiB
        (0x100_0000, 8 << 20, 0x140_0000),
        (0x100_0000, (8 << 20) - 64, 0),
        (0x1010_0000, 16 << 20, 0x1040_0000),
        (0x1030_0000, 16 << 20, 0x1040_0000),
        (0x1030_0040, 16 << 20, 0x1080_0000),  # the slots end behind the first place
    ],
)
def test_rows_that_stay_get_memory_that_carries_no_bytes(address, size, place):
    registers = ModelRegisters(Echo(), PlainMemory(1 << 20))
    mailbox = NodeMailbox(registers, registers.memory, address, size)
    assert mailbox.rows_place == registers.model.rows_place == place
    assert not place or (place >= address + (1 << 20) and place + ROWS_BYTES <= address + size)
    assert NodeMailbox(ModelRegisters(Echo())).rows_place == 0


@pytest.mark.parametrize(("way", "room"), [("ring", RING), ("memory", SIZE)])
def test_a_node_that_takes_nothing_holds_the_bytes_back(way, room):
    mailbox, registers = opened(way)
    registers.asleep = True
    given = 0
    while count := mailbox.put(bytes(room + 100)):
        given += count
    assert given == room
    registers.step()
    assert mailbox.put(b"abc") == 3


def test_what_was_fetched_is_wiped_before_its_place_is_used_again():
    """A node that reads too early finds zeros, never a packet that it had before."""
    mailbox, registers = opened("memory")
    for k in range(3 * CHUNKS):
        mailbox.put(bytes([1 + k % 255]) * 50)
        registers.step()
        # The other slots are empty, but for the one that is not yet known to be done.
        assert len(set(bytes(registers.memory.data)) - {0}) <= 1
    mailbox.put(b"")
    assert not any(registers.memory.data)


def test_a_flush_forgets_both_directions():
    for way in ("ring", "memory"):
        mailbox, registers = opened(way)
        registers.asleep = True
        mailbox.put(b"old")
        registers.model.give(b"old too")
        mailbox.flush()
        registers.asleep = False
        assert mailbox.take() == b"" and registers.device.heard == b""
        mailbox.put(b"new")
        assert mailbox.take() == b"new"


def test_what_is_no_mailbox_and_what_hangs(monkeypatch):
    with pytest.raises(MailboxError, match=r"no mailbox of Shotveil \(00000000 instead of"):
        NodeMailbox(PlainMemory(1 << 16))

    class Hanging(ModelRegisters):
        def word(self, address):
            return 3 if address == MailboxRegister.CONTROL else super().word(address)

    monkeypatch.setattr(room, "FLUSH_SECONDS", 0.01)
    with pytest.raises(MailboxError, match="S_AXI_HP0 is not set up"):
        NodeMailbox(Hanging(Echo()))
    with pytest.raises(RangeError, match="buffer_size = 1000; allowed: 1024 bytes or more"):
        NodeMailbox(ModelRegisters(Echo()), PlainMemory(1000), ADDRESS, 1000)


def test_a_buffer_that_is_no_memory():
    memory = PlainMemory(SIZE)
    mailbox = NodeMailbox(ModelRegisters(Echo(), memory), memory, ADDRESS, SIZE)
    memory.write = lambda address, data: None
    with pytest.raises(MailboxError, match="is it memory"):
        mailbox.put(b"abc")


def test_a_file_is_mapped(tmp_path):
    path = tmp_path / "mem"
    path.write_bytes(bytes(3 * 4096))
    view = MappedView(str(path), 4096, 4096)
    view.set_word(8, 0x12345678)
    view.write(13, b"xyz")
    assert path.read_bytes()[4104:4108] == bytes.fromhex("78563412")
    assert view.word(8) == 0x12345678 and view.read(12, 5) == b"\0xyz\0"
    with pytest.raises(OSError):
        MappedView(str(tmp_path / "none"), 0, 4096)


def test_only_what_the_device_tree_reserves_for_it_is_a_buffer(tmp_path):
    assert reserved_buffer(tmp_path / "none") is None and reserved_buffer(tmp_path) is None
    for name, reg in (
        ("linux,cma", "1f000000 01000000"),
        ("buffer@1000000", "01000000 00200000"),
        ("labuf@a000000", "0a000000 02000000"),
        ("buffer@2000000", "00000000 02000000 00000000 80000000"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "reg").write_bytes(bytes.fromhex(reg))
    assert reserved_buffer(tmp_path) == (0x0A00_0000, 0x0200_0000)
