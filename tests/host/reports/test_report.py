"""The report as HTML: the figures of the run's summary in it, whole, with pictures inside."""

import base64
import html as entities
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from shotveil.host.figures.style import new_figure, rendered, style
from shotveil.host.leakage.catalogue import DATA_BOUNDS
from shotveil.host.reports import report as module
from shotveil.host.reports.report import _guess, check_writable, embedded, report, write_report
from shotveil.host.run.extraction_curve import clone_of
from shotveil.host.run.run import run as real_run
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network, load_network

LINK = Link(
    1.25,
    6.0,
    transmittance_out=0.9,
    transmittance_back=0.8,
    excess_noise=0.01,
    phase_error=0.02,
    client_detector=Detector(0.7, 0.03),
    server_detector=Detector(0.6, 0.04),
)


@pytest.fixture
def run(small_network):
    return real_run(small_network, LINK, images=12, seed=7)


@pytest.fixture
def plain(monkeypatch):
    """Pictures are named, not drawn."""
    monkeypatch.setattr(
        module, "embedded", lambda picture, shown: Markup("<i>{}</i>").format(picture.__name__)
    )


def text_of(html):
    """What a reader sees, with single spaces."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)
    return " ".join(entities.unescape(text).split())


def rows_of(html):
    """Cells of every row of every table."""
    return [
        [text_of(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    ]


def test_the_figures_of_the_run(plain, run):
    summary = dict(run.summary, inferences=1234567, seconds=3.14159)
    html = report(replace(run, summary=summary))
    said = text_of(html)
    bits, image = summary["data_leakage_bits"]["holevo"], summary["image_bits"]["holevo"]
    every = summary["total_weight_bits"]["holevo"]
    for part in (
        f"{100 * summary['accuracy']:.2f} % of the digits right "
        f"({100 * summary['accuracy_interval'][0]:.2f} to "
        f"{100 * summary['accuracy_interval'][1]:.2f} % by counting)",
        f"{summary['weight_leakage_bits']:.3g} bits per weight leak",
        f"at most (declared): {every:,.6g} bits of all weights",
        f"{image:.3g} bits of an image leak to the server, at most ( holevo ): {bits:.3g} bits per",
        f"from {summary['verification']['symbols']:,} symbols",
        "Network small (784-24-10), from sufficient statistics, seed 7, 3.1 s.",
        "after 1,234,567 inferences",
        "accepted by the server" if summary["verification"]["accepted"] else "rejected by",
    ):
        assert part in said, part
    assert "<title>Shotveil: small, 12 images</title>" in html
    pictures = re.findall(r"<figure><i>(\w+)</i>", html)
    assert pictures == [
        "digits",
        "accuracy_curve",
        "leakages",
        "what_the_server_sees",
        "what_the_client_sees",
    ]


def test_layers_and_bounds_in_their_tables(plain, run):
    rows = rows_of(report(run))
    parts = [*run.summary["layers"], run.summary]
    head, *lines = rows[: 1 + len(parts)]
    assert len(head) == 1 + 4 * len(run.summary["weight_bounds_bits"])
    names = [
        f"layer {i}: {p['rows']} rows, {p['modes']} modes" for i, p in enumerate(parts[:-1], 1)
    ]
    for cells, name, part in zip(lines, [*names, "network"], parts, strict=True):
        shown = []
        for bound in part["weight_bounds_bits"]:
            for when in ("", "_after"):
                shown.append(f"{part[f'weight_bounds_bits{when}'][bound]:.3g}")
                shown.append(f"{part[f'total_weight_bits{when}'][bound]:,.6g}")
        assert cells == [name, *shown]
    head, *lines = rows[1 + len(parts) : 2 * (1 + len(parts))]
    assert head[1::2] == [
        f"per element, {name}{'' if bound.theorem else ' (estimate)'}"
        for name, bound in DATA_BOUNDS.items()
    ]
    for cells, part in zip(lines, parts, strict=True):
        shown = []
        for bound in DATA_BOUNDS:
            shown.append(f"{part['data_leakage_bits'][bound]:.3g}")
            shown.append(f"{part['image_bits'][bound]:,.6g}")
        assert cells[1:] == shown
    for name, bound in DATA_BOUNDS.items():
        assert [name, "theorem" if bound.theorem else "estimate"] in [row[:2] for row in rows]


def test_settings_in_words_with_units(plain, run):
    rows = rows_of(report(run))
    at = next(i for i, row in enumerate(rows) if row[0] == "F² at the client")
    settings = dict(rows[at:])
    assert list(settings)[:3] == [
        "F² at the client",
        "gain of the client's amplifier",
        "photons per mode at the server's output",
    ]
    assert settings["F² at the client"] == f"{LINK.f2:.6g}"
    assert settings["gain of the client's amplifier"] == "1.25"
    assert settings["photons per mode at the server's output"] == "6"
    values = list(settings.values())[3:-1]
    assert sorted(values) == sorted(
        ["0.72", "0.9", "0.8", "0.01", "0.02", "0.7", "0.03", "0.6", "0.04", *["0"] * 7]
    )
    for each in Channel.settings():
        name = f"{each.label} ({each.unit})" if each.unit else each.label
        assert settings[name] == f"{LINK.as_settings()[each.name]:.6g}"
    assert any(name.endswith(" (shot-noise units)") for name in settings)
    assert any(name.endswith(" (radians)") for name in settings)
    assert not any(name.endswith("()") for name in settings)
    digest = run.summary["digest"][:16] + "…"
    assert settings["network (SHA-256 of the weights)"] == digest


def test_a_verdict_and_how_the_light_was_simulated(plain, run):
    no = dict(run.summary, symbol_level=True)
    no["verification"] = dict(no["verification"], accepted=False)
    html = report(replace(run, summary=no))
    assert 'class="rejected"' in html and "rejected by the server" in text_of(html)
    assert "(784-24-10), symbol by symbol, seed 7" in text_of(html)


@pytest.mark.parametrize(
    "value, figures, total",
    [(0.0123456789, "0.0123", "0.0123457"), (6146.7, "6,150", "6,146.7"),
     (1018484.6, "1,020,000", "1,018,480"), (999.6, "1,000", "999.6"), (1e-12, "1e-12", "1e-12"),
     (1e20, "1e+20", "1e+20")],
)  # fmt: skip
def test_large_numbers_are_written_with_commas(value, figures, total):
    filters = module.template("report.html").environment.filters
    assert (filters["figures"](value), filters["total"](value)) == (figures, total)


def test_names_are_text_and_no_html(plain, run):
    named = dict(run.summary, network="<script>")
    html = report(replace(run, summary=named))
    assert "<script>" not in html and html.count("&lt;script&gt;") == 2


def test_what_the_page_lacks_is_an_error_and_no_gap(plain, run):
    lacking = {name: value for name, value in run.summary.items() if name != "seed"}
    with pytest.raises(UndefinedError, match="seed"):
        report(replace(run, summary=lacking))


def test_panels_hold_their_bytes_and_are_described_together():
    def picture(shown):
        """A <square> one."""
        figures = tuple(new_figure(width, shown) for width in (shown, 2 * shown))
        for figure in figures:
            figure.add_subplot().plot([1, 2])
        return figures

    group = embedded(picture, 0.5)
    head = '<div class="panels" role="img" aria-label="A &lt;square&gt; one.">'
    assert group.startswith(head) and group.endswith("</div>")
    images = group.removeprefix(head).removesuffix("</div>")
    with style():
        assert images == "".join(
            '<img alt="" src="data:image/svg+xml;base64,'
            + base64.b64encode(rendered(panel, "svg")).decode() + '">'
            for panel in picture(0.5)
        )  # fmt: skip
        assert embedded(lambda shown: picture(shown)[0], 0.5).count("<img") == 1
    picture.__doc__ = None  # as PYTHONOPTIMIZE=2 makes it; the source has it still
    assert embedded(picture, 0.5).startswith(head)


# Writing -----------------------------------------------------------------------------------------


def test_it_is_written_whole_into_folders_that_are_made(plain, run, tmp_path):
    path = tmp_path / "a" / "b" / "run.html"
    write_report(run, path)
    assert path.read_text(encoding="utf-8") == report(run)
    assert [file.name for file in path.parent.iterdir()] == ["run.html"]


def test_what_can_be_no_file_is_refused_before_anything_is_drawn(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "report", lambda run: pytest.fail("it was drawn"))
    (tmp_path / "file").write_bytes(b"")
    for path, why in (
        (tmp_path, "it is a folder"),
        (tmp_path / "file" / "x.html", "Not a directory"),
        (tmp_path / "file" / "y" / "x.html", "Not a directory"),
    ):
        for write in (lambda path=path: write_report(run, path), lambda p=path: check_writable(p)):
            with pytest.raises(RangeError) as refusal:
                write()
            assert str(refusal.value) == (
                f"report = {path} cannot be written: {why}; allowed: a file in a folder of yours"
            )
    assert {each.name for each in tmp_path.iterdir()} == {"file"}


def test_a_folder_where_nothing_can_be_made_is_refused(tmp_path):
    """As for root: the system says that it may write here, and then refuses."""
    check_writable(tmp_path / "new" / "er" / "x.html")
    (tmp_path / "x.html").write_text("old")
    check_writable(tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text() == "old"
    assert {each.name for each in tmp_path.iterdir()} == {"x.html"}
    with pytest.raises(RangeError, match="cannot be written: No such file or directory"):
        check_writable(Path("/proc/new/x.html"))


def test_a_path_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable(tmp_path.relative_to(tmp_path) / "reports" / "x.html")


def test_what_a_photon_counter_guesses_stands_beside_what_it_sees(plain, run):
    said = text_of(report(run))
    guess = _guess(run)
    assert guess is not None and guess.images == len(run.images)
    assert f"{100 * guess.right:.1f} % of the labels are guessed right" in said
    assert f"a blind guess is right for {100 * guess.chance:.1f} %" in said
    assert f"{guess.bits:.3g} bits of a label are learned" in said
    assert _guess(replace(run, images=run.images[:1], labels=run.labels[:1])) is None


def test_the_learning_curve_is_shown_where_a_network_has_one(plain, run):
    assert "How the network was trained" not in report(run)
    curve = [{"accuracy": 0.5, "held_out": 0.6}]
    about = {"learning_curve": curve}
    network = Network(run.network.name, run.network.layers, about, run.network.plan)
    assert "How the network was trained" in report(replace(run, network=network))


def test_what_was_verified_in_bits_of_a_weight_and_of_all(plain, run):
    rows = {}
    for name, *cells in rows_of(report(run)):
        rows.setdefault(name, []).append(cells)
    v = run.summary["verification"]
    senses = ("declared", "estimated", "certified")
    once, after = (
        [f"{v[f'weight_leakage_bits{when}'][s]:.3g}" for s in senses] for when in ("", "_after")
    )
    assert rows["weights → client, one inference (bits per weight)"] == [once]
    assert rows["after all K inferences (bits per weight)"] == [after]
    assert rows["… bits of all weights"] == [
        [f"{v[f'total_weight_bits{when}'][s]:,.6g}" for s in senses] for when in ("", "_after")
    ]
    # Row lengths are odd in the first layer, and a mode that is half filled counts as full.
    of_layers = sum(layer["total_weight_bits_after"]["declared"] for layer in v["layers"])
    assert v["total_weight_bits_after"]["declared"] == pytest.approx(of_layers)
    assert of_layers == pytest.approx(run.summary["total_weight_bits_after"]["holevo"])
    assert v["total_weight_bits"]["declared"] == pytest.approx(
        run.summary["total_weight_bits"]["holevo"]
    )
    assert len(rows["… bits of all its weights"]) == 2 * len(v["layers"])


def test_the_clone_that_is_possible_is_told_where_there_is_a_curve(plain, run):
    assert "By plain use" not in text_of(report(run))
    clone = clone_of(load_network("mnist").digest, 12, [1.0])
    known = dict(run.summary, extraction=asdict(clone))
    assert f"without any attack on the light, {clone}." in text_of(
        report(replace(run, summary=known))
    )
