"""The one map of a node's registers: decoder, host, documentation and models all read it here.

Pure Python without Amaranth, so that a host imports it without an HDL tool chain. Addresses are
assigned here and appear nowhere else; everybody else knows a register by its name.

    shotveil registers > docs/registers.md

* A *constant* is fixed when the node is built. The group `identity` is at the same place in every
  version of the map, so that any host can tell what it talks to.
* A *setting* is staged when it is written, and acts from the next `commit` on, together with all
  others. Reading it gives what is staged.
* A *strobe* acts once for each write, whatever the value.
* A *status* shows what the node is doing. One of several words is latched when its first word is
  read, so the words belong together if they are read in order.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import Q
from shotveil.models.digitiser.accumulators import NAMES
from shotveil.models.digitiser.phase_lock import GAIN_BITS, PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import Arm, DriveSpec
from shotveil.models.node.sequencer import (
    COUNT_BITS,
    FAULTS,
    GRANT_BITS,
    LEAD_BITS,
    TICK_BITS,
    WATCHDOG_BITS,
    SequencerState,
)
from shotveil.models.node.spec import ROLES, NodeSpec
from shotveil.models.node.trigger import DELAY_BITS
from shotveil.models.signal.frame import CAPACITY, FrameLayout

WORD = 32  # bits of a word on the register bus
ADDRESS_BITS = 12
IDENTITY = 0x53564C31  # "SVL1"
VERSION = 1  # of the meaning of registers; raise it when one changes what it does
CLOCK_HZ = 125_000_000  # of the node; one sample a clock
WATCHDOG_TICK = 1 << TICK_BITS  # clocks
STATES = tuple(state.name.lower().replace("_", "-") for state in SequencerState)


class Access(enum.Enum):
    """What a host may do with a register."""

    CONSTANT = "constant"
    STROBE = "strobe"
    SETTING = "setting"
    STATUS = "status"


@dataclass(frozen=True)
class Register:
    """One register: an integer of `width` bits, allowed from `low` to `high`.

    `quantum` is the physical value of one step, in `unit`; None for a plain number. `reset` is what
    a setting is after reset, and what a constant always is. `choices` name the values 0, 1, … of an
    enumeration, `flags` the bits from the lowest.
    """

    name: str
    width: int
    access: Access
    doc: str
    group: str = "node"
    signed: bool = False
    unit: str = ""
    quantum: float | None = None
    low: int | None = None  # None: the lowest that the width holds; likewise `high`
    high: int | None = None
    reset: int = 0
    choices: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(f"width of {self.name}", self.width, at_least=1, at_most=2 * WORD, integer=True)
        require(f"low of {self.name}", self.lowest, at_least=self._range[0], integer=True)
        require(f"high of {self.name}", self.highest, at_most=self._range[1], integer=True)
        require(f"reset of {self.name}", self.reset, at_least=self._range[0], integer=True)
        require(f"reset of {self.name}", self.reset, at_most=self._range[1], integer=True)

    @property
    def _range(self) -> tuple[int, int]:
        half = 1 << (self.width - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @property
    def lowest(self) -> int:
        """The smallest raw value allowed."""
        return self._range[0] if self.low is None else self.low

    @property
    def highest(self) -> int:
        """The largest raw value allowed."""
        return self._range[1] if self.high is None else self.high

    @property
    def words(self) -> int:
        """Words that the register takes on the bus."""
        return -(-self.width // WORD)

    def require(self, raw: int) -> None:
        """Raise `RangeError` unless the raw value is allowed."""
        if not self.lowest <= raw <= self.highest:
            raise RangeError(
                f"{self.name} = {raw} is outside the integers in [{self.lowest}, {self.highest}]"
            )

    def unsigned(self, raw: int) -> int:
        """The bits of a raw value."""
        return raw & ((1 << self.width) - 1)

    def to_words(self, raw: int) -> list[int]:
        """The words to write for a raw value, low word first. Raises `RangeError`."""
        self.require(raw)
        bits = self.unsigned(raw)
        return [bits >> (WORD * k) & ((1 << WORD) - 1) for k in range(self.words)]

    def from_words(self, words: list[int]) -> int:
        """The raw value for words as they were read, low word first."""
        bits = self.unsigned(sum(word << (WORD * k) for k, word in enumerate(words)))
        return bits - (1 << self.width) if self.signed and bits >> (self.width - 1) else bits


class RegisterMap:
    """Registers by name, in the order of their addresses.

    Raises `ValueError` where two share a name or there are more than the bus can address.
    """

    def __init__(self, registers: tuple[Register, ...]):
        self._registers = {register.name: register for register in registers}
        if len(self._registers) != len(registers):
            names = [register.name for register in registers]
            raise ValueError(f"two registers are called {max(names, key=names.count)!r}")
        self._addresses: dict[str, int] = {}
        self.size = 0  # words
        for register in registers:
            self._addresses[register.name] = self.size
            self.size += register.words
        if self.size > 1 << ADDRESS_BITS:
            raise ValueError(f"{self.size} words do not fit {ADDRESS_BITS} address bits")

    def __getitem__(self, name: str) -> Register:
        """The register of that name; `KeyError` tells which names are like it."""
        try:
            return self._registers[name]
        except KeyError:
            raise KeyError(f"the node has no register {name!r}{_like(name, self)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._registers

    def __iter__(self) -> Iterator[Register]:
        return iter(self._registers.values())

    def __len__(self) -> int:
        return len(self._registers)

    def address(self, name: str) -> int:
        """Word address of a register's first word."""
        self[name]
        return self._addresses[name]

    def of(self, access: Access) -> dict[str, Register]:
        """The registers of one kind, by name."""
        return {r.name: r for r in self if r.access is access}

    @functools.cached_property
    def constants(self) -> Mapping[str, int]:
        """Values that are fixed when the node is built, by name."""
        return {name: register.reset for name, register in self.of(Access.CONSTANT).items()}

    @property
    def identity(self) -> Mapping[str, int]:
        """What a host compares before it trusts any other register: names and values."""
        return {r.name: r.reset for r in self if r.group == "identity"}


