"""The pages: all are listed, links lead somewhere, and every public name is on the reference."""

import re
from pathlib import Path

import pytest

import shotveil
from shotveil.host.leakage.catalogue import DATA_BOUNDS, WEIGHT_BOUNDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))


def anchors(path):
    """Anchors that GitHub and the site give to the headings of a page."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", heading.strip().lower())
        yield re.sub(r"\s", "-", plain)


def test_every_page_is_in_the_index():
    listed = re.findall(r"^([a-z_/]+)$", (DOCS / "index.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert {str(p.relative_to(DOCS).with_suffix("")) for p in PAGES} == {*listed, "index"}


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.stem)
def test_links_lead_to_pages_and_headings(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        if target.startswith("https://"):
            continue
        place = (path.parent / target) if target else path
        assert place.exists(), f"{path.name} links to {target}"
        if anchor and place.suffix == ".md":
            assert anchor in set(anchors(place)), f"{path.name} links to {target}#{anchor}"


def test_every_public_name_is_on_the_reference_with_an_example():
    named = re.findall(r"auto\w+:: shotveil\.(\w+)", (DOCS / "reference.md").read_text())
    public = set(shotveil.__all__) - {"__version__"}
    assert set(named) == public and len(named) == len(public)
    # `tests/host/shotveil/test_face.py` runs the examples.
    assert all(">>>" in (getattr(shotveil, name).__doc__ or "") for name in public)


def test_the_page_of_bounds_says_what_the_code_says():
    page = (DOCS / "bounds.md").read_text()
    for bounds in (WEIGHT_BOUNDS, DATA_BOUNDS):
        for name, bound in bounds.items():
            kind = "a theorem" if bound.theorem else "an estimate"
            assert f"| `{name}` | {kind} | {' '.join(bound.covers.split())} |" in page
