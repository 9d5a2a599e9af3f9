"""A design as a graph of words: what an engine needs that writes code of its own for it.

The graph is made from Amaranth's netlist. Registers and memories are cut into the fields that are
used apart (`_Pieces`), so that a payload of several numbers is not packed in one clock and unpacked
in the next, and no word is wider than `WIDEST`. All flip-flops and memories have one clock; the
reset stays low, since they begin with their initial values, as on an FPGA.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from amaranth.hdl import Fragment, Value
from amaranth.hdl import _ir as ir
from amaranth.hdl import _nir as nir
from amaranth.lib import wiring

WIDEST = 64
UNKNOWN = -1  # no number of a word
MEMORY = "simulated_memory"  # of sim/engines/primitives
LOW_FIRST = ("add", "sub", "mul", "neg")  # low bits of the result depend on low bits alone
PER_BIT = ("~", "&", "|", "^", "m")


@dataclass(frozen=True)
class Word:
    """What gives a word: `args` are the numbers of words in front of it, `extra` depends on `op`.

    * `constant`: `extra` is its value; `input`: the name of a port; `state`: the register's number.
    * `slice`: bits from `extra` on; `cat`: lowest part first; `sext`, `zext`: to more bits.
    * `not and or xor neg add sub mul shl shr sar`: words of one width; shifts by any amount.
    * `mux`: condition, then, else. `eq ult ule slt sle`, `any` and `all`: one bit.
    * `match`: whether a word has one of the patterns (mask, value) of `extra`.
    * `read`: the word of memory `extra` at an address, at once.
    """

    op: str
    width: int
    args: tuple[int, ...] = ()
    extra: Any = None


@dataclass
class StateWord:
    """A register; `following` is the node of its next value, once it is known."""

    width: int
    init: int
    following: int = UNKNOWN


@dataclass
class Writing:
    """The next word at an address where the condition is true; all are numbers of nodes."""

    enable: int
    address: int
    word: int


@dataclass
class Memory:
    """A memory, or a field of all its words. A read sees what was written in earlier clocks."""

    width: int
    depth: int
    init: tuple[int, ...]
    writes: list[Writing] = field(default_factory=list)


@dataclass
class Graph:
    """Nodes in an order in which each comes behind its arguments, and the state that they keep."""

    nodes: list[Word] = field(default_factory=list)
    registers: list[StateWord] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)
    _known: dict[Word, int] = field(default_factory=dict)

    def add(self, op: str, width: int, *args: int, extra: Any = None) -> int:
        """The number of a node, which is a known one where that does the same."""
        node = Word(op, width, args, extra)
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return self._known[node]

    def constant(self, value: int, width: int) -> int:
        return self.add("constant", width, extra=value & (1 << width) - 1)

    def value(self, number: int) -> int | None:
        """The value of a constant, or None."""
        node = self.nodes[number]
        return node.extra if node.op == "constant" else None

    # Operations, folded where that is simple -------------------------------------------------

    def invert(self, a: int) -> int:
        node = self.nodes[a]
        if node.op == "constant":
            return self.constant(~node.extra, node.width)
        return node.args[0] if node.op == "not" else self.add("not", node.width, a)

    def both(self, a: int, b: int) -> int:
        return self._logic("and", a, b, 0)

    def either(self, a: int, b: int) -> int:
        return self._logic("or", a, b, -1)

    def _logic(self, op: str, a: int, b: int, absorbing: int) -> int:
        """`and` or `or`: the absorbing constant gives itself, its inverse the other operand."""
        width = self.nodes[a].width
        absorbing &= (1 << width) - 1
        for one, other in ((a, b), (b, a)):
            known = self.value(one)
            if known == absorbing or one == other:
                return one
            if known is not None and known ^ absorbing == (1 << width) - 1:
                return other
        return self.add(op, width, *sorted((a, b)))

    def choose(self, condition: int, a: int, b: int) -> int:
        """a where the condition is true, else b."""
        known = self.value(condition)
        if known is not None:
            return a if known else b
        if a == b:
            return a
        if self.nodes[condition].op == "not":
            (condition,), a, b = self.nodes[condition].args, b, a
        width = self.nodes[a].width
        if width == 1:
            if self.value(a) == 1:
                return self.either(condition, b)
            if self.value(a) == 0:
                return self.both(self.invert(condition), b)
            if self.value(b) == 0:
                return self.both(condition, a)
            if self.value(b) == 1:
                return self.either(self.invert(condition), a)
        return self.add("mux", width, condition, a, b)

    def cut(self, a: int, low: int, width: int) -> int:
        """Bits `low` … `low` + `width` − 1 of a word."""
        node = self.nodes[a]
        if width == node.width:
            return a
        if node.op == "constant":
            return self.constant(node.extra >> low, width)
        if node.op == "slice":
            return self.cut(node.args[0], node.extra + low, width)
        if not low and node.op in LOW_FIRST:
            # Amaranth makes a sum one bit wider than its terms; mostly nothing reads that bit.
            return self.add(node.op, width, *(self.cut(arg, 0, width) for arg in node.args))
        if not low and node.op == "shl":
            return self.add("shl", width, self.cut(node.args[0], 0, width), node.args[1])
        if node.op in ("zext", "sext"):
            inner = self.nodes[node.args[0]].width
            if low + width <= inner:
                return self.cut(node.args[0], low, width)
            if not low:
                return self.extend(node.op, node.args[0], width)
            if low >= inner and node.op == "zext":
                return self.constant(0, width)
        if node.op == "cat":
            at = 0
            for part in node.args:
                size = self.nodes[part].width
                if at <= low and low + width <= at + size:
                    return self.cut(part, low - at, width)
                at += size
        return self.add("slice", width, a, extra=low)

    def extend(self, op: str, a: int, width: int) -> int:
        """A word with more bits, of zeros (`zext`) or of its sign (`sext`)."""
        return a if self.nodes[a].width == width else self.add(op, width, a)

    def join(self, parts: list[int]) -> int:
        """One word of several, lowest first."""
        merged: list[int] = []
        for part in parts:
            node = self.nodes[part]
            if merged:
                last = self.nodes[merged[-1]]
                if last.op == node.op == "constant":
                    merged[-1] = self.constant(
                        last.extra | node.extra << last.width, last.width + node.width
                    )
                    continue
            merged.append(part)
        width = sum(self.nodes[part].width for part in merged)
        if len(merged) == 1:
            return merged[0]
        if self.value(merged[-1]) == 0:
            low = self.join(merged[:-1])
            return self.extend("zext", low, width)
        return self.add("cat", width, *merged)


def graph(component: wiring.Component, ports: Mapping[str, tuple[Value, bool]]) -> Graph:
    """The graph of a component. `ports` are its ports: name → signal, and whether it is an input.

    Raises `NotImplementedError` for a design that it cannot express.
    """
    listed = [
        (name, signal, ir.PortDirection.Input if incoming else ir.PortDirection.Output)
        for name, (signal, incoming) in ports.items()
    ]
    netlist = ir.build_netlist(Fragment.get(component, None), ports=listed)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        return _Reader(netlist).graph
    finally:
        sys.setrecursionlimit(limit)


def _consecutive(a: nir.Net, b: nir.Net) -> bool:
    return a.is_cell and b == a + 1 and b.cell == a.cell


class _Pieces:
    """Where words of registers, memories and operations on single bits are cut.

    Bits that an arithmetic operation gives or takes side by side stay together. Others are cut
    where a word is put together from several; both spread through everything that only passes bits
    on.
    """

    def __init__(self, netlist: nir.Netlist) -> None:
        self._widths: dict[int, int] = {}
        together: list[int] = []
        apart: list[int] = []
        # Pairs of neighbours (a bit and the one above it) that have the same fate.
        self._same: dict[int, list[int]] = defaultdict(list)

        def net(cell: int, bit: int) -> int:
            return cell << 16 | bit

        def tie(a: int, b: int) -> None:
            self._same[a].append(b)
            self._same[b].append(a)

        def glue(value: Iterable[nir.Net]) -> None:
            bits = list(value)
            together.extend(int(a) for a, b in pairwise(bits) if _consecutive(a, b))

        def passes(cell: int, value: Iterable[nir.Net], start: int = 0) -> None:
            bits = list(value)
            for k, (a, b) in enumerate(pairwise(bits), start):
                if _consecutive(a, b):
                    tie(int(a), net(cell, k))
                elif not (a == b or (a.is_const and b.is_const)):
                    apart.append(net(cell, k))

        for number, cell in enumerate(netlist.cells):
            match cell:
                case nir.Operator() if cell.operator in PER_BIT:
                    self._widths[number] = cell.width
                    for value in cell.inputs[1 if cell.operator == "m" else 0 :]:
                        passes(number, value)
                case nir.Operator():
                    self._widths[number] = cell.width
                    together.extend(net(number, k) for k in range(cell.width - 1))
                    for value in cell.inputs:
                        glue(value)
                case nir.Part():
                    self._widths[number] = cell.width
                    together.extend(net(number, k) for k in range(cell.width - 1))
                    glue(cell.value)
                    glue(cell.offset)
                case nir.Matches():
                    self._widths[number] = 1
                    glue(cell.value)
                case nir.PriorityMatch():
                    self._widths[number] = len(cell.inputs)
                    apart.extend(net(number, k) for k in range(len(cell.inputs) - 1))
                case nir.AssignmentList():
                    self._widths[number] = len(cell.default)
                    passes(number, cell.default)
                    for assigned in cell.assignments:
                        passes(number, assigned.value, assigned.start)
                        for edge in (assigned.start, assigned.start + len(assigned.value)):
                            if 0 < edge < len(cell.default):
                                apart.append(net(number, edge - 1))
                case nir.FlipFlop():
                    self._widths[number] = len(cell.data)
                    passes(number, cell.data)
                case nir.Memory():
                    self._widths[number] = cell.width
                case nir.Instance() if cell.type == MEMORY:
                    self._widths[number] = cell.parameters["WIDTH"]
                    passes(number, cell.ports_i["written"])
                    glue(cell.ports_i["write_place"])
                    glue(cell.ports_i["read_place"])
                case nir.SyncWritePort():
                    passes(cell.memory, cell.data)
                    glue(cell.addr)
                    for k, (a, b) in enumerate(pairwise(cell.en)):
                        if a != b:
                            apart.append(net(cell.memory, k))
                case nir.SyncReadPort() | nir.AsyncReadPort():
                    self._widths[number] = cell.width
                    glue(cell.addr)
                    for k in range(cell.width - 1):
                        tie(net(number, k), net(cell.memory, k))
        glued = self._spread(together, set())
        self._cuts = self._spread(apart, glued)

    def _spread(self, seeds: list[int], barred: set[int]) -> set[int]:
        found: set[int] = set()
        waiting = [seed for seed in seeds if seed not in barred]
        while waiting:
            at = waiting.pop()
            if at not in found and at not in barred:
                found.add(at)
                waiting += self._same.get(at, ())
        return found

    def of(self, cell: int) -> list[tuple[int, int]]:
        """Lowest bit and width of each piece of a cell's word."""
        pieces, low = [], 0
        width = self._widths[cell]
        for bit in range(width):
            full = bit + 1 - low == WIDEST
            if bit == width - 1 or full or (cell << 16 | bit) in self._cuts:
                pieces.append((low, bit + 1 - low))
                low = bit + 1
        return pieces