def register_map(spec: NodeSpec) -> RegisterMap:
    """The map of a node. Raises `RangeError` if a register cannot hold what the spec asks for."""
    registers = (
        *_identity(spec.spec_hash()),
        *_dimensions(spec),
        *_strobes(),
        *_node_settings(spec),
        *_drive_settings(spec.drive),
        *_digitiser_settings(spec),
        *_node_status(),
        *_drive_status(spec.drive),
        *_digitiser_status(spec.digitiser),
        *_link_status(),
    )
    ordered = sorted(registers, key=lambda register: tuple(Access).index(register.access))
    # A host with another map would take one register for another, even if the specs agree.
    digest = hashlib.sha256(repr(ordered).encode()).digest()
    mark = int.from_bytes(digest[:4], "big")
    return RegisterMap(
        tuple(replace(r, reset=mark) if r.name == "map_hash" else r for r in ordered)
    )


def _identity(spec_hash: int) -> tuple[Register, ...]:
    def constant(name: str, value: int, doc: str) -> Register:
        return Register(name, WORD, Access.CONSTANT, doc, "identity", reset=value)

    return (
        constant("id", IDENTITY, "what this is: the letters SVL1"),
        constant("version", VERSION, "of the meaning of the registers"),
        constant("spec_hash", spec_hash, "first bits of SHA-256 over what the node was built from"),
        constant("map_hash", 0, "first bits of SHA-256 over the registers below"),
    )


