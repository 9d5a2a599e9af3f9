"""Row symbols of frames in flight, for comparison with the returned light.

Model: `models.node.replay`.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads as received_payloads
from shotveil.gateware.drive import payloads
from shotveil.gateware.primitives.counter import EventCounter
from shotveil.gateware.primitives.memory import NO_COLLISIONS, DeepFifo
from shotveil.models.node.replay import DECISION, FLIGHTS, SUMMED, TIME_BITS, latency
from shotveil.models.node.sequencer import LEAD_BITS
from shotveil.models.node.spec import NodeSpec

WAITING = 16  # rows that were judged and wait to be read or dropped


class Replay(wiring.Component):
    """Keeps the symbols that were sent until it is known whether their frame came back.

    * `begin`: a batch starts; stored rows are dropped, and the next `lead_in` frames have no rows.
    * `taken`, `symbol`: row symbols that are being sent. `sent`: a frame's first code leaves.
    * `received`: the receiver started on a frame a clock ago. `skip` is what it looks at then, and
      is high unless a row of this batch is due back. `loop_delay`: clocks from code to ADC sample.
      `period`: clocks from frame to frame.
    * `q`: the rows that came back, symbol by symbol. `room`: there is room for another row.
    * `matched`, `missed`: numbers of rows that came back and that did not; `clear` sets them to
      zero.
    * `away`: a frame is on its way back, or its row is being summed: it was judged less than a
      period and `SUMMED` clocks ago.
    * Times wrap after 2^`time_bits` clocks. A frame has to be judged, one way or the other, within
      that time of its departure.
    * It takes block RAM for `spec.replay` symbols, and one block RAM for times.
    """

    def __init__(self, spec: NodeSpec, time_bits: int = TIME_BITS):
        self._spec = spec
        self._time_bits = time_bits
        count = spec.drive.counter_bits
        super().__init__(
            {
                "begin": In(1),
                "lead_in": In(LEAD_BITS),
                "row": In(spec.drive.length_width),
                "period": In(20),
                "loop_delay": In(20),
                "taken": In(1),
                "symbol": In(payloads.host_symbol(spec.drive)),
                "sent": In(1),
                "received": In(1),
                "skip": Out(1),
                "q": Out(stream.Signature(received_payloads.sent(spec.digitiser))),
                "room": Out(1),
                "away": Out(1),
                "clear": In(1),
                "matched": Out(count),
                "missed": Out(count),
            }
        )

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        depth = spec.replay
        fast = spec.digitiser.samples_per_symbol == 2

        # Times of departure, and whether the oldest is due.
        times = DeepFifo(width=self._time_bits + 1, depth=FLIGHTS)
        now = Signal(self._time_bits)
        lead = Signal(LEAD_BITS)
        drop_all = Signal()  # that is of the batch before
        m.submodules.times = ResetInserter(drop_all)(times)
        opens = Signal(signed(23))
        low, high = Signal(22), Signal(22)
        m.d.sync += [
            now.eq(now + 1),
            opens.eq(self.loop_delay + latency(spec.digitiser) - (self.period >> 1)),
            low.eq(Mux(opens < 0, 0, opens)),
            high.eq(self.loop_delay + latency(spec.digitiser) + (self.period >> 1)),
        ]
        with m.If(self.begin):
            m.d.sync += lead.eq(self.lead_in)
        with m.Elif(self.sent & lead.any()):
            m.d.sync += lead.eq(lead - 1)
        m.d.sync += drop_all.eq(self.begin)
        head = Signal(self._time_bits + 1, reset_less=True)
        age = Signal(self._time_bits)
        early, late, blank = Signal(), Signal(), Signal()
        known = Signal(DECISION)  # how long the head has been the same
        due = Signal()
        # The receiver looks at `skip` a clock before it says that it received the frame. What is
        # due then decides for both, or they would part at the edges of the window.
        was_due = Signal()
        came = Signal()
        done = Signal()
        expired = Signal()
        m.d.comb += [
            times.w_data.eq((now << 1) | lead.any()),
            times.w_en.eq(self.sent),
            due.eq(known[-1] & ~early & ~late),
            self.skip.eq(~due | blank),
            came.eq(self.received & was_due),
            expired.eq(known[-1] & late & ~came),
            done.eq(came | expired),
            times.r_en.eq(done),
        ]
        m.d.sync += [
            head.eq(times.r_data),
            age.eq(now - (head >> 1)),
            early.eq(age < low),
            late.eq(age >= high),
            blank.eq(head[0]),
            was_due.eq(due),
            known.eq(Mux(times.r_en | drop_all, 0, (known << 1) | times.r_rdy)),
        ]

        # The clocks in which the receiver may still be at the latest frame's row. They begin anew
        # with each frame that leaves, so they bridge the time until the head of `times` is known.
        rest = Signal(signed(len(self.period) + 2), init=-1)
        with m.If(self.sent | done):
            m.d.sync += rest.eq(self.period + SUMMED)
        with m.Elif(rest >= 0):
            m.d.sync += rest.eq(rest - 1)
        m.d.sync += self.away.eq(times.r_rdy | (rest >= 0))

        # Whether each row is read or dropped, in their order.
        verdicts = SyncFIFO(width=1, depth=WAITING)
        m.submodules.verdicts = ResetInserter(drop_all)(verdicts)
        m.d.comb += [verdicts.w_data.eq(~expired), verdicts.w_en.eq(done & ~blank)]
        for name, event in (("matched", ~expired), ("missed", expired)):
            m.submodules[f"{name}_counter"] = counter = EventCounter(len(self.matched))
            m.d.comb += [
                counter.event.eq(done & ~blank & event),
                counter.clear.eq(self.clear),
                getattr(self, name).eq(counter.count),
            ]

        # The symbols. A row may be dropped before all of it has been stored, so the level can be
        # negative.
        m.submodules.memory = memory = Memory(
            shape=payloads.host_symbol(spec.drive), depth=depth, init=[], attrs=NO_COLLISIONS
        )
        write, read = memory.write_port(), memory.read_port()
        into = Signal(range(depth))
        out = Signal(range(depth))
        level = Signal(signed(depth.bit_length() + 2))
        left = Signal(spec.drive.length_width)  # of the row that is being read
        going = Signal()  # some are left
        some = Signal()  # symbols are there; a clock late, when none can be fetched
        fetched = Signal()  # the memory's output is one
        # The register behind it holds none. Both move while this is so, and the very same signal
        # has to say it, or they could not be one block RAM.
        vacant = Signal(init=1)
        word = Signal(payloads.host_symbol(spec.drive), reset_less=True)
        fetch = Signal()
        drop = Signal()
        put = Signal()
        kept = Signal(payloads.host_symbol(spec.drive), reset_less=True)
        m.d.sync += [put.eq(self.taken), kept.eq(self.symbol)]
        waits = Signal()
        m.d.sync += waits.eq(verdicts.r_rdy & ~verdicts.r_en & ~drop_all)
        m.d.comb += [
            write.addr.eq(into),
            write.data.eq(kept),
            write.en.eq(put),
            read.addr.eq(out),
            # The register is filled only while empty. Where symbols last more than two clocks, the
            # memory's output is, too.
            fetch.eq((going & some if fast else going & some & ~fetched) & vacant & ~drop_all),
            read.en.eq(vacant),
            verdicts.r_en.eq(waits & ~going),
            self.q.valid.eq(~vacant),
            self.q.p.x.eq(word.i),
            self.q.p.p.eq(word.q),
        ]
        m.d.sync += drop.eq(waits & ~going & ~verdicts.r_data)
        m.d.sync += some.eq(level > (fetch if fast else 0))
        with m.If(waits & ~going & verdicts.r_data):
            m.d.sync += [left.eq(self.row), going.eq(1)]
        with m.If(fetch):
            m.d.sync += [left.eq(left - 1), out.eq(out + 1), going.eq(left != 1)]
        with m.If(vacant):
            m.d.sync += [fetched.eq(fetch), vacant.eq(~fetched), word.eq(read.data)]
        with m.Elif(self.q.ready):
            m.d.sync += vacant.eq(1)
        with m.If(drop):
            m.d.sync += out.eq(out + self.row)
        with m.If(put):
            m.d.sync += into.eq(into + 1)
        m.d.sync += level.eq(level + put - fetch - Mux(drop, self.row, 0))
        filled = Signal.like(level)
        m.d.sync += [filled.eq(level + self.row), self.room.eq(filled <= depth)]
        with m.If(drop_all):
            m.d.sync += [into.eq(0), out.eq(0), level.eq(0), drop.eq(0)]
            m.d.sync += [going.eq(0), fetched.eq(0), vacant.eq(1)]
        return m
