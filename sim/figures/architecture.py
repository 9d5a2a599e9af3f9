"""The organisation of the code: its rooms, what they import from each other, and a picture of it.

A *room* is a folder of modules under one of the four folders of the package, or a module beside
such folders. Room A has an arrow to room B if a module of A imports one of B, by a statement or by
a string that names it. Everything is read from the sources; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

FOLDERS = ("models", "gateware", "host", "sim")
FACE = Path("host/shotveil")  # the public interface of the package, which is not a room
NAMED = re.compile(r"shotveil((\.\w+)+)")


@dataclass(frozen=True)
class PackageRoom:
    """A room: its `name` such as host.ledger, its description, and the rooms that it imports."""

    name: str
    says: str
    imports: frozenset[str]

    @property
    def folder(self) -> str:
        """The folder of the package that the room is in."""
        return self.name.partition(".")[0]


def modules(root: Path) -> dict[str, Path]:
    """All modules in rooms below `root` by name without "shotveil.", except generated ones."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if "_pb2" not in path.name and path.parent != root / FACE:
                name = path.relative_to(root).with_suffix("").as_posix().replace("/", ".")
                found[name.removesuffix(".__init__")] = path
    return found


def imported(name: str, path: Path) -> Iterator[str]:
    """Names that a module imports anywhere in its file, as `a.b.c` for "from a.b import c".

    Strings that name something in the package count as well; relative names are given in full.
    """
    package = ["shotveil", *name.split(".")][: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = [*above, node.module] if node.module else above
            yield from (".".join([*base, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Constant) and NAMED.fullmatch(str(node.value)):
            yield str(node.value)


def rooms(root: Path) -> dict[str, PackageRoom]:
    """All rooms by name, from the sources below `root`."""
    files = modules(root)
    inside: dict[str, list[str]] = {}
    for name in files:
        if name.count("."):
            inside.setdefault(_room(name), []).append(name)
    found = {}
    for name, members in inside.items():
        targets = {
            _room(target)
            for member in members
            for text in imported(member, files[member])
            if (target := _module(text, files)) is not None and target.count(".")
        }
        head = files.get(name, files[members[0]])
        found[name] = PackageRoom(
            name,
            (ast.get_docstring(ast.parse(head.read_text(encoding="utf-8"))) or "").split("\n")[0],
            frozenset(targets - {name}),
        )
    return found


def circles(house: dict[str, PackageRoom]) -> list[str]:
    """The rooms from which a chain of arrows leads back to themselves."""
    return [name for name in house if name in _reached(house, name)]


def floors(house: dict[str, PackageRoom], folder: str) -> list[list[str]]:
    """The rooms of a folder by floor; each room is above all rooms that it imports there."""
    names = {name for name in house if house[name].folder == folder}
    placed: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in placed:
            below = house[name].imports & names
            placed[name] = 1 + max((floor(other) for other in below), default=-1)
        return placed[name]

    levels: list[list[str]] = [[] for _ in range(1 + max(map(floor, names)))]
    for name in sorted(names):
        levels[placed[name]].append(name)
    return levels


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _module(text: str, files: dict[str, Path]) -> str | None:
    """The module that an imported name is or lies in."""
    name = text.removeprefix("shotveil.")
    if name == text:
        return None
    while name and name not in files:
        name = name.rpartition(".")[0]
    return name or None


def _reached(house: dict[str, PackageRoom], start: str) -> set[str]:
    seen: set[str] = set()
    left = [start]
    while left:
        for target in house[left.pop()].imports - seen:
            seen.add(target)
            left.append(target)
    return seen


MARKER = "<!-- rooms: written by `shotveil lab architecture` -->"


def page(text: str, root: Path) -> str:
    """The text of a page with a new table of rooms below its marker."""
    rows = ["", "| room | what is in it | it imports |", "|---|---|---|"]
    for room in rooms(root).values():
        path = room.name.replace(".", "/")
        path += "/" if (root / path).is_dir() else ".py"
        imports = ", ".join(sorted(other.replace(".", "/") for other in room.imports)) or "–"
        rows.append(f"| `{path}` | {room.says} | {imports} |")
    return text.partition(MARKER)[0] + "\n".join([MARKER, *rows, ""])


# The picture has a band for each folder, a row for each floor, and no arrow that others imply.
WIDTH, ROOM, ROW, MARGIN = 1180, (150, 32), 62, 24
COLOURS = {"models": "#2a78b8", "gateware": "#b8642a", "host": "#2a8a57", "sim": "#7a52a8"}
SAYS = {
    "models": "physics, networks, bit-true integer models",
    "gateware": "Amaranth blocks, nodes, boards",
    "host": "what a person runs",
    "sim": "benches, hardware in the loop, synthesis, proofs",
}


def picture(root: Path) -> str:
    """The rooms as SVG: a band for each folder, its rooms from the ground up, arrows to imports.

    Arrows that others imply are left out, and so are those between folders, which go from sim to
    host and gateware, and from these to models.
    """
    house = rooms(root)
    parts: list[str] = []
    top = float(MARGIN)
    for folder in reversed(FOLDERS):
        levels = floors(house, folder)
        height = len(levels) * ROW + 34
        parts.append(_band(folder, house, levels, top, height))
        top += height + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + MARGIN:.0f}" '
        'font-family="Helvetica, Arial, sans-serif" role="img">\n'
        "<title>The rooms of Shotveil, and which of them imports which</title>\n"
        '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "".join(parts) + "</svg>\n"
    )


def _band(
    folder: str, house: dict[str, PackageRoom], levels: list[list[str]], top: float, height: float
) -> str:
    colour = COLOURS[folder]
    place: dict[str, tuple[float, float]] = {}
    for level, names in enumerate(levels):
        y = top + height - 12 - ROW * level - ROOM[1]
        step = (WIDTH - 2 * MARGIN) / len(names)
        for i, name in enumerate(names):
            place[name] = MARGIN + step * (i + 0.5), y
    lines = [
        f'<rect x="{MARGIN / 2}" y="{top}" width="{WIDTH - MARGIN}" height="{height}" rx="8" '
        f'fill="{colour}" fill-opacity="0.07"/>\n',
        f'<text x="{MARGIN}" y="{top + 21}" font-size="16" font-weight="bold" fill="{colour}">'
        f"{folder}/</text>\n"
        f'<text x="{MARGIN + 104}" y="{top + 21}" font-size="13" fill="#444444">'
        f"{escape(SAYS[folder])}</text>\n",
    ]
    for name, (x, y) in place.items():
        for other in sorted(_needed(house, name) & place.keys()):
            to_x, to_y = place[other]
            bend = (to_y - y - ROOM[1]) / 2
            lines.append(
                f'<path d="M{x:.0f} {y + ROOM[1]} C{x:.0f} {y + ROOM[1] + bend:.0f} '
                f'{to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y}" fill="none" stroke="{colour}" '
                'stroke-opacity="0.55" stroke-width="1.3"/>\n'
                f'<circle cx="{to_x:.0f}" cy="{to_y}" r="2.6" fill="{colour}"/>\n'
            )
    for name, (x, y) in place.items():
        lines.append(
            f'<rect x="{x - ROOM[0] / 2:.0f}" y="{y}" width="{ROOM[0]}" height="{ROOM[1]}" rx="5" '
            f'fill="#ffffff" stroke="{colour}" stroke-width="1.4"/>\n'
            f'<text x="{x:.0f}" y="{y + 21}" font-size="14" text-anchor="middle" fill="#111111">'
            f"{name.partition('.')[2]}</text>\n"
        )
    return "".join(lines)


def _needed(house: dict[str, PackageRoom], name: str) -> set[str]:
    """The rooms that a room imports, except those that another of them imports already."""
    direct = {other for other in house[name].imports if house[other].folder == house[name].folder}
    return {
        other
        for other in direct
        if not any(other in _reached(house, via) for via in direct - {other})
    }
