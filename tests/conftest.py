"""Small networks and images that several tests share, made from a seed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shotveil.models.networks.network import Layer, Network

ROOT = Path(__file__).parents[1]


@pytest.fixture
def small_network():
    """A random 784-24-10 network with a bias in its first layer: an odd width, padded."""
    rng = np.random.default_rng(99)
    return Network(
        "small",
        (Layer(rng.normal(size=(24, 785)), bias=True), Layer(rng.normal(size=(10, 24)))),
    )


class PackageTree:
    """The package by links to its files, with some files more: what an extension would make."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "shotveil").mkdir()
        for name in ("models", "gateware", "host", "sim"):
            (folder / "shotveil" / name).symlink_to(ROOT / name)
        (folder / "shotveil/__init__.py").symlink_to(ROOT / "host/shotveil/__init__.py")

    def add(self, path, text):
        """Put one more file at `path`, such as models/…/name.py; nothing else is touched."""
        place = self.folder / "shotveil"
        for part in Path(path).parts[:-1]:
            place = place / part
            if place.is_symlink():
                original = place.resolve()
                place.unlink()
                place.mkdir()
                for entry in original.iterdir():
                    (place / entry.name).symlink_to(entry)
        (place / Path(path).name).write_text(text)

    def run(self, code, *arguments, status=0):
        """What a program says that imports the package from here: output, then errors."""
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def package_tree(tmp_path):
    """A package to which a test adds files."""
    return PackageTree(tmp_path)
