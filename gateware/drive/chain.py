"""The whole drive, from rows of symbols or a table of angles to DAC codes.

Model: `models.drive.chain`.
"""

from __future__ import annotations

from amaranth.hdl import C, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from shotveil.gateware.drive import payloads
from shotveil.gateware.drive.angles import Angles, NoAngles
from shotveil.gateware.drive.dac import Dac
from shotveil.gateware.drive.framing import LENGTHS, DriveFraming
from shotveil.gateware.drive.linearisation import ARMS, Linearisation
from shotveil.gateware.drive.scaling import Scaling
from shotveil.gateware.drive.shaping import Shaping
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.counter import EventCounter
from shotveil.gateware.primitives.stage import Stage
from shotveil.models.drive.spec import DriveRegisters, DriveSpec


class Drive(wiring.Component):
    """The drive: framing → scaling → shaping → linearisation → DAC.

    In angle mode, the rows come from a table.

    * `i`: rows of symbols from the host; `o`: DAC codes, one pair per clock, always valid.
    * `coefficients` (taps of the pulse) and `angles` (the table) are accepted only while disarmed.
      `rewind` and `partial`: see `Shaping`.
      In angle mode load the taps of a hold (`DriveSpec.hold`) and set `scale` to 1.
    * `run` lets frames start, unless `hold` is high; `arm` lets them reach the DAC. `hold`,
      `blank`, `flush`, `started`, `taken`, `symbol`, `buffered`: see `DriveFraming`. All other
      settings are registers that may change only while disarmed; `settings` gives them for
      `DriveSettings`.
    * Built without `table`, it takes no angles, and `angle` does nothing.
    * `clipped`, `refused`, `saturated` and `starved` count what could not be sent as asked; the
      flags of the same names are sticky. `clear` resets all of them. `clipped` counts samples whose
      symbol or shaped value saturated, as seen before the linearisation.
    * `latency`: the most clocks from the last symbol of a row to the first code of its frame, if no
      other frame is being sent.
    """

    def __init__(self, spec: DriveSpec, table: bool = True):
        self.spec = spec
        shape = fixedpoint.shape
        count = spec.counter_bits
        super().__init__(
            {
                "i": In(stream.Signature(payloads.host_symbol(spec))),
                "coefficients": In(stream.Signature(shape(spec.coefficient))),
                "angles": In(stream.Signature(payloads.host_symbol(spec))),
                "o": Out(
                    stream.Signature(payloads.code(spec), always_valid=True, always_ready=True)
                ),
                "run": In(1),
                "hold": In(1),
                "blank": In(1),
                "flush": In(1),
                "arm": In(1),
                "clear": In(1),
                "angle": In(1),
                "clear_angles": In(1),
                "rewind": In(1),
                "partial": Out(1),
                "stop_on_fault": In(1),
                "stop_on_saturation": In(1),
                **{name: In(spec.length_width) for name in LENGTHS},
                "scale": In(shape(spec.scale)),
                "reference": In(shape(spec.scale)),
                **{f"gain_{arm}": In(shape(spec.gain)) for arm in ARMS},
                **{f"half_wave_{arm}": In(shape(spec.half_wave)) for arm in ARMS},
                **{f"bias_{arm}": In(shape(spec.bias)) for arm in ARMS},
                "busy": Out(1),
                "started": Out(1),
                "taken": Out(1),
                "symbol": Out(payloads.host_symbol(spec)),
                "buffered": Out(spec.length_width),
                "armed": Out(1),
                "tripped": Out(1),
                "angles_loaded": Out(spec.length_width),
                **{name: Out(count) for name in ("clipped", "refused", "saturated", "starved")},
                **{
                    f"{name}_flag": Out(1)
                    for name in ("clipped", "refused", "saturated", "starved")
                },
            }
        )
        self._framing = DriveFraming(spec)
        self._scaling = Scaling(spec)
        self._shaping = Shaping(spec)
        self._linearisation = Linearisation(spec)
        self._angles = Angles(spec) if table else NoAngles(spec)
        self._table = table
        self._dac = Dac(spec)

    @property
    def latency(self) -> int:
        """Clocks from a row's last symbol at `i` to its frame's first code, at most.

        The shaping takes a symbol every `spec.samples_per_symbol` clocks. Symbols in front of it
        advance at that pace, and a new frame first waits for its turn: up to that many clocks less
        one, which is why it may also be faster. The stage between framing and scaling is filled a
        clock after it was emptied, and gives a symbol every two clocks: no more than every second
        register of the scaling holds one.
        """
        pace = self.spec.samples_per_symbol
        # A stage, then until the frame may start; the framing's other two clocks are paced.
        start = 1 + self._framing.latency - 2
        fast = (self._shaping, self._linearisation, self._dac)
        paced = 3 + (self._scaling.latency + 1) // 2
        return start + pace - 1 + pace * paced - 1 + sum(block.latency for block in fast)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        framing, scaling, shaping = self._framing, self._scaling, self._shaping
        linearisation, angles, dac = self._linearisation, self._angles, self._dac
        m.submodules.framing = framing
        m.submodules.scaling = scaling
        m.submodules.shaping = shaping
        m.submodules.linearisation = linearisation
        m.submodules.angles = angles
        m.submodules.dac = dac

        angle: Value = self.angle if self._table else C(0)

        # Rows come from the host or from the table. A stage holds what has no room yet, and is
        # emptied with the row buffer.
        rows = Stage(payloads.host_symbol(self.spec))
        m.submodules.rows = ResetInserter(self.flush)(rows)
        connect(m, rows.o, framing.i)
        play = Signal()
        m.d.sync += play.eq(angle & self.run)
        m.d.comb += [
            rows.i.payload.eq(Mux(angle, angles.o.payload, self.i.payload)),
            rows.i.valid.eq(Mux(angle, angles.o.valid, self.i.valid)),
            self.i.ready.eq(rows.i.ready & ~angle),
            angles.o.ready.eq(rows.i.ready),
            angles.play.eq(play),
            angles.clear.eq(self.clear_angles),
            self.angles_loaded.eq(angles.length),
        ]
        # Tables must not change while light is on.
        m.d.sync += [
            shaping.coefficients.valid.eq(self.coefficients.valid & ~self.arm),
            shaping.coefficients.payload.eq(self.coefficients.payload),
        ]
        m.d.comb += [
            self.coefficients.ready.eq(~self.arm),
            shaping.rewind.eq(self.rewind),
            self.partial.eq(shaping.partial),
            angles.i.valid.eq(self.angles.valid & ~self.arm),
            angles.i.payload.eq(self.angles.payload),
            self.angles.ready.eq(angles.i.ready & ~self.arm),
        ]
        # The shaping's `ready` comes too late in the clock to control the blocks before it, so a
        # stage separates them.
        m.submodules.pace = pace = Stage(payloads.framed(self.spec))
        connect(m, framing.o, pace.i)
        connect(m, pace.o, scaling.i)
        connect(m, scaling.o, shaping.i)
        connect(m, shaping.o, linearisation.i)
        connect(m, linearisation.o, dac.i)
        m.d.comb += self.o.payload.eq(dac.o.payload)

        m.submodules.clipped_counter = clipped = EventCounter(self.spec.counter_bits)
        m.d.comb += [
            clipped.event.eq(shaping.o.valid & shaping.o.ready & shaping.o.p.fault),
            clipped.clear.eq(self.clear),
            self.clipped.eq(clipped.count),
            self.clipped_flag.eq(clipped.flag),
        ]
        for name in LENGTHS:
            m.d.comb += getattr(framing, name).eq(getattr(self, name))
        for name in ("run", "hold", "blank", "flush"):
            m.d.comb += getattr(framing, name).eq(getattr(self, name))
        for name in ("busy", "started", "taken", "symbol", "buffered"):
            m.d.comb += getattr(self, name).eq(getattr(framing, name))
        m.d.comb += [scaling.scale.eq(self.scale), scaling.reference.eq(self.reference)]
        m.d.comb += linearisation.angle.eq(angle)
        for name in (
            "clear",
            *(f"{n}_{a}" for n in ("gain", "half_wave", "bias") for a in ARMS),
        ):
            m.d.comb += getattr(linearisation, name).eq(getattr(self, name))
        for name in ("refused", "refused_flag"):
            m.d.comb += getattr(self, name).eq(getattr(linearisation, name))
        for name in ("arm", "clear", "stop_on_fault", "stop_on_saturation"):
            m.d.comb += getattr(dac, name).eq(getattr(self, name))
        for name in ("armed", "tripped", "saturated", "saturated_flag", "starved", "starved_flag"):
            m.d.comb += getattr(self, name).eq(getattr(dac, name))
        return m


def settings(registers: DriveRegisters) -> dict[str, int]:
    """Values of the drive's setting ports for raw registers, by port name; `run` and `arm` low."""
    return {**registers.ports(), "run": 0, "arm": 0}
