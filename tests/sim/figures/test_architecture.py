"""Rooms and arrows of a small house that is made up; the real one: tests/test_layout.py."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from shotveil.sim.figures import architecture
from shotveil.sim.figures.architecture import (
    MARKER,
    PackageRoom,
    circles,
    floors,
    imported,
    modules,
    page,
    picture,
    rooms,
)

TREE = {
    "models/__init__.py": '"""The bottom."""\nimport shotveil.models.maths.sums\n',
    "models/maths/__init__.py": '"""Sums & <products>.\n\nMore of it."""\n',
    "models/maths/sums.py": '"""Sums."""\nimport os.path\n',
    "models/maths/far.py": "def late():\n    from shotveil.models.units import METRE\n",
    "models/units.py": '"""Units of all things."""\n',
    "models/units_pb2.py": "import shotveil.models.generated\n",
    "gateware/adder/cell.py": '"""A full adder."""\nfrom shotveil.models.maths import sums\n',
    "gateware/adder/tree.py": "import shotveil.models.maths.sums as s, numpy\n",
    "gateware/board/top.py": "class Top: pass\n",
    "host/shotveil/__init__.py": "import shotveil.host.run.work\n",
    "host/run/__init__.py": '"""Runs."""\nfrom .work import go\nfrom ..tools import file as f\n',
    "host/run/work.py": (
        "from . import plan\nfrom ..command import run\nfrom ...models import units\n"
    ),
    "host/run/plan.py": 'NAME = "shotveil.host.tools.file:thing"\nWORD = "shotveil.nothing"\n',
    "host/command/run.py": 'MODULE = "shotveil.host.tools"\nimport shotveil\n',
    "host/tools/file.py": '"""Tools."""\nfrom shotveil import infer\n',
    "sim/bench/go.py": "import shotveil.models\nfrom shotveil.host.run.work import missing\n",
    "tests/test_it.py": "import shotveil.sim.bench.go\n",
}


@pytest.fixture
def tree(tmp_path):
    for path, text in TREE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def room(name, *imports):
    return PackageRoom(name, f"What {name} is.", frozenset(imports))


def house(**arrows):
    """Rooms of models by letter, each with the letters that it imports."""
    return {
        f"models.{name}": room(f"models.{name}", *(f"models.{other}" for other in others))
        for name, others in arrows.items()
    }


def test_modules_are_all_but_generated_ones_and_the_public_face(tree):
    found = modules(tree)
    assert found == {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): tree / path
        for path in TREE
        if path not in ("models/units_pb2.py", "host/shotveil/__init__.py", "tests/test_it.py")
    }
    assert next(iter(found)) == "models" and list(found)[-1] == "sim.bench.go"


def names(tree, name):
    return list(imported(name, modules(tree)[name]))


def test_names_by_statement_wherever_it_stands(tree):
    assert names(tree, "models.maths.far") == ["shotveil.models.units.METRE"]
    assert names(tree, "gateware.adder.tree") == ["shotveil.models.maths.sums", "numpy"]
    assert names(tree, "gateware.adder.cell") == ["shotveil.models.maths.sums"]


def test_names_by_string_where_the_whole_string_is_one(tree):
    assert names(tree, "host.command.run") == ["shotveil", "shotveil.host.tools"]
    assert names(tree, "host.run.plan") == ["shotveil.nothing"]


def test_relative_names_are_told_in_full(tree):
    assert names(tree, "host.run") == ["shotveil.host.run.work.go", "shotveil.host.tools.file"]
    assert names(tree, "host.run.work") == [
        "shotveil.host.run.plan", "shotveil.host.command.run", "shotveil.models.units",
    ]  # fmt: skip


def test_rooms_are_folders_and_modules_beside_them(tree):
    found = rooms(tree)
    assert {name: each.says for name, each in found.items()} == {
        "models.maths": "Sums & <products>.",
        "models.units": "Units of all things.",
        "gateware.adder": "A full adder.",
        "gateware.board": "",
        "host.command": "",
        "host.run": "Runs.",
        "host.tools": "Tools.",
        "sim.bench": "",
    }
    assert all(each.name == name for name, each in found.items())
    assert [each.folder for each in found.values()] == (
        ["models"] * 2 + ["gateware"] * 2 + ["host"] * 3 + ["sim"]
    )


def test_arrows_are_what_modules_import_of_other_rooms(tree):
    assert {name: set(each.imports) for name, each in rooms(tree).items()} == {
        "models.maths": {"models.units"},
        "models.units": set(),
        "gateware.adder": {"models.maths"},
        "gateware.board": set(),
        "host.command": set(),  # host.tools is a folder without a module of that name
        "host.run": {"host.tools", "host.command", "models.units"},
        "host.tools": set(),
        "sim.bench": {"host.run"},
    }
    (tree / "host/tools/__init__.py").write_text('"""All tools."""')
    found = rooms(tree)
    assert found["host.command"].imports == {"host.tools"}
    assert found["host.tools"].says == "All tools."


def test_circles_are_rooms_that_lead_back_to_themselves():
    assert circles(house(a="b", b="c", c="")) == []
    assert circles(house(a="b", b="c", c="b", d="a")) == ["models.b", "models.c"]
    assert circles(house(a="a", b="a")) == ["models.a"]


def test_a_room_stands_above_all_that_it_imports():
    found = house(e="d", d="ab", c="a", b="a", a="", f="")
    assert floors(found, "models") == [
        ["models.a", "models.f"], ["models.b", "models.c"], ["models.d"], ["models.e"],
    ]  # fmt: skip
    # What lies in other folders holds nothing up.
    found["host.x"] = room("host.x", "models.e")
    assert floors(found, "host") == [["host.x"]]
    assert len(floors(found, "models")) == 4


def test_an_arrow_is_implied_where_another_import_leads_there():
    found = house(d="cba", c="b", b="a", a="", e="ba", f="ab")
    assert architecture._needed(found, "models.d") == {"models.c"}
    assert architecture._needed(found, "models.e") == {"models.b"}
    assert architecture._needed(found, "models.a") == set()
    both = house(d="ab", b="", a="")
    assert architecture._needed(both, "models.d") == {"models.a", "models.b"}
    both["host.x"] = room("host.x", "models.d", "host.y")
    both["host.y"] = room("host.y")
    assert architecture._needed(both, "host.x") == {"host.y"}
    assert architecture._needed(house(x="a", a="b", b="a"), "models.x") == {"models.a"}


def test_the_page_keeps_its_text_and_gets_the_table_of_today(tree):
    made = page(f"Some words.\n\n{MARKER}\n\nwhatever was here\n", tree)
    assert made == "\n".join(
        [
            f"Some words.\n\n{MARKER}",
            "",
            "| room | what is in it | it imports |",
            "|---|---|---|",
            "| `models/maths/` | Sums & <products>. | models/units |",
            "| `models/units.py` | Units of all things. | – |",
            "| `gateware/adder/` | A full adder. | models/maths |",
            "| `gateware/board/` |  | – |",
            "| `host/command/` |  | – |",
            "| `host/run/` | Runs. | host/command, host/tools, models/units |",
            "| `host/tools/` | Tools. | – |",
            "| `sim/bench/` |  | host/run |",
            "",
        ]
    )
    assert page(made, tree) == made
    assert page("No table yet.\n", tree).startswith(f"No table yet.\n{MARKER}\n\n| room |")
    assert MARKER == "<!-- rooms: written by `shotveil lab architecture` -->"


SVG = "{http://www.w3.org/2000/svg}"


def drawn(text):
    """Bands, boxes by the room's name, and arrows as pairs of points."""
    root = ElementTree.fromstring(text)
    box = lambda node, *keys: tuple(float(node.get(key)) for key in keys)  # noqa: E731
    background, *rects = root.findall(f"{SVG}rect")
    assert background.get("fill") == "#ffffff"
    bands = [r for r in rects if r.get("fill-opacity")]
    boxes = [r for r in rects if not r.get("fill-opacity")]
    middles = [t for t in root.findall(f"{SVG}text") if t.get("text-anchor") == "middle"]
    arrows = []
    for path in root.findall(f"{SVG}path"):
        points = [float(v) for v in re.findall(r"-?[\d.]+", path.get("d"))]
        arrows.append((path.get("stroke"), points))
    return (
        root,
        [(r.get("fill"), *box(r, "x", "y", "width", "height")) for r in bands],
        {
            t.text: (r.get("stroke"), *box(r, "x", "y", "width", "height"), *box(t, "x", "y"))
            for t, r in zip(middles, boxes, strict=True)
        },
        arrows,
        [box(c, "cx", "cy") for c in root.findall(f"{SVG}circle")],
    )  # fmt: skip


