"""The device's end of the host link, which carries out requests.

Model: `models.host_link.endpoint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link import payloads
from shotveil.gateware.host_link.credits import LIMIT_BITS, Credits
from shotveil.gateware.host_link.register_bus import RegisterBus
from shotveil.gateware.primitives.counter import EventCounter
from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.gateware.primitives.pipeline import flow
from shotveil.models.host_link.endpoint import require_shape
from shotveil.models.host_link.packet import ADDRESSES, MAX_WORDS, Op, Status, hello_word

COUNTERS = ("link_repeated", "link_gap", "link_accepted")


def inside(write_ports: int, read_ports: int) -> dict[str, Any]:
    """Ports that connect the link to the inside of the node.

    * `bus`: the register bus, as its master.
    * `write_<n>`: words from the host, offered only if `room_<n>` said that there is room for all
      words of their request.
    * `read_<n>`: words to the host; `available_<n>` of them come without waiting.
    * Room and availability may be up to 4 clocks late after the last word.
    * `alive`: pulses for each request that was carried out or answered again.
    * `fault`: pulses when a session ends because another host, or the same after a restart, sends
      HELLO. The host that started the current batch is then gone.
    """
    words = stream.Signature(32)
    return {
        "bus": Out(RegisterBus()),
        **{f"write_{n}": Out(words) for n in range(write_ports)},
        **{f"room_{n}": In(LIMIT_BITS) for n in range(write_ports)},
        **{f"read_{n}": In(words) for n in range(read_ports)},
        **{f"available_{n}": In(LIMIT_BITS) for n in range(read_ports)},
        "alive": Out(1),
        "fault": Out(1),
    }


class Endpoint(wiring.Component):
    """Carries out requests in order, each once; it keeps the last `window` responses to resend.

    * `i`, `words`: headers and words of good requests. `o`, `o_words`: headers and words of
      responses. The members of `inside` are where requests act.
    * A request with the next number is carried out; words go to a write port and to registers at
      one a clock, from a read port at one in two, from registers at one in
      `RegisterBank.latency` + 1. The
      next request is carried out while the response to this one leaves.
    * Counters as in the model, see `EventCounter`; `clear` sets them to zero.
    * Latency: `latency` clocks from a header to that of its response, and one for each word.
    * Takes `window` × 256 words of block RAM.
    """

    latency = 6

    def __init__(self, write_ports: int, read_ports: int, window: int):
        require_shape(write_ports, read_ports, window)
        self._write_ports = write_ports
        self._read_ports = read_ports
        self._window = window
        words = stream.Signature(32)
        super().__init__(
            {
                "i": In(stream.Signature(payloads.request())),
                "words": In(words),
                "o": Out(stream.Signature(payloads.response())),
                "o_words": Out(words),
                **inside(write_ports, read_ports),
                "clear": In(1),
                **{name: Out(payloads.COUNTERS[name]) for name in COUNTERS},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        window = self._window
        slot_bits = (window - 1).bit_length()
        writes = [getattr(self, f"write_{n}") for n in range(self._write_ports)]
        reads = [getattr(self, f"read_{n}") for n in range(self._read_ports)]
        rooms = [getattr(self, f"room_{n}") for n in range(self._write_ports)]
        availables = [getattr(self, f"available_{n}") for n in range(self._read_ports)]

        request = Signal(payloads.request(), reset_less=True)
        response = Signal(payloads.response(), reset_less=True)
        left = Signal(payloads.COUNT)  # words of the request that were not taken yet
        slot = request.seq[:slot_bits]

        session = Signal()
        nonce = Signal(32, reset_less=True)
        expected = Signal(8)
        stored = Signal(range(window + 1))  # responses that are kept
        told = Signal()  # that there is a gap

        # Response store: words in block RAM, written a clock later; headers beside it.
        # One memory per byte avoids a multiplexer after the block RAMs, which are slow already.
        stores = [
            Memory(shape=8, depth=window * MAX_WORDS, init=[], attrs=NO_COLLISIONS)
            for _ in range(4)
        ]
        for n, store in enumerate(stores):
            m.submodules[f"store_{n}"] = store
        store_writes = [store.write_port() for store in stores]
        store_reads = [store.read_port() for store in stores]
        kept = data.StructLayout({"op": 7, "status": 3, "credit": 16, "count": payloads.COUNT})
        m.submodules.headers = headers = Memory(shape=kept, depth=window, init=[])
        headers_write, headers_read = headers.write_port(), headers.read_port(domain="comb")
        put = Signal()
        # What can be put: words of read ports, of a register, and the two of HELLO.
        shape = hello_word(window, self._write_ports, self._read_ports)
        got = Signal()  # a word of the port that is read from, which may be far away
        got_word = Signal(32, reset_less=True)
        sources = Array([got_word, self.bus.r_data, nonce, C(shape, 32)])
        port, register, first, second = range(len(sources))
        source = Signal(range(len(sources)), reset_less=True)
        put_en = Signal()
        put_addr = Signal(slot_bits + 8, reset_less=True)
        put_word = Signal(32, reset_less=True)
        m.d.sync += [
            put_en.eq(put),
            put_addr.eq(Cat(response.count[:8], slot)),
            put_word.eq(sources[source]),
        ]
        with m.If(put):
            m.d.sync += response.count.eq(response.count + 1)
        reading, reading_slot = self._reader(m, store_reads, slot)
        slot_busy = Signal()
        m.d.sync += slot_busy.eq(reading & (reading_slot == slot))
        m.d.comb += [
            *(port.en.eq(put_en) for port in store_writes),
            *(port.addr.eq(put_addr) for port in store_writes),
            Cat(port.data for port in store_writes).eq(put_word),
            headers_write.addr.eq(slot),
            headers_read.addr.eq(slot),
            *(headers_write.data[name].eq(response[name]) for name, _ in kept),
            self.o.p.eq(response),
        ]

        # What is asked, in registers.
        behind = Signal(8, reset_less=True)
        op = {name: Signal(name=f"is_{name.name.lower()}", reset_less=True) for name in Op}
        greeting = Signal(reset_less=True)
        asks = Signal(reset_less=True)
        gives = Signal(reset_less=True)
        low_address = Signal(reset_less=True)
        beyond = Signal(range(2 * ADDRESSES), reset_less=True)
        to_port = Signal(reset_less=True)
        from_port = Signal(reset_less=True)
        room = Signal(LIMIT_BITS, reset_less=True)  # of the write port
        level = Signal(LIMIT_BITS, reset_less=True)  # of words at the read port
        permitted = Signal(reset_less=True)
        repeated = Signal(reset_less=True)
        is_next = Signal(reset_less=True)
        same = Signal(reset_less=True)
        rest = Signal(LIMIT_BITS, reset_less=True)  # of the level, if all is taken
        fewer = Signal(reset_less=True)  # words are there than asked for
        chosen_write = Signal(len(writes), reset_less=True)  # one-hot
        chosen_read = Signal(len(reads), reset_less=True)
        sending = Signal(len(writes))  # the one that words go to now
        receiving = Signal(len(reads))
        address = Signal(range(ADDRESSES), reset_less=True)
        remaining = Signal(payloads.COUNT, reset_less=True)  # words of the response to come
        applied = Signal()
        is_repeat = Signal()
        silent = Signal()

        m.submodules.credits = credits = Credits(self._write_ports)
        m.d.comb += [
            credits.port.eq(request.target),
            credits.count.eq(request.words),
            credits.room.eq(room),
            self.bus.address.eq(address),
            self.bus.w_data.eq(self.words.p),
            *(port.payload.eq(self.words.p) for port in writes),
            # Registers of their own, instead of the state, drive the ports, which are far away.
            Cat(port.valid for port in writes).eq(Mux(self.words.valid, sending, 0)),
            Cat(port.ready for port in reads).eq(Mux(got, 0, receiving)),
        ]
        m.d.sync += [
            got.eq((Cat(port.valid for port in reads) & receiving).any() & ~got),
            got_word.eq(_chosen([port.p for port in reads], receiving)),
        ]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += left.eq(left - 1)
        last = Signal()
        m.d.comb += last.eq(remaining == 1)
        events = {name: Signal(name=f"one_{name}") for name in COUNTERS}

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [request.eq(self.i.p), left.eq(self.i.p.words)]
                with m.If(self.i.valid):
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.d.sync += [
                    *(flag.eq(request.op == name) for name, flag in op.items()),
                    behind.eq(expected - request.seq),
                    asks.eq((request.words == 0) & _below(request.count, MAX_WORDS + 1)),
                    gives.eq(request.words == request.count),
                    low_address.eq(_below(request.target, ADDRESSES)),
                    beyond.eq(request.target[:12] + request.count[: payloads.COUNT]),
                    to_port.eq(_below(request.target, self._write_ports)),
                    from_port.eq(_below(request.target, self._read_ports)),
                    greeting.eq(
                        (request.op == Op.HELLO) & (request.words == 1) & (request.count == 1)
                    ),
                    address.eq(request.target),
                    chosen_write.eq(1 << _index(request.target, writes)),
                    chosen_read.eq(1 << _index(request.target, reads)),
                ]
                m.next = "JUDGE"
            with m.State("JUDGE"):
                mapped = low_address & (beyond <= ADDRESSES)
                m.d.sync += [
                    permitted.eq(
                        (op[Op.READ] & asks & mapped)
                        | (op[Op.WRITE] & gives & mapped)
                        | (op[Op.SEND] & gives & to_port)
                        | (op[Op.RECEIVE] & asks & from_port)
                    ),
                    repeated.eq((behind != 0) & (behind <= stored)),
                    is_next.eq(behind == 0),
                    # The ports are far away, so this is the last clock in which it can be done.
                    room.eq(_chosen(rooms, chosen_write)),
                    level.eq(_chosen(availables, chosen_read)),
                    same.eq(session & (self.words.p == nonce)),
                    response.seq.eq(request.seq),
                    response.op.eq(request.op),
                    response.status.eq(Status.OK),
                    response.credit.eq(0),
                    response.count.eq(0),
                    applied.eq(0),
                    is_repeat.eq(0),
                    silent.eq(0),
                ]
                # A nonce stays at the head of the words until all of them are dropped.
                with m.If(~greeting | self.words.valid):
                    m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.sync += Cat(rest, fewer).eq(level - request.count)
                with m.If(greeting & ~same):
                    m.next = "OPEN"
                with m.Elif(session & repeated):
                    m.next = "REPLAY"
                with m.Elif(session & is_next & ~greeting):
                    m.next = "START"
                with m.Else():
                    m.next = "GAP"

            with m.State("OPEN"), m.If(~slot_busy):
                m.d.comb += [credits.clear.eq(1), self.fault.eq(session)]
                m.d.sync += [session.eq(1), nonce.eq(self.words.p), stored.eq(0), applied.eq(1)]
                m.d.sync += source.eq(first)
                m.next = "INTRODUCE"
            with m.State("INTRODUCE"):
                m.d.comb += put.eq(1)
                m.d.sync += source.eq(second)
                with m.If(source == second):
                    m.next = "DRAIN"

            with m.State("REPLAY"):
                m.d.comb += events["link_repeated"].eq(1)
                m.d.sync += is_repeat.eq(1)
                m.d.sync += [response[name].eq(headers_read.data[name]) for name, _ in kept]
                m.next = "DRAIN"

            with m.State("GAP"):
                m.d.comb += events["link_gap"].eq(1)
                m.d.sync += [
                    response.seq.eq(expected),
                    response.status.eq(Mux(session, Status.GAP, Status.NO_SESSION)),
                    silent.eq(told),
                    told.eq(1),
                ]
                m.next = "DRAIN"

            with m.State("START"), m.If(~slot_busy):
                m.d.sync += [
                    applied.eq(1),
                    remaining.eq(Mux(op[Op.RECEIVE] & fewer, level, request.count)),
                    source.eq(Mux(op[Op.READ], register, port)),
                ]
                m.next = "DRAIN"
                with m.If(~permitted):
                    m.d.sync += response.status.eq(Status.REFUSED)
                with m.Elif(op[Op.READ]), m.If(request.count != 0):
                    m.next = "READ"
                with m.Elif(op[Op.WRITE]):
                    m.next = "WRITE"
                with m.Elif(op[Op.SEND]):
                    m.d.sync += response.credit.eq(credits.limit)
                    with m.If(credits.fits):
                        m.d.comb += credits.take.eq(1)
                        m.d.sync += sending.eq(chosen_write)
                        m.next = "SEND"
                    with m.Else():
                        m.d.sync += response.status.eq(Status.FULL)
                with m.Else():
                    m.d.sync += response.credit.eq(Mux(fewer, 0, rest))
                    with m.If((request.count != 0) & (level != 0)):
                        m.d.sync += receiving.eq(chosen_read)
                        m.next = "RECEIVE"

            with m.State("READ"):
                m.d.comb += self.bus.r_strobe.eq(1)
                m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += put.eq(self.bus.r_valid)
                with m.If(self.bus.r_valid):
                    m.d.sync += [address.eq(address + 1), remaining.eq(remaining - 1)]
                    m.next = "READ"
                    with m.If(last):
                        m.next = "DRAIN"
            with m.State("WRITE"):
                m.d.comb += [self.words.ready.eq(1), self.bus.w_strobe.eq(self.words.valid)]
                with m.If(self.words.valid):
                    m.d.sync += address.eq(address + 1)
                with m.If(left == 0):
                    m.next = "DRAIN"
            with m.State("SEND"):
                m.d.comb += self.words.ready.eq((Cat(p.ready for p in writes) & sending).any())
                with m.If(left == 0):
                    m.d.sync += sending.eq(0)
                    m.next = "DRAIN"
            with m.State("RECEIVE"):
                m.d.comb += put.eq(got)
                with m.If(put):
                    m.d.sync += remaining.eq(remaining - 1)
                    with m.If(last):
                        m.d.sync += receiving.eq(0)
                        m.next = "DRAIN"

            # Drop the words that were not used; then send the response.
            with m.State("DRAIN"):
                m.d.comb += self.words.ready.eq(1)
                with m.If(left == 0):
                    m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += [self.o.valid.eq(~silent), headers_write.en.eq(applied)]
                with m.If(self.o.ready | silent):
                    m.next = "IDLE"
                    m.d.comb += self.alive.eq(applied | is_repeat)
                with m.If(self.o.ready & applied):
                    m.d.comb += events["link_accepted"].eq(1)
                    m.d.sync += [expected.eq(request.seq + 1), told.eq(0)]
                    with m.If(stored != window):
                        m.d.sync += stored.eq(stored + 1)

        for name, event in events.items():
            m.submodules[name] = counter = EventCounter(payloads.COUNTERS[name])
            m.d.comb += [
                counter.event.eq(event),
                counter.clear.eq(self.clear),
                getattr(self, name).eq(counter.count),
            ]
        return m

    def _reader(self, m: Module, ports: Sequence[Any], slot: Value) -> tuple[Value, Value]:
        """Send the words of a response after its header; return whether, and from which slot."""
        addresses = stream.Signature(len(ports[0].addr)).create()
        enable = flow(m, addresses, self.o_words, latency=2)
        word = Signal(32, reset_less=True)
        reading = Signal()
        current = Signal.like(slot, reset_less=True)
        index = Signal(range(MAX_WORDS), reset_less=True)
        unread = Signal(payloads.COUNT, reset_less=True)
        m.d.comb += [
            addresses.payload.eq(Cat(index, current)),
            addresses.valid.eq(reading),
            *(port.addr.eq(addresses.payload) for port in ports),
            *(port.en.eq(enable) for port in ports),
            self.o_words.payload.eq(word),
        ]
        with m.If(enable):
            m.d.sync += word.eq(Cat(port.data for port in ports))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                reading.eq(self.o.p.count != 0),
                current.eq(slot),
                index.eq(0),
                unread.eq(self.o.p.count),
            ]
        with m.Elif(reading & addresses.ready):
            m.d.sync += [index.eq(index + 1), unread.eq(unread - 1), reading.eq(unread != 1)]
        return reading, current


def _index(target: Value, ports: Sequence[Any]) -> Value:
    """The bits of a request's target that are needed to tell the ports apart."""
    return target[: max(1, (len(ports) - 1).bit_length())]


def _chosen(values: Sequence[Value], which: Value) -> Value:
    """The value whose bit in `which` is high, or zero if none is."""
    found: Value = C(0)
    for value, bit in zip(values, which, strict=True):
        found = found | Mux(bit, value, 0)
    return found


def _below(value: Value, limit: int) -> Value:
    """`value < limit`, without a carry chain over the bits that must be zero anyway."""
    width = (limit - 1).bit_length()
    return ~value[width:].any() & (value[:width] < limit)