def _dimensions(spec: NodeSpec) -> tuple[Register, ...]:
    """Constants that a host computes with."""
    drive, digitiser = spec.drive, spec.digitiser
    known = {
        "clock": (CLOCK_HZ, "samples a second"),
        "client": (int(spec.role == "client"), "1 in a client's node, 0 in a server's"),
        "loopback": (int(spec.loopback), "1 where the DAC's codes are wired to the ADC's input"),
        "samples_per_symbol": (drive.samples_per_symbol, "DAC and ADC samples a symbol"),
        "taps": (drive.taps, "of the pulse and of the matched filter"),
        "dac_bits": (drive.dac_bits, "of a DAC code"),
        "adc_bits": (digitiser.adc_bits, "of an ADC word"),
        "quadratures": (digitiser.quadratures, "that the receiver samples"),
        "row_capacity": (drive.row_capacity, "symbols in the row buffer and in the angle table"),
        "fractions": (digitiser.fractions, "sets of taps of the matched filter"),
        "segments": (digitiser.segments, "runs of row symbols that are summed apart"),
        "words": (digitiser.words, f"of the frame and session sums, {len(NAMES)} sums each"),
        "modes": (digitiser.modes, "runs of row symbols that are summed apart over a session"),
        "output_fifo": (digitiser.output_fifo, "symbols, values and phases waiting for the host"),
        "capture_depth": (spec.capture, "samples of a raw record"),
        "replay_depth": (spec.replay, "symbols of frames in flight kept for comparison"),
        "window": (spec.window, "packets of the host link in flight"),
    }
    return tuple(
        Register(name, WORD, Access.CONSTANT, doc, "dimensions", reset=value)
        for name, (value, doc) in known.items()
    )


def _strobes() -> tuple[Register, ...]:
    does = {
        "commit": "all staged settings take effect, in one clock",
        "start": "begin the batch",
        "stop": "end the batch after the frame on its way",
        "clear": "sticky flags and counters back to zero",
        "restart": "the receiver back to its state after reset",
        "snapshot": "sums of the session and of the modes are sent at the next frame's end",
        "capture": "record the next ADC words",
        "clear_angles": "empty the table of angles",
        "load_offset": "the receiver takes the offsets that are set as settled",
    }
    return tuple(Register(name, 1, Access.STROBE, doc, "strobes") for name, doc in does.items())


def _setting(name: str, width: int, doc: str, group: str, **more: object) -> Register:
    return Register(name, width, Access.SETTING, doc, group, **more)  # type: ignore[arg-type]


def _node_settings(spec: NodeSpec) -> tuple[Register, ...]:
    symbol = spec.drive.samples_per_symbol
    second = round(CLOCK_HZ / WATCHDOG_TICK)

    def setting(name: str, width: int, doc: str, **more: object) -> Register:
        return _setting(name, width, doc, "batch", **more)

    return (
        setting("arm", 1, "1 lets light out, once started; after a stop it has to go low first"),
        setting("grant", GRANT_BITS, "rows (client: frames) that the batch may send", unit="rows"),
        setting("lead_in", LEAD_BITS, "frames of zeros sent before the rows", unit="frames"),
        setting(
            "watchdog",
            WATCHDOG_BITS,
            "time without a valid packet after which emission stops",
            unit="s",
            quantum=WATCHDOG_TICK / CLOCK_HZ,
            low=1,
            reset=second,
        ),
        setting("triggered", 1, "1: a frame starts only after an edge at the trigger input"),
        setting(
            "trigger_delay",
            DELAY_BITS,
            "from the trigger to the frame's start",
            unit="s",
            quantum=1 / CLOCK_HZ,
        ),
        setting(
            "loop_delay",
            20,
            "from a frame's first DAC code to its first ADC sample",
            unit="samples",
            high=symbol * spec.replay - 1,
        ),
        setting("capture_on_frame", 1, "1: a raw record begins with a frame's first DAC code"),
    )


def _fixed(q: Q, *, low: int | None = None, unit: str = "") -> dict[str, object]:
    """A register in a fixed-point format, from the raw value `low` on."""
    return {"signed": q.signed, "quantum": q.lsb, "low": low, "unit": unit}


