"""One new file is all that a new bound needs: it is seen wherever bounds are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shotveil import host
from shotveil.host.leakage import catalogue
from shotveil.models.common.checks import RangeError

ROOT = Path(__file__).parents[3]

DATA_BOUND = """
from shotveil.host.leakage.bound import data_bound


@data_bound(label="made up", theorem=True, covers="Nobody at all.", order=25)
def invented(g, rows, modes, coherent):
    return 0.125 * g * rows / rows * modes / modes
"""
WEIGHT_BOUND = """
from shotveil.host.leakage.bound import weight_bound


@weight_bound(label="made up too", theorem=False, covers="Nobody.", order=5)
def fancied(inferences, modulation_variance, transmittance, excess_noise):
    return 0.25 * inferences * modulation_variance * (transmittance + excess_noise > 0)
"""
USES = """
import json, sys
import numpy as np
from pathlib import Path
from click.testing import CliRunner
from shotveil.host.commands.cli import cli
from shotveil.host.design.sweep import COLUMNS, Point, compute
from shotveil.host.figures import pictures, tables
from shotveil.host.figures.collection import leakage_drawings
from shotveil.host.figures.style import style
from shotveil.host.ledger.data_ledger import DataLedger
from shotveil.models.networks.network import load_network

network, folder = sys.argv[1], Path(sys.argv[2])

def shotveil(*arguments):
    done = CliRunner().invoke(cli, [str(each) for each in arguments])
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.stdout

def allowed(command):
    options = cli.get_command(None, command).params
    (option,) = [each for each in options if each.name == "data_bound"]
    return list(option.type.names())

light = "--gain", 2, "--photons", 4
run = "infer", "--network", network, "--images", 20, *light
found = {
    "leakage": json.loads(shotveil("leakage", *light, "--modes", 392, "--rows", 9, "--json")),
    "leakage text": shotveil("leakage", *light, "--modes", 392, "--rows", 9),
    "infer": json.loads(shotveil(*run, "--json")),
    "infer text": shotveil(*run, "--report", folder / "run.html"),
    "report": (folder / "run.html").read_text(),
    "plan": json.loads(shotveil(
        "plan", "--network", network, "--images", 20, "--max-data-bits", 0.03,
        "--data-bound", "invented", "--weight-bound", "fancied", "--max-weight-bits", 0.5,
        "--plot", folder / "plan.png", "--json",
    )),
    "ask": allowed("ask"),
    "figures": allowed("figures"),
    "sweep": compute(Point(network, 0, photons=4.0, gain=2.0)),
    "columns": list(COLUMNS),
}
with style():
    drawings = list(leakage_drawings(2.0, 4.0))
    found["tables"] = {drawing.name: list(drawing.columns) for drawing in drawings}
    legend = pictures.leakage_against_loss(
        tables.leakage_against_loss("consistent"), "consistent", 1.3, 6.0
    ).legends[0]
    found["legend"] = [text.get_text() for text in legend.get_texts()]
