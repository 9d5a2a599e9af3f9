"""C++ that plays many copies of a design at once, each in a lane of vectors.

Verilator handles a node's words one by one. Here every word of the design's graph
(`sim.engines.dataflow`) is a vector with that word of each copy, and a single bit is an integer
with a bit for each copy (`primitives/lanes.h`). A register is overwritten behind most of what reads
it, since keeping the state twice would take twice as much of the processor's cache.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.lib import wiring

from shotveil.sim.engines.dataflow import WIDEST, Graph, Word, graph
from shotveil.sim.engines.run import Ports
from shotveil.sim.engines.shared_library import PRIMITIVES, STREAM, lines

LANES = 16  # as in primitives/lanes.h
FULL = (1 << LANES) - 1
# Statements of a function. A clock as one function is so large that GCC gives every word a place of
# its own on the stack, and takes twice as long for it.
PIECE = 800
# What C++ knows of a lane, and its type there and here; a lane without `streams` stands still.
LANE = (
    ("streams", "Stream*", ctypes.c_void_p),
    ("lines", "uint64_t**", ctypes.c_void_p),
    ("values", "uint64_t*", ctypes.c_void_p),
    ("clock", "uint64_t", ctypes.c_uint64),  # clocks since the lane began
    ("at", "uint64_t", ctypes.c_uint64),  # clocks of its step that have been played
)

NAME = re.compile(r"\b[vcso]\d\w*")  # of what `_Writer` defines


def kind(width: int) -> str:
    """The type of a word: M has a bit for each lane, V16, V32 and V64 an element."""
    return "M" if width == 1 else f"V{bits(width)}"


def bits(width: int) -> int:
    """The bits of an element of that type."""
    return 16 if width <= 16 else 32 if width <= 32 else 64


def source(component: wiring.Component, ports: Ports) -> str:
    """The C++ of a component: state, a clock, and the calls of `LaneLibrary`."""
    known = lines(ports)
    design = graph(component, known)
    records = (("Stream", STREAM), ("Lane", LANE))
    return "\n".join(
        [
            (PRIMITIVES / "lanes.h").read_text(),
            *(_struct(name, fields) for name, fields in records),
            (PRIMITIVES / "lane_ports.h").read_text(),
            _clock(design, {name: len(line) for name, (line, _) in known.items()}),
            _calls(ports, known),
        ]
    )


def _port(name: str) -> str:
    """The name of a port in C++, where its own may mean something."""
    return f"port_{name}"


def _struct(name: str, fields: Iterable[tuple[str, str, Any]]) -> str:
    return f"struct {name} {{ {' '.join(f'{type_} {field};' for field, type_, _ in fields)} }};"


@dataclass(frozen=True)
class _Statement:
    """A statement; if it has a `name`, that gets the value of the expression `text`."""

    text: str
    type_: str = ""
    name: str = ""


class _Writer:
    """Writes the statements of one clock.

    A word of w bits may have anything in the bits of its element above them (it is raw), until
    something needs it without (`clean`) or with its sign there (`signed`).
    """

    def __init__(self, design: Graph) -> None:
        self._graph = design
        self.statements: list[_Statement] = []
        self._written: set[int] = set()
        self._overwritten: set[int] = set()  # registers
        self._clean: set[int] = set()  # words that are clean by themselves
        self._masked: dict[int, str] = {}
        self._signed: dict[tuple[int, int], str] = {}
        self.registers, self.memories = self._needed()

    def _needed(self) -> tuple[list[int], list[int]]:
        """The registers and memories on which the outputs depend.

        Each register stands in front of those that its next word is made from, except in a ring.
        """
        nodes, registers, memories = self._graph.nodes, self._graph.registers, self._graph.memories
        seen: set[int] = set()
        left: list[int] = []  # the registers, in the order in which the search leaves them
        known: set[int] = set()

        def below(number: int) -> Iterator[int]:
            seen.add(number)
            node = nodes[number]
            if node.op == "state":
                return iter((registers[node.extra].following,))
            writes = memories[node.extra].writes if node.op == "read" else ()
            if node.op == "read":
                known.add(node.extra)
            return itertools.chain(
                node.args, *((port.enable, port.address, port.word) for port in writes)
            )

        for output in self._graph.outputs.values():
            path = [] if output in seen else [(output, below(output))]
            while path:
                number, rest = path[-1]
                following = next((n for n in rest if n not in seen), None)
                if following is not None:
                    path.append((following, below(following)))
                    continue
                path.pop()
                if nodes[number].op == "state":
                    left.append(nodes[number].extra)
        return left[::-1], sorted(known)

    def need(self, number: int) -> str:
        """Write what a node depends on and itself, unless that is done; return its raw word."""
        nodes, waiting = self._graph.nodes, [number]
        while waiting:
            at = waiting[-1]
            missing = [a for a in nodes[at].args if a not in self._written]
            if missing:
                waiting += missing[::-1]
                continue
            waiting.pop()
            if at not in self._written:
                self._written.add(at)
                node = nodes[at]
                if node.width > WIDEST:
                    raise NotImplementedError(f"a word of {node.width} bits")
                if node.op != "state":
                    text = self._expression(at, node)
                    self._let(kind(node.width), f"v{at}", text)
        return self.raw(number)

    def overwrite(self, register: int, word: str) -> None:
        """Write the next word of a register, and keep the present one for what needs it later."""
        type_ = kind(self._graph.registers[register].width)
        self._let(type_, f"o{register}", f"s.r{register}")
        self.do(f"s.r{register} = {word};")
        self._overwritten.add(register)

    def do(self, text: str) -> None:
        """Write a statement."""
        self.statements.append(_Statement(text))

    def _let(self, type_: str, name: str, text: str) -> None:
        self.statements.append(_Statement(text, type_, name))

    # Words of nodes that are written ---------------------------------------------------------

    def width(self, number: int) -> int:
        return self._graph.nodes[number].width

    def raw(self, number: int) -> str:
        node = self._graph.nodes[number]
        if node.op != "state":
            return f"v{number}"
        return f"o{node.extra}" if node.extra in self._overwritten else f"s.r{node.extra}"

    def clean(self, number: int, width: int = 0) -> str:
        """A word without anything above it, in the type for `width` bits if that is given."""
        own = self.width(number)
        name = self.raw(number)
        if own not in (1, 16, 32, 64) and number not in self._clean:
            if number not in self._masked:
                self._masked[number] = f"c{number}"
                self._let(kind(own), f"c{number}", f"{name} & {_all(own, -1)}")
            name = self._masked[number]
        return _converted(name, own, width or own)

    def signed(self, number: int, width: int = 0) -> str:
        """A word with its sign above it, in the type for `width` bits if that is given."""
        own, wanted = self.width(number), width or self.width(number)
        if own == 1:
            return f"spread<{kind(wanted)}>({self.raw(number)})"
        key = number, bits(wanted)
        if key not in self._signed:
            name = self._signed[key] = f"s{number}_{bits(wanted)}"
            word, by = _converted(self.raw(number), own, wanted), bits(wanted) - own
            word = f"sar(shl({word}, {by}), {by})" if by else word
            self._let(kind(wanted), name, word)
        return self._signed[key]

    def address(self, number: int) -> str:
        if self.width(number) == 1:
            return f"bit<V16>({self.raw(number)}, 1)"
        return self.clean(number)

    # Expressions ----------------------------------------------------------------------------

    def _expression(self, number: int, node: Word) -> str:
        args, width, type_ = node.args, node.width, kind(node.width)
        words = [self.raw(a) for a in args]
        of = self.width(args[0]) if args else 0
        match node.op:
            case "constant":
                self._clean.add(number)
                return _all(width, node.extra)
            case "input":
                self._clean.add(number)
                return f"p.{_port(node.extra)}"
            case "not":
                return f"M(~{words[0]})" if width == 1 else f"~{words[0]}"
            case "and" | "or" | "xor":
                cleans = [a in self._clean for a in args]
                if all(cleans) or (node.op == "and" and any(cleans)):
                    self._clean.add(number)
                text = {"and": " & ", "or": " | ", "xor": " ^ "}[node.op].join(words)
                return f"M({text})" if width == 1 else text
            case "add" | "sub" | "mul":
                if width == 1:
                    return f"M({words[0]} {'&' if node.op == 'mul' else '^'} {words[1]})"
                return {"add": " + ", "sub": " - ", "mul": " * "}[node.op].join(words)
            case "neg":
                return words[0] if width == 1 else f"{_all(width, 0)} - {words[0]}"
            case "mux":
                if {*args[1:]} <= self._clean:
                    self._clean.add(number)
                return f"sel({', '.join(words)})"
            case "slice":
                if width == 1:
                    return f"test({words[0]}, {1 << node.extra:#x}ull)"
                if args[0] in self._clean and node.extra + width == of:
                    self._clean.add(number)
                moved = f"shr({words[0]}, {node.extra})" if node.extra else words[0]
                return _converted(moved, of, width)
            case "zext":
                self._clean.add(number)
                return f"bit<{type_}>({words[0]}, 1)" if of == 1 else self.clean(args[0], width)
            case "sext":
                return self.signed(args[0], width)
            case "cat":
                return self._joined(number, args, type_)
            case "eq" | "ult" | "ule":
                if of == 1:
                    a, b = words
                    return {"eq": f"M(~({a} ^ {b}))", "ult": f"M(~{a} & {b})",
                            "ule": f"M(~{a} | {b})"}[node.op]  # fmt: skip
                return f"{node.op}({self.clean(args[0])}, {self.clean(args[1])})"
            case "slt" | "sle":
                if of == 1:
                    return f"M({words[0]} {'& ~' if node.op == 'slt' else '| ~'}{words[1]})"
                return f"{node.op}({self.signed(args[0])}, {self.signed(args[1])})"
            case "any":
                return f"test({words[0]}, {(1 << of) - 1:#x}ull)"
            case "all":
                return f"eq({self.clean(args[0])}, {_all(of, -1)})"
            case "match":
                return self._matched(words[0], of, node.extra)
            case "sar" if width == 1:
                return words[0]
            case "shl" | "shr" if width == 1:
                by = self.width(args[1])
                moved = words[1] if by == 1 else f"test({words[1]}, {(1 << by) - 1:#x}ull)"
                return f"M({words[0]} & ~{moved})"
            case "shl" | "shr" | "sar":
                word = {"shl": words[0], "shr": self.clean(args[0]), "sar": self.signed(args[0])}
                by = self.width(args[1])
                if by == 1:
                    amount = f"bit<{type_}>({words[1]}, 1)"
                elif bits(by) > bits(width):
                    amount = f"narrow<{type_}>({self.clean(args[1])})"
                else:
                    amount = self.clean(args[1], width)
                if node.op == "shr":
                    self._clean.add(number)
                return f"{node.op}_by({word[node.op]}, {amount}, {width})"
            case "read":
                place = self.address(args[0])
                if self._graph.memories[node.extra].writes:
                    return f"fetch(m.m{node.extra}, {place}, which)"
                return f"look_up((const {type_}*)nullptr, table{node.extra}, {place}, which)"
        raise NotImplementedError(f"the operation {node.op}")

    def _joined(self, number: int, args: tuple[int, ...], type_: str) -> str:
        parts, at = [], 0
        for a in args:
            own, top = self.width(a), a == args[-1] and at + self.width(a) == self.width(number)
            if top and (own == 1 or a in self._clean):
                self._clean.add(number)
            if own == 1:
                parts.append(f"bit<{type_}>({self.raw(a)}, {1 << at:#x}ull)")
            elif self._graph.value(a) != 0:
                total = self.width(number)
                word = _converted(self.raw(a), own, total) if top else self.clean(a, total)
                parts.append(f"shl({word}, {at})" if at else word)
            at += own
        return " | ".join(parts)

    @staticmethod
    def _matched(word: str, width: int, patterns: tuple[tuple[int, int], ...]) -> str:
        if any(not mask for mask, _ in patterns):
            return _all(1, 1)
        if width == 1:
            terms = [word if value else f"~{word}" for _, value in patterns]
        else:
            terms = [f"eq({word} & {_all(width, m)}, {_all(width, v)})" for m, v in patterns]
        return f"M({' | '.join(terms)})"


def _all(width: int, value: int) -> str:
    """A word that is the same in all lanes."""
    if width == 1:
        return f"M({FULL * (value & 1)})"
    return f"all<{kind(width)}>({value & (1 << width) - 1:#x}ull)"


def _converted(word: str, own: int, width: int) -> str:
    return word if kind(own) == kind(width) else f"to<{kind(width)}>({word})"


def _clock(design: Graph, ports: Mapping[str, int]) -> str:
    """State, memories and ports of a design, and the functions that reset and clock them."""
    writer = _Writer(design)
    for name, number in design.outputs.items():
        writer.need(number)
        writer.do(f"p.{_port(name)} = {writer.clean(number)};")
    for number in writer.registers:
        word = writer.need(design.registers[number].following)
        writer.overwrite(number, word)
    writes = []  # behind all that is read in this clock
    for memory in writer.memories:
        for port in design.memories[memory].writes:
            on, _, word = (writer.need(n) for n in (port.enable, port.address, port.word))
            place = writer.address(port.address)
            writes.append(f"keep(m.m{memory}, {place}, M({on} & which.active), {word});")
    for write in writes:
        writer.do(write)

    # An address that leaves the memory finds room behind it.
    places = [(node.extra, node.args[0]) for node in design.nodes if node.op == "read"]
    places += [(k, port.address) for k in writer.memories for port in design.memories[k].writes]
    rows = dict.fromkeys(range(len(design.memories)), 1)
    for memory, address in places:
        rows[memory] = max(rows[memory], 1 << writer.width(address))

    state, first, begun = [], [], []
    for number in writer.registers:
        register = design.registers[number]
        type_ = kind(register.width)
        state.append(f"{type_} r{number};")
        first.append(f"{{offsetof(State, r{number}), sizeof({type_}), {register.init:#x}ull}},")
    tables, kept = [], []
    for memory in writer.memories:
        found = design.memories[memory]
        words = [f"{word:#x}ull" for word in found.init]
        if not found.writes:  # all lanes share it
            words += ["0"] * (rows[memory] - len(words))
            size = f"uint{bits(found.width)}_t"
            tables.append(f"static const {size} table{memory}[] = {{{', '.join(words)}}};")
            continue
        kept.append(f"{kind(found.width)} m{memory}[{rows[memory]}];")
        table = "nullptr"  # all words are 0
        if any(found.init):
            table = f"table{memory}"
            tables.append(f"static const uint64_t {table}[] = {{{', '.join(words)}}};")
        begun.append(f"begin(m.m{memory}, {rows[memory]}, {table}, {len(found.init)}, lane);")
    indent = "\n  "
    return f"""