def _drive_settings(spec: DriveSpec) -> tuple[Register, ...]:
    def setting(name: str, width: int, doc: str, **more: object) -> Register:
        return _setting(f"drive_{name}", width, doc, "drive", **more)

    layout = FrameLayout(guard=max(spec.span, 8))

    def length(name: str, low: int, high: int, doc: str) -> Register:
        return setting(
            name,
            spec.length_width,
            doc,
            unit="symbols",
            low=low,
            high=high,
            reset=getattr(layout, name),
        )

    scale = _fixed(spec.scale, low=0)
    arm = Arm()
    # The null must be within reach of the DAC, whose codes end one step short of full scale.
    reach = (1 << spec.bias.fraction) - (1 << (spec.bias.fraction - spec.dac.fraction)) - 1
    arms = tuple(
        entry
        for axis in ("i", "q")
        for entry in (
            setting(
                f"gain_{axis}",
                spec.gain.width,
                f"factor on the field of arm {axis.upper()}",
                **_fixed(spec.gain, low=1),
                reset=round(arm.gain / spec.gain.lsb),
            ),
            setting(
                f"half_wave_{axis}",
                spec.half_wave.width,
                f"Vπ of arm {axis.upper()}",
                **_fixed(spec.half_wave, low=1, unit="full scale"),
                reset=round(arm.half_wave / spec.half_wave.lsb),
            ),
            setting(
                f"bias_{axis}",
                spec.bias.width,
                f"voltage of the null of arm {axis.upper()}",
                **_fixed(spec.bias, low=-reach, unit="full scale"),
                high=reach,
            ),
        )
    )
    return (
        setting("angle", 1, "1 sends the table of angles in each frame, 0 rows of weights"),
        setting("stop_on_fault", 1, "1: no output after a symbol that could not be sent", reset=1),
        setting("stop_on_saturation", 1, "1: no output after the DAC saturated", reset=1),
        length("preamble", 4, CAPACITY, "length of the preamble"),
        length("row", 1, spec.row_capacity, "length of the row"),
        length("pilots", 0, CAPACITY, "pilots in each group"),
        length("pilot_spacing", 1, CAPACITY, "row symbols between two groups of pilots"),
        length("vacuum", 0, CAPACITY, "length of the vacuum slot"),
        length("guard", spec.span, CAPACITY, "length of the guard"),
        setting("scale", spec.scale.width, "from a row's symbols to the field", **scale),
        # Stored symbols of preamble and pilots have quadratures of ±½, hence half a step.
        setting(
            "reference",
            spec.scale.width,
            "level of each quadrature of preamble and pilots",
            **{**scale, "quantum": spec.scale.lsb / 2},
        ),
        *arms,
    )


def _digitiser_settings(node: NodeSpec) -> tuple[Register, ...]:
    spec = node.digitiser
    ports = DigitiserSettings().ports()
    axes = ("x", "p")[: spec.quadratures]
    offset = Q(spec.filtered.integer, spec.filtered.fraction + spec.offset_guard)

    def setting(name: str, width: int, doc: str, **more: object) -> Register:
        more.setdefault("reset", ports.get(name, 0))
        return _setting(f"digitiser_{name}", width, doc, "digitiser", **more)

    common = (
        setting("offset_binary", 1, "1 where the ADC counts from its lower end"),
        setting(
            "minimum", 36, "least correlation power of a preamble", low=1
        ),
        setting("free_run", 1, "1: frames start by the clock alone, for calibration records"),
        setting(
            "record", 2, "what is summed", high=2, choices=("signal", "vacuum", "dark")
        ),
        setting("period", 20, "from one frame to the next", unit="samples", low=1),
        setting("row", 13, "length of the row", unit="symbols", low=1, high=spec.row_capacity),
        setting("pilots", 4, "pilots in each group", low=1, high=8),
        setting(
            "spacing", 13, "row symbols between two groups of pilots",
            unit="symbols", low=1, high=CAPACITY,
        ),
        setting("vacuum", 8, "length of the vacuum slot", unit="symbols", low=1),
        setting("timing_shift", 4, "averages the delay over two to this many frames", high=9),
        setting("offset_shift", 4, "averages the offset over two to this many vacuum symbols"),
        setting("phase_shift", 3, "a pilot moves the phase by two to minus this of its error"),
        *(
            setting(
                f"scale_{axis}", spec.scale.width, f"shot-noise units of quadrature {axis}",
                **_fixed(spec.scale, low=1, unit="√SNU/step"),
            )
            for axis in axes
        ),
        *(
            setting(
                f"offset_{axis}", offset.width, f"offset of quadrature {axis} for `load_offset`",
                **_fixed(offset, unit="steps"),
            )
            for axis in axes
        ),
        setting(
            "pilot", spec.reference.width - 1, "quadratures of the pilots, as `q` counts them",
            low=1, quantum=spec.reference.lsb,
        ),
        setting(
            "mode", (spec.row_capacity - 1).bit_length(),
            "row symbol that carries the inference value", high=spec.row_capacity - 1,
        ),
        setting("mode_shift", 3, "two to this many row symbols share the sums of a mode"),
    )  # fmt: skip
    if spec.quadratures == 2:
        return common
    loop, turn = PhaseLockSettings(), 2.0**-spec.phase_bits
    gain = {"quantum": 2.0**-GAIN_BITS}
    return (
        *common,
        setting("ki", GAIN_BITS, "integral gain of the phase lock", reset=loop.ki, **gain),
        setting("kp", GAIN_BITS, "proportional gain of the phase lock", reset=loop.kp, **gain),
        setting(
            "setpoint", spec.phase_bits, "phase that the lock holds",
            signed=True, unit="turns", quantum=turn, reset=loop.setpoint,
        ),
        setting(
            "window", spec.phase_bits - 1, "largest error of a loop that counts as locked",
            unit="turns", quantum=turn, low=1, reset=loop.window,
        ),
        setting(
            "span", 14, "of the phase shifter: one turn", unit="DAC steps", low=2, reset=loop.span
        ),
    )  # fmt: skip


