"""Bytes of chunks, zeros where memory fails, and counts of both."""

from shotveil.gateware.axi.chunks import Chunks
from tests.gateware.axi.driving import memory, simulate

WORDS = [
    int.from_bytes(bytes((8 * k + n) % 251 + 1 for n in range(8)), "little") for k in range(99)
]
BYTES = b"".join(word.to_bytes(8, "little") for word in WORDS)


def test_chunks_of_any_length_follow_each_other():
    dut, got, bad = Chunks(), [], {3, 40}
    chunks = [(0, 1), (2, 23), (5, 8), (30, 200), (90, 3)]

    async def ask(ctx):
        for word, count in chunks:
            ctx.set(dut.i.p, {"word": word, "count": count})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def take(ctx):
        ctx.set(dut.o.ready, 1)
        clock = 0
        while len(got) < sum(count for _, count in chunks):
            _, _, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                got.append(byte)
            clock += 1
            assert clock < 2000
        await ctx.tick()
        assert clock < len(got) + 60  # a byte a clock
        assert (ctx.get(dut.done), ctx.get(dut.waiting)) == (len(chunks), 0)
        assert ctx.get(dut.bad_words) == 2
        # Flushed amid a chunk: nothing is left, and the next chunk begins at its first byte.
        ctx.set(dut.i.p, {"word": 7, "count": 500})
        ctx.set(dut.i.valid, 1)
        await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(30)
        ctx.set(dut.flush, 1)
        await ctx.tick()
        ctx.set(dut.flush, 0)
        await ctx.tick().until(~dut.flushing)
        assert (ctx.get(dut.done), ctx.get(dut.waiting)) == (0, 0)
        ctx.set(dut.i.p, {"word": 50, "count": 2})
        ctx.set(dut.i.valid, 1)
        await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        for due in BYTES[400:402]:
            (byte,) = await ctx.tick().sample(dut.o.payload).until(dut.o.valid)
            assert byte == due

    simulate(dut, ask, take, background=[memory(dut.axi, WORDS, bad=bad, latency=20)])
    due = b""
    for word, count in chunks:
        piece = bytearray(BYTES[8 * word : 8 * word + count])
        for lost in bad:
            begin = max(0, 8 * (lost - word))
            if 8 * (lost - word) >= 0 and begin < count:
                piece[begin : begin + 8] = bytes(len(piece[begin : begin + 8]))
        due += piece
    assert bytes(got) == due
