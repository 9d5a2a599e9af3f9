"""A raw record of the ADC in block RAM. Model: `models.node.capture`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.models.node.spec import NodeSpec


class CaptureStep(enum.Enum):
    EMPTY = 0
    AWAIT = 1  # the record waits for a frame
    RECORD = 2
    FULL = 3


class Capture(wiring.Component):
    """Records `spec.capture` ADC samples and gives them as words of the host link.

    * `i`: ADC words of this clock. `start` drops the old record; the new one begins with this
      sample or, with `on_frame`, with that of the next clock in which `frame` is high.
    * `o`: the record, once it is complete; `available`: number of its words that are left. The
      first word comes `latency` clocks after the last sample.
    * The record takes block RAM.
    """

    latency = 4

    def __init__(self, spec: NodeSpec):
        self._spec = spec
        super().__init__(
            {
                "i": In(payloads.codes(spec.digitiser)),
                "start": In(1),
                "on_frame": In(1),
                "frame": In(1),
                "o": Out(stream.Signature(32)),
                "available": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self._spec.capture
        axes = payloads.axes(self._spec.digitiser)
        bits = self._spec.digitiser.adc_bits
        m.submodules.memory = memory = Memory(
            shape=bits * len(axes), depth=depth, init=[], attrs=NO_COLLISIONS
        )
        write, read = memory.write_port(), memory.read_port()
        step = Signal(CaptureStep)
        at = Signal(range(depth))  # where the next sample goes, or the next word comes from
        ended = Signal()  # no more words after those on their way
        begins = Signal()
        # The samples are two clocks late: one register bridges the distance, the other is the block
        # RAM's own input register.
        sample = Signal(bits * len(axes), reset_less=True)
        m.d.comb += begins.eq((step == CaptureStep.AWAIT) & self.frame)
        m.d.sync += [
            sample.eq(Cat(self.i[axis] for axis in axes)),
            write.data.eq(sample),
            write.addr.eq(at),
            write.en.eq(step == CaptureStep.RECORD),
        ]

        # High where the memory's output, and the register after it, hold a word.
        behind, known = Signal(), Signal()
        word = Signal(bits * len(axes), reset_less=True)
        move = Signal()
        with m.If(move):
            m.d.sync += word.eq(read.data)
        m.d.comb += [
            move.eq(self.o.ready | ~known),
            read.addr.eq(at),
            read.en.eq(move),
            self.o.valid.eq(known),
            *(
                self.o.payload[16 * k : 16 * k + bits].eq(word[bits * k : bits * (k + 1)])
                for k in range(len(axes))
            ),
        ]
        with m.If(self.start):
            m.d.sync += [
                step.eq(CaptureStep.RECORD),
                at.eq(0),
                ended.eq(0),
                behind.eq(0),
                known.eq(0),
                self.available.eq(0),
            ]
            with m.If(self.on_frame):
                m.d.sync += step.eq(CaptureStep.AWAIT)
        with m.Elif(begins):
            m.d.sync += step.eq(CaptureStep.RECORD)
        with m.Elif(step == CaptureStep.RECORD):
            m.d.sync += at.eq(at + 1)
            with m.If(at == depth - 1):
                m.d.sync += [at.eq(0), step.eq(CaptureStep.FULL), self.available.eq(depth)]
        with m.Elif(step == CaptureStep.FULL):
            with m.If(move):
                m.d.sync += [known.eq(behind), behind.eq(~ended)]
                with m.If(~ended):
                    m.d.sync += [at.eq(at + 1), ended.eq(at == depth - 1)]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += self.available.eq(self.available - 1)
        return m