def _status(name: str, width: int, doc: str, group: str, **more: object) -> Register:
    return Register(name, width, Access.STATUS, doc, group, **more)  # type: ignore[arg-type]


def _node_status() -> tuple[Register, ...]:
    def status(name: str, width: int, doc: str, **more: object) -> Register:
        return _status(name, width, doc, "batch", **more)

    return (
        status("state", 3, "of the sequencer", choices=STATES, high=len(STATES) - 1),
        status(
            "rows_granted_left", GRANT_BITS, "rows of the grant that were not sent", unit="rows"
        ),
        status("rows_sent", COUNT_BITS, "since `clear`", unit="rows"),
        status("frames_sent", COUNT_BITS, "since `clear`, lead-in included", unit="frames"),
        status("frames_matched", COUNT_BITS, "received and found among those sent", unit="frames"),
        status("frames_missed", COUNT_BITS, "sent and never received", unit="frames"),
        status("fault", len(FAULTS), "why emission stopped; sticky", flags=FAULTS),
    )


def _drive_status(spec: DriveSpec) -> tuple[Register, ...]:
    def status(name: str, width: int, doc: str, **more: object) -> Register:
        return _status(f"drive_{name}", width, doc, "drive", **more)

    count = spec.counter_bits
    events = {
        "clipped": "samples whose symbol or shaped value was limited",
        "refused": "samples beyond the modulator's reach",
        "saturated": "samples beyond the DAC's range",
        "starved": "clocks in which a sample was due and none came",
    }
    return (
        status("busy", 1, "a frame is on its way"),
        status("buffered", spec.length_width, "waiting in the row buffer", unit="symbols"),
        status("armed", 1, "the output is on"),
        status("tripped", 1, "a fault switched the output off"),
        status("angles_loaded", spec.length_width, "length of the table", unit="symbols"),
        *(status(name, count, doc) for name, doc in events.items()),
        *(status(f"{name}_flag", 1, f"sticky: {doc}") for name, doc in events.items()),
    )


def _digitiser_status(spec: DigitiserSpec) -> tuple[Register, ...]:
    def status(name: str, width: int, doc: str, **more: object) -> Register:
        return _status(f"digitiser_{name}", width, doc, "digitiser", **more)

    axes = ("x", "p")[: spec.quadratures]
    offset = Q(spec.filtered.integer, spec.filtered.fraction + spec.offset_guard)
    steady = (status("steady", 1, "the phase lock is steady"),)
    return (
        status("locked", 1, "frames are being found"),
        status("loss", 1, "sticky: the frames were lost"),
        status("overrange", 1, "sticky: the ADC was at an end of its range"),
        status("overrange_count", WORD, "samples at an end of the ADC's range"),
        status("backlog", 1, "sticky: symbols came faster than they could be handled"),
        status("late", 1, "sticky: a frame's sums were not fetched in time"),
        status("symbols_lost", 1, "sticky: symbols found no room on their way to the host"),
        status("inference_lost", 1, "sticky: inference values found no room"),
        status("phases_lost", 1, "sticky: phases found no room"),
        status(
            "theta",
            spec.phase_bits,
            "phase that symbols are turned by",
            signed=True,
            unit="turns",
            quantum=2.0**-spec.phase_bits,
        ),
        *(
            status(
                f"measured_{axis}",
                offset.width,
                f"offset of quadrature {axis}",
                **_fixed(offset, unit="steps"),
            )
            for axis in axes
        ),
        *(steady if spec.quadratures == 1 else ()),
    )


