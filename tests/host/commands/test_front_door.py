"""What all commands have in common: how they are found, what their help says, how they end."""

import errno
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from shotveil.host.commands.cli import main
from tests.host.commands.walk import commands, leaves, name
from tests.parsing import parse

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "commands.md").read_text()
SLOW = ("numpy", "scipy", "matplotlib", "rich", "grpc", "amaranth", "torch", "cryptography")
EVERY = pytest.mark.parametrize("path, command", commands(), ids=lambda x: " ".join(x) or "shotveil"
                                if isinstance(x, tuple) else "")  # fmt: skip
LEAF = pytest.mark.parametrize("path, command", leaves(), ids=lambda x: " ".join(x)
                               if isinstance(x, tuple) else "")  # fmt: skip
COMMAND = [sys.executable, "-c", "from shotveil.host.commands.cli import main; main()"]


def is_sentence(text):
    """Whether a text is one or several phrases that are written as sentences."""
    return text[0].isupper() and text.endswith(".") and len(text.split()) >= 4


@EVERY
def test_help_is_in_sentences(path, command):
    paragraphs = re.split(r"\n\s*\n", command.help.strip())
    assert all(is_sentence(text.strip()) for text in paragraphs), command.help
    with click.Context(command) as context:
        for option in command.get_params(context):
            if isinstance(option, click.Option):
                assert option.help and is_sentence(option.help), f"{option.opts}: {option.help}"


@EVERY
def test_a_number_has_a_range(path, command):
    for option in command.params:
        kinds = click.types.IntParamType, click.types.FloatParamType
        if isinstance(option, click.Option) and isinstance(option.type, kinds):
            said = r"\((each )?(above|at least|below|between|from|any|\d+ or more)[^()]*\)\.$"
            assert re.search(said, option.help), f"{option.opts}: {option.help}"


@EVERY
def test_the_environment_and_files_know_an_option_by_its_own_name(path, command):
    for option in command.params:
        if isinstance(option, click.Option) and option.expose_value:
            names = {text.removeprefix("--").replace("-", "_") for text in option.opts}
            assert option.name in names


@LEAF
def test_every_command_has_json(path, command):
    assert any("--json" in option.opts for option in command.params)