class _Reader:
    """Makes the graph of a netlist, from its state and its outputs backwards."""

    def __init__(self, netlist: nir.Netlist) -> None:
        self._netlist, self.graph = netlist, Graph()
        self._pieces = _Pieces(netlist)
        self._made: dict[tuple[int, int], int] = {}  # piece → node
        self._cut: dict[int, list[tuple[int, int]]] = {}
        self._places: dict[int, list[int]] = {}  # memory cell → numbers of its pieces' memories
        self._registers: dict[tuple[int, int], int] = {}
        cells = netlist.cells
        top = cells[0]
        self._inputs = {
            start + k: (name, k)
            for name, (start, width) in top.ports_i.items()
            for k in range(width)
        }
        self._input_widths = {name: width for name, (_, width) in top.ports_i.items()}
        for number, cell in enumerate(cells):
            self._declare(number, cell)
        for number, cell in enumerate(cells):
            self._follow(number, cell)
        for name, value in top.ports_o.items():
            self.graph.outputs[name] = self.word(value)

    def _of(self, cell: int) -> list[tuple[int, int]]:
        if cell not in self._cut:
            self._cut[cell] = self._pieces.of(cell)
        return self._cut[cell]

    def _declare(self, number: int, cell: nir.Cell) -> None:
        """Take in state, so that nodes can read it."""
        graph = self.graph
        match cell:
            case nir.Memory():
                self._places[number] = []
                for low, width in self._of(number):
                    mask = (1 << width) - 1
                    self._places[number].append(len(graph.memories))
                    words = tuple(word >> low & mask for word in cell.init)
                    graph.memories.append(Memory(width, cell.depth, words))
            case nir.Instance() if cell.type == MEMORY:
                self._places[number] = []
                for _, width in self._of(number):
                    self._places[number].append(len(graph.memories))
                    graph.memories.append(Memory(width, 1 << cell.parameters["PLACE"], ()))
            case nir.FlipFlop():
                self._require_clock(cell)
                if not cell.arst.is_const or cell.arst.const:
                    raise NotImplementedError("a flip-flop with another reset")
                for low, width in self._of(number):
                    self._state(number, low, width, cell.init >> low)
            case nir.SyncReadPort():
                self._require_clock(cell)
                for low, width in self._of(number):
                    self._state(number, low, width, 0)

    def _require_clock(self, cell: nir.FlipFlop | nir.SyncReadPort | nir.SyncWritePort) -> None:
        net = cell.clk
        named = net.is_cell and net.cell == 0 and self._inputs[net.bit][0] == "clk"
        if cell.clk_edge != "pos" or not named:
            raise NotImplementedError("another clock, or another edge of it")

    def _state(self, cell: int, low: int, width: int, init: int) -> None:
        graph = self.graph
        self._registers[cell, low] = len(graph.registers)
        self._made[cell, low] = graph.add("state", width, extra=len(graph.registers))
        graph.registers.append(StateWord(width, init & (1 << width) - 1))

    def _follow(self, number: int, cell: nir.Cell) -> None:
        """What state becomes in the next clock."""
        graph = self.graph
        match cell:
            case nir.FlipFlop():
                for low, width in self._of(number):
                    register = graph.registers[self._registers[number, low]]
                    register.following = self.word(cell.data[low : low + width])
            case nir.SyncReadPort():
                address, enable = self.word(cell.addr), self.bit(cell.en)
                for (low, width), memory in zip(
                    self._of(number), self._places[cell.memory], strict=True
                ):
                    word = graph.add("read", width, address, extra=memory)
                    for port in cell.transparent_for:
                        write = self._netlist.cells[port]
                        same = self.equal(address, self.word(write.addr))
                        word = graph.choose(
                            graph.both(same, self.bit(write.en[low])),
                            self.word(write.data[low : low + width]),
                            word,
                        )
                    kept = self._registers[number, low]
                    graph.registers[kept].following = graph.choose(
                        enable, word, self._made[number, low]
                    )
            case nir.SyncWritePort():
                self._require_clock(cell)
                self._writes(cell.memory, cell.en, cell.addr, cell.data)
            case nir.Instance() if cell.type == MEMORY:
                given = cell.ports_i
                enables = list(given["write"]) * len(given["written"])
                self._writes(number, enables, given["write_place"], given["written"])

    def _writes(
        self, cell: int, enables: Sequence[nir.Net], address: nir.Value, data: nir.Value
    ) -> None:
        """Let a port write a memory."""
        graph = self.graph
        place = self.word(address)
        for (low, width), memory in zip(self._of(cell), self._places[cell], strict=True):
            enable = self.bit(enables[low])
            word = self.word(data[low : low + width])
            if graph.value(enable) != 0:
                graph.memories[memory].writes.append(Writing(enable, place, word))

    # Nodes of nets --------------------------------------------------------------------------

    def bit(self, net: nir.Net) -> int:
        return self.word([net])

    def word(self, nets: Iterable[nir.Net]) -> int:
        """The node of bits, lowest first."""
        graph = self.graph
        parts: list[int] = []
        for node, low, width, repeated in self._runs(list(nets)):
            part = graph.cut(node, low, width)
            if repeated:
                # The top bit of what is below, again and again: the sign.
                below = graph.nodes[parts[-1]].width
                parts[-1] = graph.extend("sext", parts[-1], below + repeated)
            else:
                parts.append(part)
        return graph.join(parts or [graph.constant(0, 1)])  # no bits: the only place there is

    def _runs(self, nets: list[nir.Net]) -> Iterator[tuple[int, int, int, int]]:
        """Word, lowest bit and width of each run of bits, or the number of repeated top bits."""
        at = 0
        while at < len(nets):
            net, end = nets[at], at + 1
            if net.is_const:
                while end < len(nets) and nets[end].is_const:
                    end += 1
                value = sum(n.const << k for k, n in enumerate(nets[at:end]))
                yield self.graph.constant(value, end - at), 0, end - at, 0
            else:
                node, low = self._at(net)
                room = self.graph.nodes[node].width - low
                while (
                    end < len(nets) and end - at < room and _consecutive(nets[end - 1], nets[end])
                ):
                    end += 1
                yield node, low, end - at, 0
                top, count = nets[end - 1], 0
                while end + count < len(nets) and nets[end + count] == top:
                    count += 1
                if count:
                    yield node, low, end - at, count
                    end += count
            at = end

    def _at(self, net: nir.Net) -> tuple[int, int]:
        """The node that has a net, and which bit of it that is."""
        if net.cell == 0:
            name, bit = self._inputs[net.bit]
            if name == "rst":
                return self.graph.constant(0, 1), 0
            return self.graph.add("input", self._input_widths[name], extra=name), bit
        for low, width in self._of(net.cell):
            if low <= net.bit < low + width:
                if (net.cell, low) not in self._made:
                    self._made[net.cell, low] = self._make(net.cell, low, width)
                return self._made[net.cell, low], net.bit - low
        raise AssertionError

    def equal(self, a: int, b: int) -> int:
        if a == b:
            return self.graph.constant(1, 1)
        return self.graph.add("eq", 1, *sorted((a, b)))

    def _make(self, number: int, low: int, width: int) -> int:
        graph, cell = self.graph, self._netlist.cells[number]
        part = slice(low, low + width)
        match cell:
            case nir.AssignmentList():
                return self._assigned(cell, low, width)
            case nir.PriorityMatch():
                node = self.bit(cell.en)
                for before in cell.inputs[:low]:
                    node = graph.both(node, graph.invert(self.bit(before)))
                return graph.both(node, self.bit(cell.inputs[low]))
            case nir.Matches() if not cell.value:
                return graph.constant(bool(cell.patterns), 1)
            case nir.Matches():
                value = self.word(cell.value)
                patterns = tuple(
                    (
                        int(pattern.replace("0", "1").replace("-", "0"), 2),
                        int(pattern.replace("-", "0"), 2),
                    )
                    for pattern in cell.patterns
                )
                known = graph.value(value)
                if known is not None:
                    return graph.constant(any(known & m == v for m, v in patterns), 1)
                if len(cell.value) == 1 and len(patterns) == 1 and patterns[0][0]:
                    return value if patterns[0][1] else graph.invert(value)
                return graph.add("match", 1, value, extra=patterns)
            case nir.AsyncReadPort():
                memory = self._places[cell.memory][self._of(number).index((low, width))]
                return graph.add("read", width, self.word(cell.addr), extra=memory)
            case nir.Part():
                value, amount = self.word(cell.value), self.word(cell.offset)
                full = graph.nodes[value].width
                if cell.stride != 1:
                    size = full.bit_length()
                    wide = max(size, graph.nodes[amount].width + cell.stride.bit_length())
                    amount = graph.add(
                        "mul",
                        wide,
                        graph.extend("zext", amount, wide),
                        graph.constant(cell.stride, wide),
                    )
                if cell.width > full:
                    op = "sext" if cell.value_signed else "zext"
                    value = graph.extend(op, value, cell.width)
                    full = cell.width
                moved = graph.add("sar" if cell.value_signed else "shr", full, value, amount)
                return graph.cut(moved, low, width)
            case nir.Operator():
                return self._operator(cell, part)
            case nir.Instance() if cell.type == MEMORY:
                memory = self._places[number][self._of(number).index((low, width))]
                place = self.word(cell.ports_i["read_place"])
                return graph.add("read", width, place, extra=memory)
        raise NotImplementedError(f"a cell {type(cell).__name__}")

    def _assigned(self, cell: nir.AssignmentList, low: int, width: int) -> int:
        graph = self.graph
        node = self.word(cell.default[low : low + width])
        for assigned in cell.assignments:
            start = max(assigned.start, low)
            end = min(assigned.start + len(assigned.value), low + width)
            if start >= end:
                continue
            condition = self.bit(assigned.cond)
            value = self.word(assigned.value[start - assigned.start : end - assigned.start])
            old = graph.cut(node, start - low, end - start)
            parts = [graph.choose(condition, value, old)]
            if start > low:
                parts.insert(0, graph.cut(node, 0, start - low))
            if end < low + width:
                parts.append(graph.cut(node, end - low, low + width - end))
            node = graph.join(parts)
        return node

    def _operator(self, cell: nir.Operator, part: slice) -> int:
        graph, op = self.graph, cell.operator
        if op in PER_BIT:
            if op == "m":
                chosen, a, b = cell.inputs
                return graph.choose(self.word(chosen), self.word(a[part]), self.word(b[part]))
            words = [self.word(value[part]) for value in cell.inputs]
            width = graph.nodes[words[0]].width
            match op:
                case "~":
                    return graph.invert(words[0])
                case "&":
                    return graph.both(*words)
                case "|":
                    return graph.either(*words)
                case _:
                    return graph.add("xor", width, *sorted(words))
        words = [self.word(value) for value in cell.inputs]
        width = cell.width
        if op in ("b", "r|", "r&"):
            if graph.nodes[words[0]].width == 1:
                return words[0]
            return graph.add("all" if op == "r&" else "any", 1, *words)
        if op in ("u>", "u>=", "s>", "s>="):
            op, words = op.replace(">", "<"), words[::-1]
        match op:
            case "==" | "!=":
                same = self.equal(*words)
                return same if op == "==" else graph.invert(same)
            case "u<" | "u<=" | "s<" | "s<=":
                name = op[0] + ("le" if "=" in op else "lt")
                return graph.add(name, 1, *words)
            case "-" if len(words) == 1:
                return graph.add("neg", width, *words)
            case "<<" | "u>>" | "s>>":
                name = {"<<": "shl", "u>>": "shr", "s>>": "sar"}[op]
                known = graph.value(words[1])
                if known is not None:
                    return self._moved(name, words[0], known, width)
                return graph.add(name, width, *words)
            case "+" | "-" | "*":
                return graph.add({"+": "add", "-": "sub", "*": "mul"}[op], width, *words)
        raise NotImplementedError(f"the operator {op}")

    def _moved(self, name: str, word: int, by: int, width: int) -> int:
        graph = self.graph
        if not by:
            return word
        if by >= width:
            if name != "sar":
                return graph.constant(0, width)
            by = width - 1
        if name == "shl":
            return graph.join([graph.constant(0, by), graph.cut(word, 0, width - by)])
        high = graph.cut(word, by, width - by)
        return graph.extend("sext" if name == "sar" else "zext", high, width)
