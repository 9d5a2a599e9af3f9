"""What pyproject.toml says by hand, against the tree and the other files that say it."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)
FACE = ROOT / "host" / "shotveil"  # installed as the package itself
FOLDERS = ("gateware", "host", "models", "sim")
EXTRAS = PROJECT["project"]["optional-dependencies"]


def folders_of(pattern):
    """Folders of the package that hold a file of this pattern, but for the public face."""
    found = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob(pattern)}
    return found - {FACE}


def test_all_packages_are_listed():
    known = {
        ".".join(("shotveil", *folder.relative_to(ROOT).parts))
        for folder in folders_of("__init__.py")
    }
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert set(listed) == known | {"shotveil"}
    assert sorted(listed) == listed


def test_each_folder_of_sources_is_a_package():
    assert folders_of("*.py") == folders_of("__init__.py")


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_says_what_it_makes_possible(extra):
    (above,) = re.findall(rf"^(.*)\n{extra} = \[$", TEXT, re.MULTILINE)
    assert re.fullmatch(r"# [A-Z].*\.", above)


def test_extras_that_extras_name_exist():
    named = {
        name.strip()
        for requirements in EXTRAS.values()
        for requirement in requirements
        for names in re.findall(r"^shotveil\[(.*?)\]", requirement)
        for name in names.split(",")
    }
    assert named and named <= EXTRAS.keys()


def test_the_citation_says_the_same():
    citation = (ROOT / "CITATION.cff").read_text()
    project = PROJECT["project"]
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
    assert [f"  - name: {author['name']}" for author in project["authors"]] == re.findall(
        r"^  - name: .*$", citation, re.MULTILINE
    )
    (keywords,) = re.findall(r"^keywords:\n((?:  - .*\n)+)", citation, re.MULTILINE)
    assert project["keywords"] == re.findall(r"- (.*)", keywords)
    paper = re.search(r"arXiv:([\d.]+)", citation)[1]
    assert project["urls"]["Paper"].endswith(paper)


def test_the_page_lists_the_extras_with_the_same_words():
    page = (ROOT / "docs" / "installing.md").read_text()
    said = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert said == {
        extra: re.findall(rf"^# (.*)\n{extra} = \[$", TEXT, re.MULTILINE)[0] for extra in EXTRAS
    }