ledger = DataLedger(folder / "data.db", 1.0, "invented")
inputs = load_network(network).inputs
ledger.charge(np.ones((1, inputs)), 2.0, [9], [inputs])
found["ledger"] = ledger.leakage()
ledger.close()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory, copied_package):
    """What a copy of the tree with two more files says of them."""
    folder = tmp_path_factory.mktemp("tree")
    package = copied_package(folder / "tree", ("models", "host"))
    rooms = package / "host" / "leakage"
    (rooms / "data_bounds" / "invented.py").write_text(DATA_BOUND)
    (rooms / "weight_bounds" / "fancied.py").write_text(WEIGHT_BOUND)
    program = (
        "from pathlib import Path; import numpy as np, sys\n"
        "from shotveil import host\n"
        f"assert Path(host.__file__).is_relative_to({str(folder)!r}), host.__file__\n"
        "from shotveil.models.networks.network import Layer, Network\n"
        "rng = np.random.default_rng(1)\n"
        "layers = Layer(rng.normal(size=(6, 784))), Layer(rng.normal(size=(10, 6)))\n"
        "Network('small', layers).save(sys.argv[1])\n" + USES
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder / "small.npz"), str(folder)],
        env=os.environ
        | {"PYTHONPATH": str(folder / "tree"), "XDG_CACHE_HOME": str(folder / "cache")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_commands_print_a_new_bound(seen):
    # g = 1 at G = 2.
    for command in ("leakage", "infer"):
        assert seen[command]["data_leakage_bits"]["invented"] == 0.125
        assert seen[command]["weight_bounds_bits"]["fancied"] == 0.25 * 8
        assert "invented" in seen[f"{command} text"] and "fancied" in seen[f"{command} text"]
    assert "invented: made up, a theorem" in " ".join(seen["infer text"].split())
    assert list(seen["infer"]["data_leakage_bits"]) == [
        "holevo",
        "crb_v1",
        "crb_prx",
        "invented",
        "qcrb",
    ]
    assert all(layer["data_leakage_bits"]["invented"] == 0.125 for layer in seen["infer"]["layers"])


def test_the_report_shows_a_new_bound(seen):
    assert "<code>invented</code>" in seen["report"] and "Nobody at all." in seen["report"]
    assert "<code>fancied</code>" in seen["report"] and "(5 bounds and estimates)" in seen["report"]


def test_budgets_are_held_against_a_new_bound(seen):
    against = seen["plan"]["against_budgets"]
    # 0.03 = 0.125·2(G − 1)/G, 0.5 = 0.25·2μ.
    assert seen["plan"]["gain"] == pytest.approx(1 / (1 - 0.12), rel=1e-6)
    assert seen["plan"]["photons"] == pytest.approx(1)
    assert (against["data_bits"], against["weight_bits"]) == pytest.approx((0.03, 0.5))
    assert "invented" in seen["ask"] and "invented" in seen["figures"]
    assert seen["ledger"]["invented"]["most"] == 0.125


def test_tables_sweeps_and_pictures_have_a_new_bound(seen):
    for name in ("leakage-dimension-consistent", "leakage-loss-consistent"):
        assert "data_leakage_invented_bits" in seen["tables"][name]
        assert "weight_leakage_fancied_bits" in seen["tables"][name]
    assert "data_leakage_invented_bits" not in seen["tables"]["leakage-loss-published"]
    assert "data, invented" in seen["legend"] and "weights, fancied" in seen["legend"]
    assert seen["sweep"]["data_leakage_bits_invented"] == 0.125
    assert seen["sweep"]["weight_leakage_bits_fancied"] == 2
    assert {"data_leakage_bits_invented", "weight_leakage_bits_fancied"} <= set(seen["columns"])


def test_order_and_kinds_of_the_bounds():
    assert list(catalogue.DATA_BOUNDS) == ["holevo", "crb_v1", "crb_prx", "qcrb"]
    theorems = [name for name, bound in catalogue.DATA_BOUNDS.items() if bound.theorem]
    assert theorems == ["holevo"]
    assert list(catalogue.WEIGHT_BOUNDS) == ["holevo", "holevo_amplified", "holevo_mean"]
    assert catalogue.DATA_BOUND in catalogue.DATA_BOUNDS
    assert catalogue.WEIGHT_BOUND in catalogue.WEIGHT_BOUNDS
    assert {
        name: bound
        for name, bound in catalogue.WEIGHT_BOUNDS.items()
        if name != catalogue.WEIGHT_BOUND
    } == catalogue.FURTHER_WEIGHT_BOUNDS


def test_an_unknown_name_is_refused():
    assert catalogue.data_bound("qcrb") is catalogue.DATA_BOUNDS["qcrb"]
    assert catalogue.weight_bound("holevo") is catalogue.WEIGHT_BOUNDS["holevo"]
    with pytest.raises(
        RangeError, match="data bound = 'crb' is none of holevo, crb_v1, crb_prx, qcrb"
    ):
        catalogue.data_bound("crb")
    with pytest.raises(RangeError, match="weight bound = 'qcrb' is none of holevo"):
        catalogue.weight_bound("qcrb")


def test_no_other_file_lists_the_names():
    """A file that names two bounds or more would have to be changed for a third."""
    allowed = {"attacks.py", "results.py", "tables.py"}  # each stands for one certain bound
    for path in Path(host.__file__).parent.rglob("*"):
        if path.suffix in (".py", ".html") and "data_bounds" not in path.parts:
            text = path.read_text(encoding="utf-8")
            named = [name for name in ("crb_v1", "crb_prx", "qcrb") if name in text]
            assert len(named) < 2 or path.name in allowed or "published" in path.name, path


def test_the_page_of_physics_describes_every_bound():
    page = (ROOT / "docs" / "physics.md").read_text(encoding="utf-8")
    for name, bound in catalogue.DATA_BOUNDS.items():
        (line,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert ("theorem" in line) == bound.theorem and ("estimate" in line) != bound.theorem
