"""What a build writes for a board's Linux: a program that Python runs alone, and steps in order."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shotveil.models.host_link.mailbox import BASE, WINDOW
from shotveil.sim.synthesis import linux
from tests.host.devices.test_bitstream import HEADER, TURNED, WORDS


def run(folder, *arguments):
    """Run the program with Python's own packages alone, and not from the sources."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "node.pyz", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_program_runs_alone(tmp_path):
    linux.write(tmp_path)
    assert linux.program() == (tmp_path / "node.pyz").read_bytes()
    with zipfile.ZipFile(tmp_path / "node.pyz") as archive:
        assert "shotveil/host/devices/on_board.py" in archive.namelist()
    assert "--listen LISTEN" in run(tmp_path, "serve", "--help").stdout
    (tmp_path / "top.bit").write_bytes(HEADER + WORDS)
    done = run(tmp_path, "bit2bin", "top.bit", "node.bit.bin")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "node.bit.bin").read_bytes() == TURNED
    done = run(tmp_path, "check")
    assert done.returncode == 1 and "load the node's bitstream first" in done.stderr


@pytest.mark.parametrize("module", linux.MODULES, ids=lambda module: module.__name__)
def test_the_boards_python_is_old_enough(module):
    """Ubuntu 22.04 of the vendor's OS 2.x has 3.10, older ones 3.8."""
    text = Path(module.__file__).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 8))
    assert "from __future__ import annotations" in text  # as its annotations are newer


def test_the_installer_ends_what_uses_the_logic_before_it_changes(tmp_path):
    linux.write(tmp_path)
    script = tmp_path / "install.sh"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    text = script.read_text()
    order = ["bit2bin", "scp", "pkill -f 'node.pyz serve'", "stop redpitaya_nginx", "rmdir ",
             "fpgautil -b node.bit.bin", "node.pyz check", "node.pyz serve >"]  # fmt: skip
    places = [text.index(step) for step in order]
    assert places == sorted(places) and "xdevcfg" not in text
    usage = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    assert usage.returncode == 2 and "USER@HOST" in usage.stderr


def test_the_overlay_names_the_mailbox(tmp_path):
    linux.write(tmp_path)
    text = (tmp_path / "node.dts").read_text()
    assert f"reg = <{BASE:#x} {WINDOW:#x}>;" in text and 'compatible = "generic-uio"' in text
    assert text.count("{") == text.count("}") and re.search(r"^/plugin/;$", text, re.M)
