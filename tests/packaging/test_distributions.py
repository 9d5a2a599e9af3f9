"""The wheel and the source distribution, as someone meets them who has never seen the repository.

`make test-wheel` also runs what takes minutes: the gateware's loop from the wheel, and the tests of
the source distribution.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("gateware", "host", "models", "sim")
COMPILED = (".pyc", ".pyo", ".so", ".o")
slow = pytest.mark.skipif(
    "SHOTVEIL_SOAK" not in os.environ, reason="takes minutes: make test-wheel"
)


def run(*command, **options):
    """What a command prints; an error shows all that it said."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pip(environment, *arguments):
    return run(sys.executable, "-m", "pip", "--quiet", "--python", environment, *arguments)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution, and the wheel that is built from it and not from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="module")
def user(built, tmp_path_factory):
    """A user's environment with the wheel alone, and beside it a project with folders of our names.

    Whatever imports one of them by accident fails.
    """
    return User(tmp_path_factory.mktemp("user"), built[1])


class User:
    def __init__(self, folder, wheel):
        self.environment = folder / "environment"
        self.project = folder / "project"
        for name in FOLDERS:
            (self.project / name).mkdir(parents=True)
            (self.project / name / "__init__.py").write_text(f'raise ImportError("not {name}")\n')
        run(sys.executable, "-m", "venv", "--without-pip", self.environment)
        self.python = self.environment / "bin" / "python"
        # Compiling all modules of NumPy, SciPy and Matplotlib would take as long as the tests.
        pip(self.python, "install", "--no-compile", wheel)
        self.variables = {
            **{name: value for name, value in os.environ.items() if name != "SHOTVEIL_CACHE"},
            "PYTHONPATH": str(self.project),
            "XDG_CACHE_HOME": str(folder / "cache of a user"),
        }

    @property
    def packages(self):
        """Where packages are installed."""
        (found,) = self.environment.glob("lib/python*/site-packages")
        return found

    def files(self):
        """Path → digest of all that is installed of ours."""
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.packages.glob("shotveil*/**/*"))
            if path.is_file() and path.suffix != ".pyc"
        }

    def run(self, *command):
        """Run a command of the environment in the project."""
        program = self.environment / "bin" / command[0]
        return run(program, *command[1:], cwd=self.project, env=self.variables)


def of_the_tree():
    """All files of the four folders as the wheel should hold them."""
    found = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT)
            if path.is_file() and "__pycache__" not in inside.parts:
                face = inside.is_relative_to("host/shotveil")
                found.add(str(inside.relative_to("host") if face else Path("shotveil", inside)))
    return found