def test_the_picture_has_a_band_for_each_folder_from_sim_down_to_models(tree):
    root, bands, _, _, _ = drawn(picture(tree))
    colours = architecture.COLOURS
    assert [fill for fill, *_ in bands] == [
        colours[folder] for folder in ("sim", "host", "gateware", "models")
    ]
    tops, heights = [band[2] for band in bands], [band[4] for band in bands]
    assert heights == [62 + 34, 2 * 62 + 34, 62 + 34, 2 * 62 + 34] and tops[0] == 24
    assert [b - a for a, b in itertools.pairwise(tops)] == [h + 14 for h in heights[:-1]]
    assert {(x, width) for _, x, _, width, _ in bands} == {(12, 1180 - 24)}
    assert root.get("viewBox") == f"0 0 1180 {tops[-1] + heights[-1] + 14 + 24:.0f}"
    said = [t for t in root.findall(f"{SVG}text") if t.get("text-anchor") != "middle"]
    assert [t.text for t in said] == [
        "sim/", architecture.SAYS["sim"], "host/", architecture.SAYS["host"],
        "gateware/", architecture.SAYS["gateware"], "models/", architecture.SAYS["models"],
    ]  # fmt: skip
    assert [(float(t.get("x")), float(t.get("y"))) for t in said] == [
        (x, top + 21) for top in tops for x in (24, 128)
    ]


