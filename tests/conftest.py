"""What all tests share: the profile of property tests, the seed of their order, small networks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from shotveil.models.networks.network import Layer, Network

ROOT = Path(__file__).parents[1]
ROOMS = ("models", "gateware", "host", "sim")

# No load of the machine can fail these: no example has a deadline, none counts as too slow to draw.
# The examples are the same each time, so that a change fails by what it changed; whoever hunts
# for more runs `pytest --hypothesis-profile search`.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", _UNHURRIED, derandomize=True)
settings.register_profile("search", _UNHURRIED, print_blob=True, max_examples=2000)
settings.load_profile("steady")


# The files that take longest begin first: at the end, all processors but one would wait for them.
# Neighbours build different gateware, as one would wait for the other's build.
LONGEST = (
    "tests/gateware/node/test_any_host.py",
    "tests/gateware/formal/test_endpoint.py",
    "tests/sim/loop/test_cosim.py",
    "tests/gateware/digitiser/test_chain.py",
    "tests/host/parties/test_processes.py",
    "tests/sim/loop/test_node_device.py",
    "tests/ground/test_terminal.py",
    "tests/packaging/test_distributions.py",
    "tests/host/devices/test_node.py",
    "tests/gateware/drive/test_chain.py",
    "tests/sim/engines/test_shared_library.py",
    "tests/models/link/test_sufficient.py",
    "tests/pages/test_extending.py",
    "tests/gateware/node/test_chain.py",
    "tests/ground/test_machine.py",
    "tests/sim/loop/test_attacks.py",
    "tests/host/parties/test_soak.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the longest files in front; all others stay in their random order."""
    rank = {file: number for number, file in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


def pytest_terminal_summary(terminalreporter, config):
    """Say in which order the tests ran, so that it can be had again."""
    seed = config.getoption("randomly_seed", None)
    if seed is not None and config.getoption("randomly_reorganize", False):
        terminalreporter.write_line(f"order of the tests: pytest --randomly-seed={seed}")


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
        for name in ROOMS:
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


@pytest.fixture(scope="session")
def copied_package():
    """Copies the package, or some of its rooms, into a folder; gives its place there."""

    def copied(folder, rooms=ROOMS):
        package = folder / "shotveil"
        for room in rooms:
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / room, package / room, ignore=left_out)
        shutil.copy(ROOT / "host/shotveil/__init__.py", package)
        return package

    return copied
