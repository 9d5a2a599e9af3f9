"""Every how-to is followed: its files are written into a copy of the tree, and its commands run.

A how-to is a section of a page. A block of code behind a line that ends in a file's path and a
colon is that whole file, and a block of a diff is a change of it. Lines of a shell block are run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "shotveil": ["-c", "from shotveil.host.commands.cli import main; main()"],
    "pytest": ["-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"],
    "python": [],
}
_STEP = re.compile(
    r"`(?P<path>[\w/.]+)`:\n\n *```(?P<kind>python|diff)\n(?P<text>.*?)\n *```"
    r"|```sh\n(?P<shell>.*?)```",
    re.DOTALL,
)


def sections(page):
    """The how-tos of a page by their titles: all that its sections tell to do, in order."""
    found = {}
    for section in re.split(r"^##+ ", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)[1:]:
        title = section.split("\n")[0]
        steps = list(_STEP.finditer(section))
        if any(step["path"] for step in steps):
            found[title] = steps
    return found


HOW_TOS = {
    f"{page}: {title}": steps
    for page in ("extending.md", "gateware.md")
    for title, steps in sections(page).items()
}


def test_there_is_one_for_each_thing_that_people_add():
    titles = " ".join(HOW_TOS)
    for thing in ("adversary", "block", "bound", "command", "impairment", "network", "register"):
        assert re.search(rf"(Add an?|A new) {thing}", titles), thing


@pytest.mark.parametrize("steps", HOW_TOS.values(), ids=HOW_TOS)
def test_a_how_to_does_what_it_says(steps, tmp_path, copied_package):
    copied_package(tmp_path)
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=left_out)
    for name in ("docs", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    ran = 0
    for step in steps:
        if step["path"]:
            file = place_of(tmp_path, step["path"])
            {"python": write, "diff": change}[step["kind"]](file, step["text"])
            continue
        for line in filter(str.strip, step["shell"].splitlines()):
            command, *arguments = shlex.split(line, comments=True)
            done = subprocess.run(
                [sys.executable, *COMMANDS[command], *arguments],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            ran += 1
    assert ran


def place_of(folder, name):
    packaged = "/" in name and not name.startswith("tests/")
    return folder / "shotveil" / name if packaged else folder / name


def write(file, text):
    """Write a file of a how-to, which may be indented as part of a list."""
    assert not file.exists(), f"{file} is there already"
    file.write_text(textwrap.dedent(text) + "\n")


def change(file, text):
    """Put a diff's new lines in place of its old ones, which the file has exactly once."""
    lines = f"{text}\n".splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +"))
    before = file.read_text()
    assert before.count(old) == 1, f"{file} has not exactly once:\n{old}"
    file.write_text(before.replace(old, new))
