"""The whole receiver, from ADC words to symbols, sums and inference values.

Model: `models.digitiser.chain`.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, ResetInserter, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.accumulators import Accumulators
from shotveil.gateware.digitiser.entry import Entry
from shotveil.gateware.digitiser.framing import DigitiserFraming
from shotveil.gateware.digitiser.matched import MatchedFilter
from shotveil.gateware.digitiser.normalisation import Normalisation
from shotveil.gateware.digitiser.phase import Phase
from shotveil.gateware.digitiser.phase_lock import PhaseLock
from shotveil.gateware.digitiser.sum_bank import SUM_BITS
from shotveil.gateware.digitiser.synchroniser import Synchroniser
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.gateware.primitives.stage import Stage, read
from shotveil.models.digitiser.spec import ROW, DigitiserSpec


class Receiver(wiring.Component):
    """The receiver: entry → synchroniser → matched filter → framing → normalisation → phase → sums.

    * `i`: ADC words, one per clock, without backpressure. `always_valid` is for a converter without
      pauses; it leaves out the enables of all blocks up to the symbols. `q`: the row symbols that
      were sent, in order, beginning with the first frame that comes out. `coefficients`: the taps
      of the matched filter.
    * `symbols`: every symbol with frame number and flags. `inference`: the symbol `mode` of each
      row. `phases`: phases of the pilots. All come from FIFOs; entries that do not fit are lost,
      and the sticky flags `symbols_lost`, `inference_lost` and `phases_lost` tell so.
      `symbols_level`, `inference_level`, `phases_level`: numbers of entries that wait.
    * `frames`, `session`, `modes`, `snapshot`: see `Accumulators`.
    * `dac` (homodyne): codes of the phase shifter, with the registers and `steady` of `PhaseLock`.
    * `backlog`: sticky; symbols came faster than they could be processed, and some were lost.
    * `locked`: frames are being found. Other ports are those of the parts, under the same names.
    * `clear` sets all sticky flags and counters back.
    * `wipe`: resets the receiver, and clears all sums if held for 4·`modes` clocks. Parts follow it
      one after the other, the last one `reach` clocks later, also when it ends. With
      `always_valid`, old values have left the registers without reset after `SETTLE` clocks.
    """

    def __init__(self, spec: DigitiserSpec, always_valid: bool = False):
        self._spec = spec
        self._parts: dict[str, Any] = {
            "entry": Entry(spec, always_valid=always_valid),
            "synchroniser": Synchroniser(spec, always_valid),
            "matched": MatchedFilter(spec, always_valid),
            "framing": DigitiserFraming(spec),
            "normalisation": Normalisation(spec),
            "phase": Phase(spec),
            "accumulators": Accumulators(spec),
        }
        if spec.quadratures == 1:
            self._parts["phase_lock"] = PhaseLock(spec)
        symbol = fixedpoint.shape(spec.symbol)
        sums = stream.Signature(signed(SUM_BITS))
        members: dict[str, object] = {
            "i": In(
                stream.Signature(payloads.codes(spec), always_ready=True, always_valid=always_valid)
            ),
            "q": In(stream.Signature(payloads.sent(spec))),
            "coefficients": In(
                stream.Signature(fixedpoint.shape(spec.coefficient), always_ready=True)
            ),
            "symbols": Out(stream.Signature(self.symbol_layout(spec))),
            "inference": Out(stream.Signature(payloads.quadratures(spec, symbol, bad=1))),
            "phases": Out(stream.Signature(payloads.phases(spec))),
            "frames": Out(sums),
            "session": Out(sums),
            "modes": Out(sums),
            "mode": In(range(spec.row_capacity)),
            **{
                f"{name}_level": Out(range(spec.output_fifo + 1))
                for name in ("symbols", "inference", "phases")
            },
            "symbols_lost": Out(1),
            "inference_lost": Out(1),
            "phases_lost": Out(1),
            "backlog": Out(1),
        }
        if spec.quadratures == 1:
            members["dac"] = Out(stream.Signature(14, always_ready=True))
            members["steady"] = Out(1)
        # Registers and status of the parts, under their own names; shared ones go to all.
        for part in self._parts.values():
            for name, member in part.signature.members.items():
                if member.is_port:
                    members.setdefault(name, member)
        super().__init__(members)

    @property
    def reach(self) -> int:
        """Clocks from `wipe` until all parts follow it."""
        return len(self._parts) + 1 + self._parts["accumulators"].reach

    @staticmethod
    def symbol_layout(spec: DigitiserSpec) -> data.StructLayout:
        """The payload of `symbols`."""
        return payloads.quadratures(
            spec,
            fixedpoint.shape(spec.symbol),
            kind=2,
            index=(spec.row_capacity - 1).bit_length(),
            frame=spec.frame_bits,
            last=1,
            lost=1,
            over=1,
            saturated=1,
        )

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        parts = self._parts
        # One register could not reach all that it resets within a clock, so each part has its own.
        # They are delayed one after the other, because synthesis would merge equal registers.
        resets = {
            name: Signal(name=f"reset_{name}", reset_less=True) for name in (*parts, "copies")
        }
        m.d.sync += Cat(resets.values()).eq(Cat(self.wipe, *resets.values()))
        for name, part in parts.items():
            m.submodules[name] = ResetInserter(resets[name])(part)
            for port, member in part.signature.members.items():
                if not member.is_port:
                    continue
                inner, outer = getattr(part, port), getattr(self, port)
                if port == "locked" and name == "phase_lock":
                    m.d.comb += self.steady.eq(inner)
                elif port == "wipe":  # while the rest is in reset, and a little longer
                    m.d.comb += inner.eq(resets["copies"])
                elif port == "record" and name == "accumulators":  # far from others that ask
                    m.d.sync += inner.eq(outer)
                elif member.flow is In:
                    m.d.comb += inner.eq(outer)
                else:
                    m.d.comb += outer.eq(inner)
        entry, synchroniser, matched, framing, normalisation, phase, accumulators = (
            parts[name]
            for name in ("entry", "synchroniser", "matched", "framing", "normalisation",
                         "phase", "accumulators")
        )  # fmt: skip
        for source, sink in (
            (flipped(self.i), entry.i),
            (entry.o, synchroniser.i),
            (synchroniser.o, matched.i),
            (matched.o, framing.i),
            (flipped(self.coefficients), matched.coefficients),
            (flipped(self.q), accumulators.q),
            (accumulators.frames, flipped(self.frames)),
            (accumulators.session, flipped(self.session)),
            (accumulators.modes, flipped(self.modes)),
        ):
            connect(m, source, sink)

        # Symbols wait here while the phase is measured.
        reset = resets["normalisation"]
        waiting = self._fifo(
            m, "waiting", framing.o.valid, framing.o.payload, spec.symbol_fifo, self.backlog, reset
        )
        # A stage that takes two clocks a symbol does, where a symbol lasts more.
        full_rate = spec.samples_per_symbol == 2
        stage = Stage(payloads.framed(spec), full_rate)
        m.submodules.stage = ResetInserter(reset)(stage)
        read(m, waiting, stage)
        connect(m, stage.o, normalisation.i)
        # The `ready` of the phase block comes too late in the clock to stop the blocks before it.
        halt = Stage(payloads.symbols(spec), full_rate)
        m.submodules.halt = ResetInserter(reset)(halt)
        connect(m, normalisation.o, halt.i)
        connect(m, halt.o, phase.i)

        # Sums of a symbol take as many clocks as it lasts. They catch up on what they missed
        # in a pause of the phase during the next one, from its queue.
        connect(m, phase.o, accumulators.i)

        # Copies of the symbols go to the host where there is room.
        reset = resets["copies"]
        frame = Signal(spec.frame_bits)
        taken = Signal()
        copy = Signal(payloads.symbols(spec))
        number = Signal(spec.frame_bits)
        m.d.sync += [taken.eq(phase.o.valid & phase.o.ready), copy.eq(phase.o.p), number.eq(frame)]
        with m.If(reset):
            m.d.sync += frame.eq(0)
        with m.Elif(phase.o.valid & phase.o.ready & phase.o.p.last):
            m.d.sync += frame.eq(frame + 1)
        symbol = Signal(self.symbol_layout(spec))
        value = Signal(self.inference.payload.shape())
        m.d.comb += [
            symbol.frame.eq(number),
            *(symbol[n].eq(copy[n]) for n in symbol.shape().members if n != "frame"),
            *(value[axis].eq(copy[axis]) for axis in payloads.axes(spec)),
            value.bad.eq(copy.lost | copy.over | copy.saturated),
        ]
        wanted = taken & (copy.kind == ROW) & (copy.index == self.mode)
        measured = phase.phases
        to_loop = parts.get("phase_lock")
        phase_taken = measured.valid & measured.ready
        m.d.comb += measured.ready.eq(to_loop.i.ready if to_loop else 1)
        if to_loop:
            m.d.comb += [to_loop.i.valid.eq(measured.valid), to_loop.i.payload.eq(measured.payload)]
            connect(m, to_loop.o, flipped(self.dac))
        for name, valid, payload, out in (
            ("symbols", taken, symbol, self.symbols),
            ("inference", wanted, value, self.inference),
            ("phases", phase_taken, measured.payload, self.phases),
        ):
            lost, level = getattr(self, f"{name}_lost"), getattr(self, f"{name}_level")
            fifo = self._fifo(m, f"{name}_fifo", valid, payload, spec.output_fifo, lost, reset)
            m.d.comb += [
                out.valid.eq(fifo.r_rdy),
                out.payload.eq(fifo.r_data),
                fifo.r_en.eq(out.ready),
            ]
            m.d.sync += level.eq(fifo.r_level)
        return m

    def _fifo(
        self,
        m: Module,
        name: str,
        valid: object,
        payload: object,
        depth: int,
        lost: Signal,
        reset: Signal,
    ) -> DeepFifo:
        """A FIFO without backpressure; the sticky flag `lost` is set when there is no room."""
        word = Cat(payload)
        fifo = DeepFifo(width=len(word), depth=depth)
        m.submodules[name] = ResetInserter(reset)(fifo)
        m.d.comb += [fifo.w_data.eq(word), fifo.w_en.eq(valid)]
        with m.If(self.clear | reset):
            m.d.sync += lost.eq(0)
        with m.Elif(valid & ~fifo.w_rdy):
            m.d.sync += lost.eq(1)
        return fifo
