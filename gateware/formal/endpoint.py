"""Proof: each request is carried out exactly once, however often it is sent, and answered alike.

The bench keeps what a host knows of the session: the next number, and the last responses. From
them alone it says of each request what must become of it, and counts the words that it moves.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.gateware.host_link import payloads
from shotveil.gateware.host_link.credits import LIMIT_BITS
from shotveil.models.host_link.packet import MAX_WORDS, Op, Status

WINDOW = 2
# The states of the endpoint, in the order in which its source names them.
STATES = ("IDLE", "DECODE", "JUDGE", "DECIDE", "OPEN", "REPLAY", "START", "GAP", "INTRODUCE",
          "DRAIN", "READ", "WRITE", "SEND", "RECEIVE", "ANSWER", "RESPOND")  # fmt: skip
REQUEST, RESPONSE = payloads.request(), payloads.response()
KEPT = data.StructLayout({name: shape for name, shape in RESPONSE.members.items() if name != "seq"})
OPS = (Op.READ, Op.WRITE, Op.SEND, Op.RECEIVE)
# The bench's inputs that show the block's internal signals, all by their own names.
INSIDE = {
    "fsm_state": 4, "request": REQUEST.size, "response": RESPONSE.size, "left": payloads.COUNT,
    "session": 1, "nonce": 32, "expected": 8, "stored": WINDOW.bit_length(), "told": 1,
    "applied": 1, "is_repeat": 1, "silent": 1, "behind": 8, "greeting": 1, "gives": 1,
    "permitted": 1, "source": 2, "sending": 1, "receiving": 1, "got": 1, "chosen_write": 1,
    "chosen_read": 1, **{f"is_{op.name.lower()}": 1 for op in OPS},
}  # fmt: skip


class Fate(enum.Enum, shape=2):  # type: ignore[call-arg]
    """What must become of a request."""

    OPENS = 0  # it opens a session
    REPEATS = 1  # it was carried out before, and its response is sent again
    ACTS = 2  # it is the next, and is carried out
    FAILS = 3  # it is neither, and only the first of several is answered


class EndpointBench(wiring.Component):
    """Any request at any time; a request's words come after its header, at any pace."""

    def __init__(self, block: ModuleType):
        self.dut = block.Endpoint(1, 1, WINDOW)
        super().__init__(
            {
                "header": In(REQUEST),
                "offered": In(1),
                "word": In(32),
                "word_offered": In(1),
                "greets_with": In(32),
                "taken": In(1),
                "words_taken": In(1),
                "sink_ready": In(1),
                "source_valid": In(1),
                "answered": In(1),
                "room": In(LIMIT_BITS),
                "available": In(LIMIT_BITS),
                **{f"in_{name}": In(width) for name, width in INSIDE.items()},
                **{f"in_headers_{n}": In(KEPT.size) for n in range(WINDOW)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        asked, busy = Signal(REQUEST), Signal()
        due = Signal(payloads.COUNT)  # words of the request that were not taken yet
        given, got = Signal(payloads.COUNT), Signal(payloads.COUNT)  # words that it moved
        hello = (asked.op == Op.HELLO) & (asked.words == 1) & (asked.count == 1)
        m.d.comb += [
            Assume(~ResetSignal()),  # memories have none
            Assume(self.header.words <= MAX_WORDS),
            dut.i.valid.eq(self.offered),
            dut.i.payload.eq(self.header),
            dut.words.valid.eq(self.word_offered & (due != 0)),
            dut.words.payload.eq(Mux(hello, self.greets_with, self.word)),
            dut.o.ready.eq(self.taken),
            dut.o_words.ready.eq(self.words_taken),
            dut.write_0.ready.eq(self.sink_ready),
            dut.read_0.valid.eq(self.source_valid),
            dut.bus.r_valid.eq(self.answered),
            dut.room_0.eq(self.room),
            dut.available_0.eq(self.available),
        ]
        greeted = Signal(32)
        waits = Signal()  # a word waits to be taken
        m.d.sync += [
            greeted.eq(self.greets_with),
            waits.eq(dut.words.valid & ~dut.words.ready),
        ]
        with m.If(busy):
            m.d.comb += Assume(self.greets_with == greeted)
        with m.If(waits):
            m.d.comb += Assume(self.word_offered)

        # What the host knows, and what must become of the request.
        session, nonce, expected = Signal(), Signal(32), Signal(8)
        stored, told = Signal(range(WINDOW + 1)), Signal()
        kept = Array(Signal(KEPT.size, name=f"kept_{n}") for n in range(WINDOW))
        behind = Signal(8)
        fate = Signal(Fate)
        m.d.comb += behind.eq(expected - asked.seq)
        with m.If(hello & ~(session & (self.greets_with == nonce))):
            m.d.comb += fate.eq(Fate.OPENS)
        with m.Elif(session & (behind != 0) & (behind <= stored)):
            m.d.comb += fate.eq(Fate.REPEATS)
        with m.Elif(session & (behind == 0) & ~hello):
            m.d.comb += fate.eq(Fate.ACTS)
        with m.Else():
            m.d.comb += fate.eq(Fate.FAILS)
        acts = busy & (fate == Fate.ACTS)

        # Whatever moves a word belongs to such a request, and is what it asks for.
        sent = dut.write_0.valid & dut.write_0.ready
        received = dut.read_0.valid & dut.read_0.ready
        for effect, op in (
            (dut.bus.r_strobe, Op.READ),
            (dut.bus.w_strobe, Op.WRITE),
            (dut.write_0.valid, Op.SEND),
            (dut.read_0.ready, Op.RECEIVE),
        ):
            with m.If(effect):
                m.d.comb += [Assert(acts), Assert(asked.op == op)]
        with m.If(dut.bus.w_strobe):
            m.d.comb += Assert(dut.bus.w_data == self.word)
        with m.If(sent):
            m.d.comb += Assert(dut.write_0.payload == self.word)
        m.d.comb += Assert(~(dut.bus.w_strobe | dut.write_0.valid) | (given < asked.count))
        m.d.comb += Assert(~dut.fault | (busy & session & (fate == Fate.OPENS)))

        # Each request has one response, but for all failing ones behind the first.
        response, slot = dut.o.payload, asked.seq[0]
        quiet = (fate == Fate.FAILS) & told
        ends = Signal()
        m.d.comb += [
            Assert(~dut.o.valid | (busy & ~quiet)),
            ends.eq((dut.o.valid & dut.o.ready) | (busy & quiet & self._in("RESPOND"))),
            Assert(dut.i.ready == ~busy),
        ]
        with m.If(dut.o.valid), m.Switch(fate):
            with m.Case(Fate.OPENS):
                m.d.comb += [
                    Assert(response.seq == asked.seq),
                    Assert(response.status == Status.OK),
                    Assert(response.count == 2),
                ]
            with m.Case(Fate.REPEATS):
                m.d.comb += [
                    Assert(response.seq == asked.seq),
                    Assert(_kept(response) == kept[slot]),
                ]
            with m.Case(Fate.ACTS):
                m.d.comb += [
                    Assert(response.seq == asked.seq),
                    Assert(response.op == asked.op[:7]),
                ]
                self._moved(m, asked, response, given, got)
            with m.Case(Fate.FAILS):
                m.d.comb += [
                    Assert(response.seq == expected),
                    Assert(response.status == Mux(session, Status.GAP, Status.NO_SESSION)),
                    Assert(response.count == 0),
                ]

        with m.If(dut.i.valid & dut.i.ready):
            m.d.sync += [asked.eq(self.header), busy.eq(1), due.eq(self.header.words)]
            m.d.sync += [given.eq(0), got.eq(0)]
        with m.If(dut.words.valid & dut.words.ready):
            m.d.sync += due.eq(due - 1)
        with m.If(dut.bus.w_strobe | sent):
            m.d.sync += given.eq(given + 1)
        with m.If(dut.bus.r_strobe | received):
            m.d.sync += got.eq(got + 1)
        with m.If(ends):
            m.d.sync += busy.eq(0)
            with m.If((fate == Fate.OPENS) | (fate == Fate.ACTS)):
                m.d.sync += [expected.eq(asked.seq + 1), kept[slot].eq(_kept(response))]
                m.d.sync += told.eq(0)
                with m.If(stored != WINDOW):
                    m.d.sync += stored.eq(stored + 1)
            with m.If(fate == Fate.OPENS):
                m.d.sync += [session.eq(1), nonce.eq(self.greets_with), stored.eq(1)]
            with m.If(fate == Fate.FAILS):
                m.d.sync += told.eq(1)

        self._state(m, busy, fate, session, nonce, expected, stored, told)
        self._inside(m, asked, busy, due, given, got, hello, fate, behind, session, kept,
                     expected, stored, told)  # fmt: skip
        ok = dut.o.valid & (response.status == Status.OK)
        m.d.comb += [
            Cover(ok & (fate == Fate.ACTS) & (asked.op == Op.SEND) & (given == 2)),
            Cover(ok & (fate == Fate.REPEATS) & (asked.op == Op.WRITE) & (asked.words == 2)),
            Cover(ok & (fate == Fate.ACTS) & (asked.op == Op.RECEIVE) & (got == 1)),
            Cover(dut.fault),
            Cover(busy & quiet & session & ends),
        ]
        return m

    def _in(self, *states: str) -> Value:
        """Whether the endpoint is in one of some states."""
        found: Value = self.in_fsm_state.matches(*(STATES.index(state) for state in states))
        return found

    def _moved(self, m: Module, asked: Any, response: Any, given: Signal, got: Signal) -> None:
        """What a response says is what was done."""
        with m.If(response.status == Status.OK):
            with m.If((asked.op == Op.WRITE) | (asked.op == Op.SEND)):
                m.d.comb += [Assert(given == asked.count), Assert(got == 0)]
            with m.Else():
                m.d.comb += [Assert(got == response.count), Assert(given == 0)]
        with m.Else():
            m.d.comb += [
                Assert((response.status == Status.REFUSED) | (response.status == Status.FULL)),
                Assert((given == 0) & (got == 0)),
            ]

    def _state(
        self, m: Module, busy: Signal, fate: Any, session: Signal, nonce: Signal,
        expected: Signal, stored: Signal, told: Signal,
    ) -> None:  # fmt: skip
        """The session in the block is the host's; it changes a little before the response."""
        late = self._in("INTRODUCE", "DRAIN", "RESPOND")
        with m.If(busy & (fate == Fate.OPENS) & late):
            m.d.comb += [
                Assert(self.in_session),
                Assert(self.in_nonce == self.greets_with),
                Assert(self.in_stored == 0),
            ]
        with m.Else():
            m.d.comb += [
                Assert(self.in_session == session),
                Assert(~session | (self.in_nonce == nonce)),
                Assert(self.in_stored == stored),
            ]
        m.d.comb += [
            Assert(self.in_expected == expected),
            Assert(self.in_told == (told | (busy & (fate == Fate.FAILS) & late))),
            Assert(stored <= WINDOW),
        ]

    def _inside(
        self, m: Module, asked: Any, busy: Signal, due: Signal, given: Signal, got: Signal,
        hello: Value, fate: Any, behind: Signal, session: Signal, kept: Array, expected: Signal,
        stored: Signal, told: Signal,
    ) -> None:  # fmt: skip
        """What holds of the registers inside; it makes the rest inductive."""
        response = data.View(RESPONSE, self.in_response)
        now = self._in
        decided = now("DRAIN", "RESPOND")
        m.d.comb += Assert(busy == ~now("IDLE"))
        with m.If(busy):
            m.d.comb += [Assert(self.in_request == asked.as_value()), Assert(self.in_left == due)]
        with m.If(now("IDLE", "RESPOND")):
            m.d.comb += Assert(due == 0)
        with m.If(busy & ~now("DECODE")):
            m.d.comb += [
                Assert(self.in_greeting == hello),
                Assert(self.in_gives == (asked.words == asked.count)),
                Assert(self.in_chosen_write == ~asked.target[0]),
                Assert(self.in_chosen_read == ~asked.target[0]),
                *(Assert(getattr(self, f"in_is_{op.name.lower()}") == (asked.op == op))
                  for op in OPS),
            ]  # fmt: skip
        with m.If(now("JUDGE")):
            m.d.comb += Assert(self.in_behind == behind)
        with m.If(now("DECODE", "JUDGE", "DECIDE", "OPEN", "START")):
            m.d.comb += Assert((given == 0) & (got == 0))
            m.d.comb += Assert(due == asked.words)
        for state, then in (
            ("OPEN", Fate.OPENS), ("INTRODUCE", Fate.OPENS), ("REPLAY", Fate.REPEATS),
            ("START", Fate.ACTS), ("READ", Fate.ACTS), ("ANSWER", Fate.ACTS),
            ("WRITE", Fate.ACTS), ("SEND", Fate.ACTS), ("RECEIVE", Fate.ACTS),
            ("GAP", Fate.FAILS),
        ):  # fmt: skip
            with m.If(now(state)):
                m.d.comb += Assert(fate == then)
        with m.If(now("OPEN", "INTRODUCE", "REPLAY", "START", "READ", "ANSWER", "WRITE", "SEND",
                      "RECEIVE", "GAP")):  # fmt: skip
            m.d.comb += [
                Assert(response.seq == asked.seq),
                Assert(response.op == asked.op[:7]),
                Assert(response.status == Status.OK),
            ]
        with m.If(now("OPEN", "START", "WRITE", "SEND", "GAP", "REPLAY")):
            m.d.comb += Assert(response.count == 0)
        with m.If(now("INTRODUCE")):
            m.d.comb += Assert(Cat(response.count, self.in_source).matches(0x400, 0x601))
        with m.If(now("OPEN")):
            m.d.comb += Assert(~self.in_is_repeat & ~self.in_silent)
        with m.If(now("START")):
            m.d.comb += Assert(~self.in_is_repeat & ~self.in_silent)
            with m.If(self.in_permitted):
                m.d.comb += [
                    Assert(Cat(asked.op == op for op in OPS).any()),
                    Assert(self.in_gives | ~(self.in_is_write | self.in_is_send)),
                    Assert((asked.target == 0) | ~(self.in_is_receive | self.in_is_send)),
                ]
        with m.If(now("WRITE", "SEND")):
            m.d.comb += [Assert((given + due) == asked.count), Assert(self.in_gives)]
            m.d.comb += Assert(got == 0)
        for state, op in (("WRITE", Op.WRITE), ("SEND", Op.SEND), ("RECEIVE", Op.RECEIVE),
                          ("READ", Op.READ), ("ANSWER", Op.READ)):  # fmt: skip
            with m.If(now(state)):
                m.d.comb += Assert(asked.op == op)
        m.d.comb += [
            Assert(self.in_sending == now("SEND")),
            Assert(self.in_receiving == now("RECEIVE")),
            Assert(~self.in_got | now("RECEIVE")),
        ]
        with m.If(now("READ", "ANSWER", "RECEIVE")):
            m.d.comb += Assert(given == 0)
            moving = self.in_got | now("ANSWER")
            m.d.comb += Assert(got == (response.count + moving)[: len(got)])
        with m.If(now("INTRODUCE", "START", "READ", "ANSWER", "WRITE", "SEND", "RECEIVE")):
            m.d.comb += Assert(~self.in_is_repeat & ~self.in_silent)
        with m.If(now("INTRODUCE", "READ", "ANSWER", "WRITE", "SEND", "RECEIVE")):
            m.d.comb += Assert(self.in_applied)
        with m.If(decided):
            m.d.comb += [
                Assert(self.in_applied == ((fate == Fate.OPENS) | (fate == Fate.ACTS))),
                Assert(self.in_is_repeat == (fate == Fate.REPEATS)),
                Assert(self.in_silent == ((fate == Fate.FAILS) & told)),
                Assert(response.seq == Mux(fate == Fate.FAILS, expected, asked.seq)),
            ]
            with m.If(fate == Fate.FAILS):
                status = Mux(session, Status.GAP, Status.NO_SESSION)
                m.d.comb += [Assert(response.status == status), Assert(response.count == 0)]
            with m.If(fate == Fate.REPEATS):
                m.d.comb += Assert(_kept(response) == kept[asked.seq[0]])
            with m.If((fate == Fate.OPENS) | (fate == Fate.ACTS)):
                m.d.comb += [Assert(response.op == asked.op[:7])]
            with m.If(fate == Fate.OPENS):
                m.d.comb += [Assert(response.count == 2), Assert(response.status == Status.OK)]
            with m.If(fate == Fate.ACTS):
                self._moved(m, asked, response, given, got)
        self._store(m, asked, kept, expected, stored)

    def _store(self, m: Module, asked: Any, kept: Array, expected: Signal, stored: Signal) -> None:
        """What was answered last is kept, until the response that takes its place is sent."""
        replaced = self._in("RESPOND") & self.in_applied
        for n in range(WINDOW):
            age = (expected - 1 - n)[0]  # 0 for the newest
            with m.If((stored > age) & ~(replaced & (asked.seq[0] == n))):
                m.d.comb += Assert(getattr(self, f"in_headers_{n}") == kept[n])


def _kept(response: Any) -> Value:
    """The part of a response that is kept."""
    return Cat(response[name] for name in KEPT.members)


PROOF = Proof(
    block="shotveil.gateware.host_link.endpoint",
    bench=EndpointBench,
    depth=4,
    reach=30,
    peek={
        **{f"in_{name}": f"dut.{name}" for name in INSIDE},
        **{f"in_headers_{n}": f"dut.headers[{n}]" for n in range(WINDOW)},
    },
    bugs=(
        Bug("a request is carried out again", "expected.eq(request.seq + 1)",
            "expected.eq(request.seq)"),
        Bug("a response is kept in the place of another", "headers_write.addr.eq(slot)",
            "headers_write.addr.eq(~slot)"),
        Bug("responses of another session are sent", "behind <= stored", "behind <= window"),
        Bug("HELLO again opens another session", "same.eq(session &", "same.eq(0 &"),
        Bug("a word is taken twice", "Mux(got, 0, receiving)", "receiving"),
        Bug("every failing request is answered", "silent.eq(told)", "silent.eq(0)"),
        Bug("what was refused is done", "with m.If(~permitted):", "with m.If(~permitted & asks):"),
    ),
)  # fmt: skip
