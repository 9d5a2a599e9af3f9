"""A processor and its memory for Amaranth's simulator, a transfer at a time."""

from amaranth.sim import Simulator


def simulate(dut, *benches, clocks=("sync",), periods=(8e-9,), background=()):
    """Run testbenches on a component until all of them end."""
    simulator = Simulator(dut)
    for domain, period in zip(clocks, periods, strict=True):
        simulator.add_clock(period, domain=domain)
    for process in background:
        simulator.add_testbench(process, background=True)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


async def write(ctx, axi, address, words, *, name=5, burst=1, size=2, lanes=15, domain="sync"):
    """Write a burst; the identifier and the answer that come back."""
    ctx.set(axi.awid, name)
    ctx.set(axi.awaddr, address)
    ctx.set(axi.awlen, len(words) - 1)
    ctx.set(axi.awsize, size)
    ctx.set(axi.awburst, burst)
    ctx.set(axi.awvalid, 1)
    await ctx.tick(domain).until(axi.awready)
    ctx.set(axi.awvalid, 0)
    for k, word in enumerate(words):
        ctx.set(axi.wdata, word)
        ctx.set(axi.wstrb, lanes)
        ctx.set(axi.wlast, k == len(words) - 1)
        ctx.set(axi.wvalid, 1)
        await ctx.tick(domain).until(axi.wready)
    ctx.set(axi.wvalid, 0)
    ctx.set(axi.bready, 1)
    found = await ctx.tick(domain).sample(axi.bid, axi.bresp).until(axi.bvalid)
    ctx.set(axi.bready, 0)
    return found


async def read(ctx, axi, address, count=1, *, name=9, burst=1, size=2, domain="sync"):
    """Read a burst: its words, and the set of identifiers and answers that came."""
    ctx.set(axi.arid, name)
    ctx.set(axi.araddr, address)
    ctx.set(axi.arlen, count - 1)
    ctx.set(axi.arsize, size)
    ctx.set(axi.arburst, burst)
    ctx.set(axi.arvalid, 1)
    await ctx.tick(domain).until(axi.arready)
    ctx.set(axi.arvalid, 0)
    ctx.set(axi.rready, 1)
    words, answers, last = [], set(), 0
    while not last:
        word, got, resp, last = (
            await ctx.tick(domain)
            .sample(axi.rdata, axi.rid, axi.rresp, axi.rlast)
            .until(axi.rvalid)
        )
        words.append(word)
        answers.add((got, resp))
    ctx.set(axi.rready, 0)
    assert len(words) == count
    return words, answers


def memory(axi, content, *, bad=(), latency=0, domain="sync"):
    """A process that answers reads of words of 8 bytes, in order, after some clocks."""

    async def run(ctx):
        asked, clock = [], 0
        ctx.set(axi.arready, 1)
        while True:
            if asked and asked[0][0] <= clock:
                _, at, last = asked[0]
                ctx.set(axi.rdata, content[at])
                ctx.set(axi.rresp, 2 if at in bad else 0)
                ctx.set(axi.rlast, last)
                ctx.set(axi.rvalid, 1)
            else:
                ctx.set(axi.rvalid, 0)
            _, _, valid, at, count, given = await ctx.tick(domain).sample(
                axi.arvalid, axi.araddr, axi.arlen, axi.rvalid
            )
            if given:
                asked.pop(0)
            if valid:
                first = at >> 3
                due = max(clock + 1 + latency, asked[-1][0] + 1 if asked else 0)
                asked += [(due + k, first + k, k == count) for k in range(count + 1)]
            clock += 1

    return run