def test_help_loads_nothing_slow():
    """One process asks every command for help, and says which slow package is there after which."""
    program = f"""
import sys
from shotveil.host.commands.cli import main
for line in sys.stdin.read().splitlines():
    try:
        main([*line.split(), "--help"])
    except SystemExit as end:
        assert not end.code, line
    found = [name for name in {SLOW} if name in sys.modules]
    assert not found, f"shotveil {{line}} --help loads {{found}}"
"""
    lines = "\n".join(" ".join(path) for path, _ in commands())
    done = subprocess.run([sys.executable, "-c", program], input=lines, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: ") == len(commands())


def test_nothing_else_is_run_as_a_script():
    # In two parts, so that this file holds it not.
    words = "__name__ " + '== "__main__"'
    files = [path for folder in ("models", "gateware", "host", "sim", "tests")
             for path in (ROOT / folder).rglob("*.py")]  # fmt: skip
    assert len(files) > 200
    assert [str(path) for path in files if words in path.read_text()] == []


def test_nobody_is_told_to_run_a_module():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    files = [*pages, *(path for folder in ("models", "gateware", "host", "sim")
                       for path in (ROOT / folder).rglob("*.py"))]  # fmt: skip
    assert [str(path) for path in files if "python -m shotveil" in path.read_text()] == []


# How commands are found --------------------------------------------------------------------------


# How the program ends ----------------------------------------------------------------------------


def test_nobody_reads_the_end_of_the_output():
    """`shotveil registers | head -1`, with a page that no pipe holds."""
    process = subprocess.Popen([*COMMAND, "registers"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) in (0, 141) and error == ""


def test_output_that_is_closed_from_the_beginning():
    for command in ("device info model:server", "registers --help"):
        # Nobody reads the pipe any more when the program begins to write.
        line = f"(sleep 1; {shlex.join(COMMAND)} {command}) | true; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
        assert done.stderr == "" and done.stdout == "141\n"


def test_a_broken_pipe_that_is_not_the_output_is_one_line(monkeypatch, capsys):
    def breaks(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "the node's pipe is broken")

    monkeypatch.setattr("shotveil.host.commands.registers.print_json", breaks)
    with pytest.raises(SystemExit) as end:
        main(["registers", "--json"])
    assert end.value.code == 2
    assert capsys.readouterr().err == "shotveil: [Errno 32] the node's pipe is broken\n"


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out.startswith("shotveil, version 0.")


# Completion --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, expected",
    [
        ("shotveil in", {"infer"}),
        ("shotveil lab drive-", {"drive-report", "drive-waveform"}),
        ("shotveil infer --network mnist-", {"mnist-paper", "mnist-lossy"}),
        ("shotveil infer --backend ", {"optics", "model", "rtl"}),
        ("shotveil plan --data-bound q", {"qcrb"}),
        ("shotveil attack ta", {"tap"}),
        ("shotveil link --attack b", {"basis-vector"}),
        ("shotveil serve --attack c", {"counting-server"}),
        ("shotveil device info rtl", {"rtl:server", "rtl:client"}),
        ("shotveil lab board red", {"red_pitaya"}),
    ],
)
def test_completion(line, expected, monkeypatch, capsys):
    monkeypatch.setenv("_SHOTVEIL_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert expected <= set(capsys.readouterr().out.splitlines())


# The page docs/commands.md -----------------------------------------------------------------------


@LEAF
def test_the_page_has_a_line_for_every_command(path, command):
    assert re.search(rf"^\| `{name(path)}[` ]", PAGE, re.MULTILINE)


def test_the_page_names_no_command_that_there_is_not():
    known = {name(path) for path, _ in leaves()}
    for line in re.findall(r"^\| `(shotveil[^`]*)`", PAGE, re.MULTILINE):
        words = [word for word in line.split() if word == word.lower()]
        assert " ".join(words) in known


@pytest.mark.parametrize(
    "line", re.findall(r"^shotveil (.+?)(?:\s+#.*|\s+\|.*)?$", PAGE, re.MULTILINE)
)
def test_examples_of_the_page_parse(line):
    parse(shlex.split(line))


def test_the_example_of_a_file_is_read(tmp_path, capsys):
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert {"infer", "lab"} <= tomllib.loads(text).keys()
    (tmp_path / "example.toml").write_text(text)
    command = "leakage --modes 10 --rows 10 --gain 1.3 --photons 6 --json"
    with pytest.raises(SystemExit) as end:
        main(["--config", str(tmp_path / "example.toml"), *command.split()])
    assert end.value.code == 0 and json.loads(capsys.readouterr().out)["gain"] == 1.3


def test_defaults_are_those_of_python():
    """What is slow to load is not asked for its defaults while help is printed."""
    from shotveil.host.figures.tables import GAIN, PHOTONS
    from shotveil.host.run.schedule import IMAGES_IN_BATCH
    from shotveil.host.run.summary import FALSE_ALARM_PROBABILITY
    from shotveil.host.verification.monitor import MonitorSettings
    from shotveil.host.verification.probe_check import CHECK_RATE
    from shotveil.sim.loop.light import RECORD_FRAMES

    monitor = MonitorSettings()
    known = {name(path): {p.name: p.default for p in found.params} for path, found in leaves()}
    for command, option, value in (
        ("figures", "gain", GAIN),
        ("figures", "photons", PHOTONS),
        ("ask", "batch", IMAGES_IN_BATCH),
        ("ask", "check_rate", CHECK_RATE),
        ("ask", "false_alarm_probability", FALSE_ALARM_PROBABILITY),
        ("serve", "false_alarm_probability", monitor.false_alarm_probability),
        ("attack", "false_alarm_probability", monitor.false_alarm_probability),
        ("serve", "failure_probability", monitor.failure_probability),
        ("serve", "peak", monitor.peak),
        ("lab light", "record_frames", RECORD_FRAMES),
    ):
        assert known[f"shotveil {command}"][option] == value, f"{command} {option}"