def test_rooms_stand_on_their_floors_side_by_side(tree):
    _, bands, boxes, _, _ = drawn(picture(tree))
    assert set(boxes) == {
        "maths", "units", "adder", "board", "command", "run", "tools", "bench",
    }  # fmt: skip
    (_, _, top, _, height) = bands[1]
    ground, above = top + height - 12 - 32, top + height - 12 - 62 - 32
    step = (1180 - 48) / 2
    for name, column, y, columns in (("command", 0, ground, 2), ("tools", 1, ground, 2),
                                     ("run", 0, above, 1)):  # fmt: skip
        colour, x, at, width, tall, text_x, text_y = boxes[name]
        middle = 24 + step * 2 / columns * (column + 0.5)
        assert (colour, at, width, tall) == (architecture.COLOURS["host"], y, 150, 32)
        assert x == pytest.approx(middle - 75, abs=0.5)
        assert text_x == pytest.approx(middle, abs=0.5) and text_y == y + 21


def test_arrows_lead_from_a_rooms_foot_to_the_head_of_what_it_needs(tree):
    (tree / "host/tools/__init__.py").write_text("")  # command → tools: run → tools is implied
    _, _, boxes, arrows, ends = drawn(picture(tree))
    expected = []
    for name, other in (("run", "command"), ("command", "tools"), ("maths", "units")):
        colour, _, y, _, _, x, _ = boxes[name]
        _, _, to_y, _, _, to_x, _ = boxes[other]
        bend = (to_y - y - 32) / 2
        expected.append((colour, [x, y + 32, x, y + 32 + bend, to_x, to_y - bend, to_x, to_y]))
    assert sorted(arrows) == sorted(expected)
    assert sorted(ends) == sorted((to_x, to_y) for _, (*_, to_x, to_y) in expected)
