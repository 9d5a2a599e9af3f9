"""Registers and rings, access by access; the bench `axi_link` plays them against the model."""

from amaranth.lib import stream

from shotveil.gateware.axi.mailbox import Mailbox, chunk
from shotveil.models.host_link.mailbox import (
    BASE,
    CHUNK_BYTES,
    CHUNKS,
    DOWN,
    IDENTITY,
    RING,
    ROWS_BYTES,
    UP,
    Control,
    MailboxRegister,
)
from tests.gateware.axi.driving import read, simulate, write


def test_a_chunk_has_room_for_every_address_and_length():
    layout = chunk()
    assert layout["word"].shape == 29 and 2 ** layout["count"].shape > CHUNK_BYTES


def test_registers_rings_and_what_is_refused():
    dut = Mailbox(BASE)

    async def word(ctx, address):
        (value,), answers = await read(ctx, dut.axi, BASE + address)
        return value, answers == {(9, 0)}

    async def put(ctx, address, value):
        return (await write(ctx, dut.axi, BASE + address, [value]))[1] == 0

    async def bench(ctx):
        assert await word(ctx, MailboxRegister.IDENTITY) == (IDENTITY, True)
        # To the node: bytes move when the head does, and the last of the ring is next to the first.
        assert await put(ctx, DOWN, 0x44332211) and await put(ctx, DOWN + RING - 4, 0x88776655)
        assert not ctx.get(dut.o.valid)
        assert await put(ctx, MailboxRegister.DOWN_HEAD, 4)
        for due in (0x11, 0x22, 0x33, 0x44):
            assert await stream_get(ctx, dut.o) == due
        assert await word(ctx, MailboxRegister.DOWN_TAIL) == (4, True)
        assert not await put(ctx, MailboxRegister.DOWN_HEAD, 4 + RING + 1)
        assert not await put(ctx, MailboxRegister.DOWN_TAIL, 0)
        # From the node.
        for byte in b"abcde":
            await stream_put(ctx, dut.i, byte)
        assert await word(ctx, MailboxRegister.UP_HEAD) == (5, True)
        assert await word(ctx, UP) == (int.from_bytes(b"abcd", "little"), True)
        assert not await put(ctx, MailboxRegister.UP_TAIL, 6)
        assert await put(ctx, MailboxRegister.UP_TAIL, 5)
        # Chunks.
        assert not await put(ctx, MailboxRegister.CHUNK_PLACE, 12)
        assert await put(ctx, MailboxRegister.CHUNK_PLACE, 0x1000)
        ctx.set(dut.chunks.ready, 1)
        seen = []
        for waiting, count, right in ((0, 7, True), (CHUNKS, 7, False), (1, 0, False)):
            ctx.set(dut.waiting, waiting)
            assert await put(ctx, MailboxRegister.CHUNK_COUNT, count) == right
            seen.append(await word(ctx, MailboxRegister.CHUNK_COUNT))
        assert seen == [(0, True), (CHUNKS, True), (1, True)]
        # The memory for rows that stay, which a flush leaves alone.
        assert not await put(ctx, MailboxRegister.ROWS_PLACE, 5 * ROWS_BYTES + 8)
        assert await put(ctx, MailboxRegister.ROWS_PLACE, 5 * ROWS_BYTES)
        # Flush, which lasts as long as the chunks say.
        ctx.set(dut.flushing, 1)
        assert await put(ctx, MailboxRegister.CONTROL, Control.MEMORY | Control.FLUSH)
        assert await word(ctx, MailboxRegister.CONTROL) == (3, True) and ctx.get(dut.memory)
        ctx.set(dut.flushing, 0)
        assert await word(ctx, MailboxRegister.CONTROL) == (1, True)
        for register in ("DOWN_HEAD", "DOWN_TAIL", "UP_HEAD", "UP_TAIL", "CHUNK_PLACE"):
            assert await word(ctx, MailboxRegister[register]) == (0, True)
        assert await word(ctx, MailboxRegister.ROWS_PLACE) == (5 * ROWS_BYTES, True)
        assert ctx.get(dut.rows) == 5 * ROWS_BYTES

    simulate(dut, bench)


async def stream_get(ctx, port: stream.Interface):
    """Take one sample."""
    ctx.set(port.ready, 1)
    (payload,) = await ctx.tick().sample(port.payload).until(port.valid)
    ctx.set(port.ready, 0)
    return payload


async def stream_put(ctx, port: stream.Interface, payload):
    """Give one sample."""
    ctx.set(port.payload, payload)
    ctx.set(port.valid, 1)
    await ctx.tick().until(port.ready)
    ctx.set(port.valid, 0)