def _link_status() -> tuple[Register, ...]:
    counts = {
        "accepted": "packets carried out",
        "bad_crc": "packets with a wrong checksum, dropped",
        "bad_frame": "packets that were no packets, dropped",
        "repeated": "packets that came again and were answered from store",
        "gap": "packets that came out of order, dropped",
    }
    return tuple(_status(f"link_{name}", WORD, doc, "link") for name, doc in counts.items())


def _like(name: str, registers: RegisterMap) -> str:
    """A hint at registers whose names end like the one that is not there."""
    end = name.rpartition("_")[2]
    near = [register.name for register in registers if register.name.rpartition("_")[2] == end]
    return f"; there is {', '.join(near)}" if near else ""


def markdown() -> str:
    """The page docs/registers.md: the maps of both roles in one table a group."""
    maps = {role: register_map(NodeSpec(role)) for role in ROLES}
    union = {register.name: register for known in maps.values() for register in known}
    groups: dict[str, list[Register]] = {}
    for register in union.values():
        groups.setdefault(register.group, []).append(register)
    lines = [
        "<!-- Written by `shotveil registers > docs/registers.md`. -->",
        "# Registers",
        "",
        "A host reaches a node's registers by name, through `host.devices.registers` or",
        "`shotveil device`; nobody needs the addresses but who reads a trace of the link. They are",
        "those of the default nodes, in words of 32 bits; longer registers take two, low word",
        "first.",
        "",
        "* A **constant** is fixed when the node is built.",
        "* A **setting** is staged when written and acts from the next `commit` on, together with",
        "  all others; reading gives what is staged.",
        "* A **strobe** acts once for each write, whatever the value.",
        "* A **status** shows what the node does. One of two words is latched when the first is",
        "  read. Counters stop at their end.",
        "",
        "Ranges and values after reset are physical where a unit or a step is given.",
    ]
    for group, registers in groups.items():
        head = f"| {' | '.join(maps)} | name | kind | bits | range | after reset | what |"
        lines += ["", f"## {group.capitalize()}", "", head, "|" + " --- |" * (head.count("|") - 1)]
        for register in registers:
            places = [
                f"{known.address(register.name):03x}" if register.name in known else "–"
                for known in maps.values()
            ]
            cells = [*places, f"`{register.name}`", register.access.value]
            alike = [known[register.name] for known in maps.values() if register.name in known]
            lines.append(f"| {' | '.join([*cells, *_described(alike)])} |")
    return "\n".join(lines) + "\n"


def _described(alike: list[Register]) -> list[str]:
    """Bits, range, value after reset and meaning, as the page shows them.

    The roles' registers of one name differ by no more than a constant's value.
    """
    register = alike[0]
    unit = f" {register.unit}" if register.unit else ""

    def physical(raw: int) -> str:
        return f"{raw if register.quantum is None else f'{raw * register.quantum:.6g}'}"

    bits = f"{register.width}{', signed' if register.signed else ''}"
    doc = register.doc
    if register.quantum is not None:
        doc += f"; steps of {register.quantum:.4g}{unit}"
    names = register.choices or register.flags
    if names:
        word = "bits" if register.flags else "values"
        doc += f"; {word} from 0: {', '.join(names)}"
    span = f"{physical(register.lowest)} … {physical(register.highest)}{unit}"
    reset = " / ".join(dict.fromkeys(f"{physical(one.reset)}{unit}" for one in alike))
    if register.access is Access.CONSTANT:
        span, reset = "", "of the build" if register.name.endswith("_hash") else reset
    elif register.access is not Access.SETTING:
        reset = ""
    if register.access is Access.STROBE or register.width == 1:
        span = ""
    return [bits, span, reset, doc]
