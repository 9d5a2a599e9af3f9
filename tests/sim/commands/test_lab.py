"""`shotveil lab …`: what its commands print, how they end, and what they say without extras."""

import json
import signal
import subprocess
import sys

import pytest

from shotveil.host.commands.cli import main
from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_device
from shotveil.sim.figures.grants import Trespass
from shotveil.sim.proofs.formal import ProofOutcome

BARE = """
import sys
class Nowhere:
    def find_spec(name, path, target=None):
        if name == "amaranth":
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Nowhere)
from shotveil.host.commands.cli import main
main()
"""


@pytest.fixture
def lab(capsys):
    """Run a command of the lab: exit code, standard output, standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["lab", *map(str, arguments)])
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run


def bare(*arguments):
    """The program as it is where Amaranth is not installed."""
    return subprocess.run([sys.executable, "-c", BARE, *arguments], capture_output=True, text=True)


def test_help_needs_no_extra():
    done = bare("lab", "--help")
    assert done.returncode == 0 and "cosim" in done.stdout and done.stderr == ""


@pytest.mark.parametrize(
    "arguments, extra",
    [
        (["grants", "--scripts", "1"], "lab"),
        (["formal"], "lab"),
        (["synth", "drive/dac"], "lab"),
        (["node"], "lab"),
        (["board", "ecpix5"], "boards"),
    ],
    ids=lambda x: x if isinstance(x, str) else x[0],
)
def test_a_command_says_which_extra_it_needs(arguments, extra):
    done = bare("lab", *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert "needs the package amaranth" in done.stderr and extra in done.stderr
    assert done.stderr.count("\n") == 1


def test_grants(lab, monkeypatch):
    code, out, _ = lab("grants", "--scripts", 3, "--json")
    found = json.loads(out)
    assert code == 0 and found["scripts"] == 3 and found["emitted"] <= found["granted"]
    code, out, _ = lab("grants", "--scripts", 3)
    assert code == 0 and f"{found['granted']} rows granted" in out and "none sent more" in out

    def trespasses(*_):
        raise Trespass("a row left outside of a batch")

    monkeypatch.setattr("shotveil.sim.figures.grants.run", trespasses)
    code, out, err = lab("grants", "--scripts", 3)
    assert code == 1 and out == "" and err == "shotveil: a row left outside of a batch\n"


def test_link_soak(lab):
    code, out, _ = lab("link-soak", "--packets", 300, "--json")
    found = json.loads(out)
    assert code == 0 and found["packets"] >= 300 and found["there"]["corrupt"] >= 0
    code, out, _ = lab("link-soak", "--packets", 300)
    assert code == 0 and f"{found['packets']} packets, of them" in out
    code, _, err = lab("link-soak", "--packets", 0)
    assert code == 2 and "packets = 0 is outside [1, ∞)" in err


def test_formal(lab, monkeypatch):
    asked = []

    def answers(names):
        asked.append(names)
        yield "counting", "proved", ProofOutcome(True, 1.5, "")
        yield "counting", "covered", ProofOutcome(False, 2.5, "the end of the log")

    monkeypatch.setattr("shotveil.sim.proofs.formal.answers", answers)
    code, out, err = lab("formal", "credits")
    assert code == 1 and asked == [("credits",)]
    assert "counting         yes  proved (1.5 s)" in out and "NO   covered" in out
    assert "counting: not covered\nthe end of the log" in err
    code, out, _ = lab("formal", "--json")
    found = json.loads(out)
    assert code == 1 and not found["passed"]
    assert [entry["yes"] for entry in found["answers"]] == [True, False]
    code, _, err = lab("formal", "nothing")
    assert code == 2 and "proof = 'nothing' is none of credits, framing" in err


@pytest.mark.parametrize("name", ["drive", "digitiser"])
def test_reports_by_part(lab, monkeypatch, name):
    parts = {"first": ["a", "b"], "second": ["c"]}
    monkeypatch.setattr(f"shotveil.sim.figures.{name}_report.report", lambda *_: parts)
    assert lab(f"{name}-report") == (0, "a\nb\n\nc\n", "")
    code, out, _ = lab(f"{name}-report", "--json")
    assert code == 0 and json.loads(out) == parts


def test_which_parts_of_the_digitisers_report_are_made():
    from shotveil.sim.figures.digitiser_report import report

    assert list(report()) == ["floors"]
    assert list(report(3, 5)) == ["bias_phase_diverse", "bias_homodyne", "vacuum"]


def test_a_waveform_and_its_picture(lab, tmp_path):
    code, out, err = lab("drive-waveform", "--out", tmp_path / "new", "--json")
    assert code == 0, err
    files = json.loads(out)["files"]
    assert set(files) == {str(tmp_path / "new" / name) for name in ("drive.vcd", "drive.png")}
    assert files[str(tmp_path / "new" / "drive.png")].endswith("equal to the model")
    assert (tmp_path / "new" / "drive.png").read_bytes()[:4] == b"\x89PNG"


def test_a_node_says_when_it_is_ready_and_when_it_has_stopped():
    # Where tests run in a shell's background, SIGINT is ignored unless somebody asks for it.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from shotveil.host.commands.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "lab", "node", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = json.loads(process.stdout.readline())
    assert ready["event"] == "ready" and ready["role"] == "server"
    with Node(open_device(ready["device"])) as node:
        assert node.registers.read()["state"] == "idle"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == ""
    assert json.loads(out) == {"event": "stopped", "device": ready["device"]}
