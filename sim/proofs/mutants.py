"""Mutants: mutations that are made by rule, of any file, as other tools for Python make them.

Each changes one operator, comparison or number on one line. Text, annotations, docstrings,
decorators and what only a type checker reads are left alone, as no test can notice them. So is
`reset_less`: registers of data have no reset for the sake of the clock, and their values do not
count before the first valid one. So are settings, such as a number of seconds: a module's constants
that are a number and nothing else. A test that repeated them would hold nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shotveil.models.common.checks import RangeError, require
from shotveil.sim.proofs.mutations import ROOT, Mutation

# What is mutated: where a mistake costs a secret, and the gateware with the models that it follows.
_BLOCKS = ("digitiser", "drive", "host_link", "node")
GROUPS = {
    "evidence": ("host/leakage", "host/ledger", "host/verification", "host/parties"),
    "gateware": (
        *(f"gateware/{block}" for block in (*_BLOCKS, "primitives")),
        *(f"models/{block}" for block in (*_BLOCKS, "signal")),
    ),
}
# A search finds the same best by other steps and from other starts, so its steps are not mutated.
# `shotveil lab bounds` and the tests of the bounds hold what it finds.
SEARCHES = ("host/leakage/optimisers.py",)
ROOMS = tuple(room for rooms in GROUPS.values() for room in rooms)
_OTHER: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "*"), ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
    ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip


def files(name: str = "", group: str | None = None, root: Path = ROOT) -> list[str]:
    """Return the files of a group, or of all, whose path holds `name` and that have tests.

    Raises `RangeError` if there is none.
    """
    rooms = GROUPS[group] if group else ROOMS
    found = [path.relative_to(root) for room in rooms for path in sorted((root / room).rglob("*"))]
    chosen = [
        str(file)
        for file in found
        if file.suffix == ".py" and name in str(file) and not file.name.startswith("__")
        if str(file) not in SEARCHES
        if (root / Mutation(str(file), "", "").tests).exists()
    ]
    if not chosen:
        raise RangeError(
            f"file = {name!r} is none; allowed: a part of a file in {', '.join(rooms)}"
        )
    return chosen


def mutants(file: str, root: Path = ROOT) -> list[Mutation]:
    """Return all mutants of a file, each on a line of it."""
    lines = (root / file).read_text(encoding="utf-8").splitlines(keepends=True)
    found = []
    for first, start, stop, new in _changes(ast.parse("".join(lines)), lines):
        old = lines[first - 1]
        raw = old.encode()
        found.append(Mutation(file, old, (raw[:start] + new.encode() + raw[stop:]).decode(), first))
    return found


def drawn(
    name: str, number: int, seed: int, group: str | None = None, root: Path = ROOT
) -> list[Mutation]:
    """Return `number` mutants of the `files` of a name and group, drawn at random, by file.

    All of them are returned where there are fewer. Raises `RangeError` for a number below 1, a seed
    below 0, or if there is no such file.
    """
    require("number", number, at_least=1, integer=True)
    require("seed", seed, at_least=0, integer=True)
    every = [mutant for file in files(name, group, root) for mutant in mutants(file, root)]
    chosen = np.random.default_rng(seed).permutation(len(every))[:number]
    return [every[index] for index in sorted(chosen)]


def _changes(node: ast.AST, lines: list[str]) -> Iterator[tuple[int, int, int, str]]:
    """Yield changes as a line, from and to a byte of it, and what stands there instead."""
    if isinstance(node, ast.Compare):
        for left, op, right in zip(
            [node.left, *node.comparators], node.ops, node.comparators, strict=False
        ):
            yield from _between(left, op, right, lines)
    elif isinstance(node, ast.BinOp):
        yield from _between(node.left, node.op, node.right, lines)
    elif isinstance(node, ast.BoolOp):
        yield from _between(node.values[0], node.op, node.values[1], lines)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        sign = "not " if isinstance(node.op, ast.Not) else "-"
        yield node.lineno, node.col_offset, node.col_offset + len(sign), ""
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        assert node.end_col_offset is not None
        value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield node.lineno, node.col_offset, node.end_col_offset, repr(value)
    for child in _seen(node):
        yield from _changes(child, lines)


def _between(
    left: ast.expr, op: ast.AST, right: ast.expr, lines: list[str]
) -> Iterator[tuple[int, int, int, str]]:
    """Yield the change of an operator, wherever it stands between its operands."""
    if type(op) not in _OTHER:
        return
    old, new = _OTHER[type(op)]
    assert left.end_lineno is not None and left.end_col_offset is not None
    for number in range(left.end_lineno, right.lineno + 1):
        raw = lines[number - 1].encode()
        start = left.end_col_offset if number == left.end_lineno else 0
        stop = right.col_offset if number == right.lineno else len(raw)
        place = raw[start:stop].split(b"#")[0].find(old.encode())
        if place >= 0:
            yield number, start + place, start + place + len(old), new
            return


def _seen(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node that tests can notice."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        yield from node.orelse
        return
    if isinstance(node, ast.Module):
        yield from (part for part in node.body if not _is_setting(part))
        return
    hidden = {"decorator_list", "annotation", "returns", "type_params"}
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            told = isinstance(child, ast.JoinedStr | ast.Raise | ast.Assert)  # text, and for types
            flag = isinstance(child, ast.keyword) and child.arg in ("strict", "reset_less")
            if isinstance(child, ast.AST) and name not in hidden and not told and not flag:
                yield child


def _is_setting(statement: ast.stmt) -> bool:
    """Return whether a statement gives names to numbers, and computes nothing."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return False
    value = statement.value
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(one, ast.Constant) for one in values)
