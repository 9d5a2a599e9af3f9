"""The map of a node's registers: decoder, host, documentation and models all use this one.

It is pure Python without Amaranth, so that a host can import it without an HDL tool chain.
Addresses are assigned here and appear nowhere else; all other code uses a register's name.

`models.node.register` explains the kinds of registers. The group `identity` has the same addresses
in every version of the map, so that any host can tell what it is connected to. To add a register,
add one entry here, and give the block that drives it a port of the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from shotveil.models.common.fixedpoint import Q
from shotveil.models.digitiser.accumulators import NAMES
from shotveil.models.digitiser.phase_lock import GAIN_BITS, PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import Arm, DriveSpec
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.register import Access, Register, RegisterMap, RegisterRole
from shotveil.models.node.row_store import SLOT_BITS
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

IDENTITY = 0x53564C31  # "SVL1"
VERSION = 1  # version of the registers' meaning; raise it when a register changes what it does
WATCHDOG_TICK = 1 << TICK_BITS  # clocks
MAP_HASH = "map_hash"
LINK = "link"  # the group of the host link's counters
STATES = tuple(state.name.lower().replace("_", "-") for state in SequencerState)


def register_map(spec: NodeSpec) -> RegisterMap:
    """The map of a node. Raises `RangeError` if a register cannot hold what the spec asks for."""
    registers = (
        *_identity(spec.spec_hash()),
        *_dimensions(spec),
        *_strobes(),
        *_node_settings(spec),
        *_drive_settings(spec.drive),
        *_digitiser_settings(spec),
        *(_store(spec.store) if spec.store else ()),
        *_node_status(),
        *_drive_status(spec.drive),
        *_digitiser_status(spec.digitiser),
        *_link_status(),
    )
    ordered = sorted(registers, key=lambda register: tuple(Access).index(register.access))
    # Two maps can differ although the specs agree. A hash of the map keeps a host from mistaking
    # one register for another.
    digest = hashlib.sha256(repr(ordered).encode()).digest()
    mark = int.from_bytes(digest[:4], "big")
    return RegisterMap(tuple(replace(r, reset=mark) if r.name == MAP_HASH else r for r in ordered))


def _identity(spec_hash: int) -> tuple[Register, ...]:
    def constant(name: str, value: int, doc: str) -> Register:
        return Register(
            name, WORD, Access.CONSTANT, doc, "identity", reset=value, role=RegisterRole.IDENTITY
        )

    return (
        constant("id", IDENTITY, "what this is: the letters SVL1"),
        constant("version", VERSION, "of the meaning of the registers"),
        constant("spec_hash", spec_hash, "first bits of SHA-256 over what the node was built from"),
        constant(MAP_HASH, 0, "first bits of SHA-256 over the registers below"),
    )


def _dimensions(spec: NodeSpec) -> tuple[Register, ...]:
    """Constants that a host computes with."""
    drive, digitiser = spec.drive, spec.digitiser
    known = {
        "clock": (spec.clock_hz, "samples a second"),
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
        "store_capacity": (spec.store, "symbols of rows that stay at the node"),
    }
    return tuple(
        Register(name, WORD, Access.CONSTANT, doc, "dimensions", reset=value)
        for name, (value, doc) in known.items()
    )


def spec_of(dimensions: Mapping[str, int]) -> NodeSpec:
    """The spec of a node whose constants of the group `dimensions` have these values.

    It holds for nodes that are made by `NodeSpec.chosen`: a node of another make has another hash.
    Raises `RangeError` for values that no node has.
    """
    return NodeSpec.chosen(
        ROLES[dimensions["client"] & 1],
        samples_per_symbol=dimensions["samples_per_symbol"],
        dac_bits=dimensions["dac_bits"],
        adc_bits=dimensions["adc_bits"],
        clock_hz=dimensions["clock"],
        loopback=bool(dimensions["loopback"]),
        capture=dimensions["capture_depth"],
        replay=dimensions["replay_depth"],
        window=dimensions["window"],
        store=dimensions["store_capacity"],
    )


def _strobes() -> tuple[Register, ...]:
    does = {
        "commit": "all staged settings take effect in one clock; only `live` ones in a batch",
        "start": "begin the batch",
        "stop": "end the batch after the frame on its way",
        "clear": "sticky flags and counters back to zero",
        "restart": "the receiver back to its state after reset",
        "snapshot": "sums of the session and of the modes are sent at the next frame's end",
        "capture": "record the next ADC words",
        "clear_angles": "empty the table of angles",
        "rewind": "taps are loaded from the first one on again",
        "load_offset": "the receiver takes the offsets that are set as settled",
    }
    return tuple(Register(name, 1, Access.STROBE, doc, "strobes") for name, doc in does.items())


def _setting(name: str, width: int, doc: str, group: str, **more: object) -> Register:
    return Register(name, width, Access.SETTING, doc, group, **more)  # type: ignore[arg-type]


def _node_settings(spec: NodeSpec) -> tuple[Register, ...]:
    symbol = spec.drive.samples_per_symbol
    second = round(spec.clock_hz / WATCHDOG_TICK)

    def setting(name: str, width: int, doc: str, **more: object) -> Register:
        return _setting(name, width, doc, "batch", **more)

    return (
        setting(
            "arm",
            1,
            "1 lets light out, once started; after a stop it has to go low first",
            live=True,
        ),
        setting("grant", GRANT_BITS, "rows (client: frames) that the batch may send", unit="rows"),
        setting("lead_in", LEAD_BITS, "frames of zeros sent before the rows", unit="frames"),
        setting(
            "watchdog",
            WATCHDOG_BITS,
            "time without a valid packet after which emission stops",
            unit="s",
            quantum=WATCHDOG_TICK / spec.clock_hz,
            low=1,
            reset=second,
        ),
        setting("triggered", 1, "1: a frame starts only after an edge at the trigger input"),
        setting(
            "trigger_delay",
            DELAY_BITS,
            "from the trigger to the frame's start",
            unit="s",
            quantum=1 / spec.clock_hz,
        ),
        setting(
            "loop_delay",
            20,
            "from a frame's first DAC code to its first ADC sample",
            unit="samples",
            high=symbol * spec.replay - 1,
        ),
        setting(
            "capture_on_frame",
            1,
            "1: a raw record begins with a frame's first DAC code",
            live=True,
        ),
    )


def _store(symbols: int) -> tuple[Register, ...]:
    """The registers of a row store that holds so many symbols."""
    place, level = (symbols - 1).bit_length(), symbols.bit_length()

    def of(name: str, width: int, access: Access, doc: str, **more: object) -> Register:
        return Register(name, width, access, doc, "store", **more)  # type: ignore[arg-type]

    setting, status = Access.SETTING, Access.STATUS
    return (
        of("store_play", 1, setting, "1 sends the rows of the slots that come, 0 rows that come"),
        of(
            "store_place", level, setting, "symbol that `store_rewind` goes to",
            unit="symbols", high=symbols,
        ),
        of("store_rewind", 1, Access.STROBE, "forget what was loaded from `store_place` on"),
        of("store_loaded", level, status, "loaded, in order from the first", unit="symbols"),
        of("store_waiting", SLOT_BITS, status, "slots whose rows are still to be fetched"),
        of(
            "store_refused", 1, status, "sticky: a slot was refused: its row was not loaded",
            role=RegisterRole.SPOILS,
        ),
        of("store_refused_slot", place, status, "the first slot that was refused since `clear`"),
        of(
            "store_unreadable", 1, status, "sticky: the memory gave no word where there is one",
            role=RegisterRole.SPOILS,
        ),
    )  # fmt: skip


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


def _count(name: str, width: int, doc: str, group: str, unit: str = "") -> Register:
    return _status(name, width, doc, group, unit=unit, role=RegisterRole.COUNTER)


def _node_status() -> tuple[Register, ...]:
    def status(name: str, width: int, doc: str, **more: object) -> Register:
        return _status(name, width, doc, "batch", **more)

    def count(name: str, doc: str, unit: str) -> Register:
        return _count(name, COUNT_BITS, doc, "batch", unit)

    return (
        status("state", 3, "of the sequencer", choices=STATES, high=len(STATES) - 1),
        status(
            "rows_granted_left", GRANT_BITS, "rows of the grant that were not sent", unit="rows"
        ),
        count("rows_sent", "since `clear`", "rows"),
        count("frames_sent", "since `clear`, lead-in included", "frames"),
        count("frames_matched", "received and found among those sent", "frames"),
        count("frames_missed", "sent and never received", "frames"),
        status(
            "fault",
            len(FAULTS),
            "why emission stopped; sticky",
            flags=FAULTS,
            role=RegisterRole.FAULT,
        ),
        status(
            "settings_held",
            1,
            "sticky: a setting was to change during the batch, and waits for its end",
            role=RegisterRole.FLAG,
        ),
        status(
            "tables_partial",
            1,
            "a load of taps stopped short; `start` does nothing until all are loaded",
        ),
    )


def _drive_status(spec: DriveSpec) -> tuple[Register, ...]:
    def status(name: str, width: int, doc: str, **more: object) -> Register:
        return _status(f"drive_{name}", width, doc, "drive", **more)

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
        *(_count(f"drive_{n}", spec.counter_bits, doc, "drive") for n, doc in events.items()),
        *(
            status(f"{name}_flag", 1, f"sticky: {doc}", role=RegisterRole.FLAG)
            for name, doc in events.items()
        ),
    )


def _digitiser_status(spec: DigitiserSpec) -> tuple[Register, ...]:
    def status(name: str, width: int, doc: str, **more: object) -> Register:
        return _status(f"digitiser_{name}", width, doc, "digitiser", **more)

    def flag(name: str, doc: str, role: RegisterRole = RegisterRole.FLAG) -> Register:
        return status(name, 1, f"sticky: {doc}", role=role)

    def measured(name: str, width: int, doc: str, **more: object) -> Register:
        return status(name, width, doc, role=RegisterRole.MEASUREMENT, **more)

    axes = ("x", "p")[: spec.quadratures]
    offset = Q(spec.filtered.integer, spec.filtered.fraction + spec.offset_guard)
    steady = (status("steady", 1, "the phase lock is steady"),)
    # The receiver gives up where the frames of a batch end, and copies of symbols and phases find
    # no room unless somebody fetches them.
    usual, spoils = RegisterRole.NOTICE, RegisterRole.SPOILS
    return (
        status("locked", 1, "frames are being found"),
        flag("loss", "the frames were lost", usual),
        flag("overrange", "the ADC was at an end of its range"),
        _count(
            "digitiser_overrange_count", WORD, "samples at an end of the ADC's range", "digitiser"
        ),
        flag("backlog", "symbols came faster than they could be handled", spoils),
        flag("late", "a frame's sums were not fetched in time", spoils),
        flag("symbols_lost", "symbols found no room on their way to the host", usual),
        flag("inference_lost", "inference values found no room", spoils),
        flag("phases_lost", "phases found no room", usual),
        measured(
            "theta",
            spec.phase_bits,
            "phase that symbols are turned by",
            signed=True,
            unit="turns",
            quantum=2.0**-spec.phase_bits,
        ),
        *(
            measured(
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
    return tuple(_count(f"link_{name}", WORD, doc, LINK) for name, doc in counts.items())