struct State {{ {indent.join(state or ["M none;"])} }};
struct Memories {{ {indent.join(kept or ["M none;"])} }};
struct Ports {{ {indent.join(f"{kind(width)} {_port(name)};" for name, width in ports.items())} }};
{indent.join(tables)}
static const Register registers[] = {{ {indent.join(first or ["{0, sizeof(M), 0}"])} }};
static void reset_lanes(State& s, Memories& m, M lane) {{
  for (const Register& r : registers) reset_word((char*)&s + r.at, r, lane);
  {indent.join(begun)}
}}
static void hold_lanes(State& s, const State& old, M lane) {{
  for (const Register& r : registers)
    hold_word((char*)&s + r.at, (const char*)&old + r.at, r, lane);
}}
{_functions(writer.statements)}
"""


def _functions(statements: Sequence[_Statement]) -> str:
    """The functions of a clock, and `clock_lanes`, which calls them one after the other."""
    pieces = [statements[at : at + PIECE] for at in range(0, len(statements), PIECE)]
    made = {one.name: k for k, piece in enumerate(pieces) for one in piece if one.name}
    types = {one.name: one.type_ for one in statements if one.name}
    handed: dict[str, None] = {}  # words that a later function needs
    taken: list[list[str]] = []
    for k, piece in enumerate(pieces):
        found = dict.fromkeys(name for one in piece for name in NAME.findall(one.text))
        taken.append([name for name in found if made.get(name, k) < k])
        handed |= dict.fromkeys(taken[-1])
    arguments = "State& __restrict s, Memories& __restrict m, Ports& __restrict p, "
    text = [f"struct Handed {{ {' '.join(f'{types[name]} {name};' for name in handed)} }};"]
    for k, piece in enumerate(pieces):
        text.append(f"static __attribute__((noinline)) void clock_{k}(")
        text.append(f"    {arguments}Handed& __restrict h, Which which) {{")
        text += [f"  const {types[name]}& {name} = h.{name};" for name in taken[k]]
        for one in piece:
            text.append(f"  const {one.type_} {one.name} = {one.text};" if one.name else one.text)
            if one.name in handed:
                text.append(f"  h.{one.name} = {one.name};")
        text.append("}")
    text.append(f"static void clock_lanes({arguments}Handed& __restrict h, M active) {{")
    text.append("  const Which which = {active ? __builtin_ctz(active) : 0, active};")
    text += [f"  clock_{k}(s, m, p, h, which);" for k in range(len(pieces))]
    return "\n".join([*text, "}"])


def _calls(ports: Ports, known: Collection[str]) -> str:
    """The calls of a library: `create`, `destroy`, `reset` and `play`."""
    first: list[str] = []  # in front of the first clock
    before: list[str] = []
    after: list[str] = []
    last: list[str] = []
    for k, name in enumerate((*ports.inputs, *ports.outputs)):
        payload, valid, ready = (
            f"p.{_port(f'{name}__{line}')}" for line in ("payload", "valid", "ready")
        )
        fires, waits = f"{name}__valid" in known, f"{name}__ready" in known
        if name in ports.inputs and not fires:
            before.append(f"play_always(lanes, {k}, active, {payload});")
            after.append(f"played_always(lanes, {k}, active, clock);")
            continue
        first.append(f"M left{k} = left(lanes, {k}, active);")
        if name in ports.inputs:
            before.append(f"{valid} = offered(lanes, {k}, left{k}, {payload});")
            taken = f"M({valid} & {ready})" if waits else valid
            after.append(f"taken(lanes, {k}, {taken}, left{k}, clock);")
        else:
            room = f"accepting(lanes, {k}, left{k})" if waits else f"left{k}"
            before.append(f"const M go{k} = {room};" + (f" {ready} = go{k};" if waits else ""))
            given = f"M(go{k} & {valid})" if fires else f"go{k}"
            after.append(f"given(lanes, {k}, {given}, left{k}, {payload}, clock);")
    for k, name in enumerate((*ports.settings, *ports.status)):
        first.append(f"const M line{k} = lined(lanes, {k}, active);")
        if name in ports.settings:
            first.append(f"set_value(lanes, {k}, active, p.{_port(name)});")
            before.append(f"set_line(lanes, {k}, line{k}, p.{_port(name)}, clock);")
        else:
            after.append(f"get_line(lanes, {k}, line{k}, p.{_port(name)}, clock);")
            last.append(f"get_value(lanes, {k}, active, p.{_port(name)});")
    indent = "\n    "
    return f"""