def test_the_wheel_holds_the_package_and_nothing_else(built):
    names = zipfile.ZipFile(built[1]).namelist()
    package = {name for name in names if ".dist-info/" not in name}
    assert package == of_the_tree()
    assert {name.split("/")[0] for name in package} == {"shotveil"}
    assert not [name for name in package if name.endswith(COMPILED)]
    assert "shotveil/py.typed" in package


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_the_source_distribution_is_a_whole_checkout(built):
    tracked = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    wanted = {name for name in tracked.splitlines() if (ROOT / name).exists()}
    with tarfile.open(built[0]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted <= held
    assert not [name for name in held if name.endswith(COMPILED) or "__pycache__" in name]


def test_only_one_name_is_taken_among_all_packages(user):
    (record,) = user.packages.glob("shotveil-*.dist-info/RECORD")
    top = {line.split("/")[0] for line in record.read_text().splitlines()}
    assert top == {"shotveil", record.parent.name, ".."}  # the last leads to the command in bin


def test_folders_of_the_same_names_do_not_disturb_it(user):
    said = user.run("python", "-c", "import shotveil; print(shotveil.load_network('mnist').name)")
    assert said == "mnist\n"
    assert "200 images right" in user.run("shotveil", "demo", "--images", "200")
    assert (user.project / "reports" / "demo.html").exists()


def test_what_is_read_at_run_time_is_there(user):
    code = "from shotveil.sim.loop.rate import placed_clock; print(placed_clock().source)"
    assert "placed at" in user.run("python", "-c", code)


def test_nothing_is_written_into_the_package(user):
    before = user.files()
    user.run("shotveil", "figures", "--help")
    user.run("shotveil", "infer", "--gain", "1.3", "--f2", "2.4", "--images", "20", "--json")
    assert user.files() == before


def test_a_package_with_a_folder_of_our_name_comes_and_goes(user, tmp_path):
    other = tmp_path / "other-1.0-py3-none-any.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("models/__init__.py", "")
        archive.writestr("models/link/__init__.py", "")
        archive.writestr("host/__init__.py", "")
        info = "other-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                                          "Tag: py3-none-any\n")  # fmt: skip
        archive.writestr(
            f"{info}/RECORD",
            "".join(f"{name},,\n" for name in [*archive.namelist(), f"{info}/RECORD"]),
        )
    before = user.files()
    pip(user.python, "install", other)
    assert (user.packages / "models" / "link").is_dir()
    user.run("python", "-c", "import shotveil; shotveil.load_network('mnist')")
    pip(user.python, "uninstall", "--yes", "other")
    assert not (user.packages / "models").exists()
    assert user.files() == before
    user.run("python", "-c", "import shotveil; shotveil.load_network('mnist')")


@pytest.fixture(scope="module")
def checked(user, tmp_path_factory):
    """Checks a program with the user's packages; what the type checker says, line by line."""

    def check(text):
        folder = tmp_path_factory.mktemp("typed")
        (folder / "program.py").write_text(textwrap.dedent(text))
        command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", user.python,
                   "--cache-dir", user.project.parent / "mypy", "program.py"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return [line.partition(" ")[2] for line in done.stdout.splitlines()]

    return check


def test_a_type_checker_sees_the_types(checked):
    said = checked("""
        import numpy as np
        import shotveil

        network = shotveil.load_network("mnist")
        reveal_type(network)
        images, labels = shotveil.load_mnist()
        link = shotveil.Link(gain=1.02, photons=20)
        seen = shotveil.infer(network, images, link, np.random.default_rng(1))
        accepted: bool = all(v.accepted for v in shotveil.verdicts(network, link, seen))
        with shotveil.open_node("model:server") as node:
            node.find_loop_delay(np.random.default_rng(1))
        print(shotveil.__version__, accepted)
    """)
    assert said == [
        'note: Revealed type is "shotveil.models.networks.network.Network"',
        "Success: no issues found in 1 source file".partition(" ")[2],
    ]


def test_a_type_checker_finds_what_is_wrong(checked):
    said = checked("""
        import shotveil

        shotveil.Link(gain="high", photons=20)
        shotveil.load_network(5)
        shotveil.nonsense
    """)
    assert len(said) == 4 and "Found 3 errors" not in said
    assert "[arg-type]" in said[0] and '"gain"' in said[0]
    assert "[arg-type]" in said[1]
    assert "[attr-defined]" in said[2]


@slow
def test_two_digits_through_the_gateware(user, built):
    pip(user.python, "install", f"{built[1]}[rtl]")
    before = user.files()
    said = user.run("shotveil", "infer", "--backend", "rtl", "--network", "mnist-paper", "--gain",
                    "1.3", "--f2", "2.4", "--images", "2")  # fmt: skip
    assert "of 2 images right" in said
    assert user.files() == before
    assert list(Path(user.variables["XDG_CACHE_HOME"]).glob("shotveil/verilator/library-*.so"))


@slow
def test_the_source_distribution_passes_its_tests(built, tmp_path):
    with tarfile.open(built[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    run("make", "setup-test", cwd=folder)
    run(".venv/bin/pytest", "tests/models", "tests/host/leakage", "tests/host/shotveil",
        "tests/test_layout.py", "tests/test_readme.py", "tests/packaging/test_pyproject.py",
        cwd=folder)  # fmt: skip
