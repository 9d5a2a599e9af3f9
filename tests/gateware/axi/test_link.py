"""Bytes cross between two clocks of different rates, each once, from ring and memory."""

import pytest

from shotveil.gateware.axi.link import AxiLink
from shotveil.models.host_link.mailbox import BASE, DOWN, UP, Control, MailboxRegister
from tests.gateware.axi.driving import memory, read, simulate, write

WORDS = [int.from_bytes(bytes(range(8 * k % 256, 8 * k % 256 + 8)), "little") for k in range(32)]
BYTES = b"".join(word.to_bytes(8, "little") for word in WORDS)


@pytest.mark.parametrize("periods", [(8e-9, 7.1e-9), (8e-9, 20e-9), (8e-9, 3e-9)])
def test_two_clocks(periods):
    dut, got = AxiLink(BASE), []
    answer = bytes(range(100, 160))

    async def put(ctx, address, value):
        assert (await write(ctx, dut.registers, BASE + address, [value], domain="axi"))[1] == 0

    async def processor(ctx):
        for k in range(4):
            await put(ctx, DOWN + 4 * k, int.from_bytes(BYTES[4 * k : 4 * k + 4], "little"))
        await put(ctx, MailboxRegister.DOWN_HEAD, 16)
        tail = 0
        while tail != 16:  # the ring is done before the memory's turn
            (tail,), _ = await read(
                ctx, dut.registers, BASE + MailboxRegister.DOWN_TAIL, domain="axi"
            )
        await ctx.tick("axi").repeat(20)
        await put(ctx, MailboxRegister.CONTROL, Control.MEMORY)
        await put(ctx, MailboxRegister.CHUNK_PLACE, 64)
        await put(ctx, MailboxRegister.CHUNK_COUNT, 77)
        head = 0
        while head != len(answer):
            (head,), _ = await read(
                ctx, dut.registers, BASE + MailboxRegister.UP_HEAD, domain="axi"
            )
        words, _ = await read(ctx, dut.registers, BASE + UP, 15, domain="axi")
        assert b"".join(word.to_bytes(4, "little") for word in words) == answer

    async def node(ctx):
        ctx.set(dut.o.ready, 1)
        while len(got) < 16 + 77:
            (byte,) = await ctx.tick().sample(dut.o.payload).until(dut.o.valid)
            got.append(byte)
        for byte in answer:
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    simulate(
        dut, processor, node, clocks=("sync", "axi"), periods=periods,
        background=[memory(dut.memory, WORDS, latency=9, domain="axi")],
    )  # fmt: skip
    assert bytes(got) == BYTES[:16] + BYTES[64:141]