// Lanes that were reset are in use; `old` is the state of those that rest.
struct alignas(64) Copies {{
  State state;
  State old;
  Memories memories;
  Ports ports;
  Handed handed;
  M used = 0;
}};

extern "C" {{

EXPORT void* create() {{
  void* room = std::aligned_alloc(64, (sizeof(Copies) + 63) / 64 * 64);
  return room ? new (room) Copies : nullptr;
}}

EXPORT void destroy(void* handle) {{ std::free(handle); }}

EXPORT void reset(void* handle, uint64_t lane) {{
  Copies& c = *static_cast<Copies*>(handle);
  reset_lanes(c.state, c.memories, 1 << lane);
  c.used |= 1 << lane;
}}

EXPORT void play(void* handle, uint64_t clocks, Lane* lanes) {{
  Copies& c = *static_cast<Copies*>(handle);
  Ports& p = c.ports;
  M active = 0;
  for (int l = 0; l < LANES; l++) active |= (lanes[l].streams ? 1 : 0) << l;
  const M resting = c.used & ~active;
  if (resting) c.old = c.state;
  {indent.join(first)}
  for (uint64_t clock = 0; clock < clocks; clock++) {{
    {indent.join(before)}
    clock_lanes(c.state, c.memories, p, c.handed, active);
    {indent.join(after)}
  }}
  {indent.join(last)}
  if (resting) hold_lanes(c.state, c.old, resting);
}}

}}
"""
