"""Rooms of commands: found by their files, and offered by other packages."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from shotveil.host.commands import room
from shotveil.host.commands.cli import cli, main
from shotveil.models.common.checks import RangeError

SENTENCE = "Do {} to all of the long things that there are in this one house at this very moment."


@pytest.fixture
def offered(monkeypatch, tmp_path):
    """Offer a command as a third package would."""
    (tmp_path / "third.py").write_text(
        "import click\n\n@click.command()\ndef hello() -> None:\n"
        '    """Say hello to the user."""\n    click.echo("hello")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)

    def offer(name):
        points = {name: EntryPoint(name, "third:hello", "shotveil.commands")}
        monkeypatch.setattr(room, "plugins", lambda group: points)

    return offer


def test_another_package_adds_a_command(offered, capsys):
    offered("hello")
    for arguments, said in ((["hello"], "hello\n"), (["--help"], "Say hello to the user.")):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0 and said in capsys.readouterr().out


def test_another_package_cannot_replace_a_command(offered):
    offered("infer")
    with click.Context(cli) as context, pytest.raises(RangeError, match="command infer is offered"):
        cli.list_commands(context)


def test_one_file_adds_one_command(monkeypatch, tmp_path):
    """And files that share something, or whose command has another name, add none."""
    (tmp_path / "rooms").mkdir()
    text = "import click\n\n@click.command()\ndef {}():\n    pass\n"
    for file, function in (("__init__", "x"), ("say_it", "say_it"), ("shared", "other")):
        (tmp_path / "rooms" / f"{file}.py").write_text(text.format(function))
    monkeypatch.syspath_prepend(tmp_path)
    group = room.Room("test", room="rooms")
    with click.Context(group) as context:
        assert group.list_commands(context) == ["say-it"]
        assert group.get_command(context, "shared") is None
        assert group.get_command(context, "other") is None


@pytest.fixture
def rooms(monkeypatch, tmp_path):
    """A room of three commands, of one that bears no command and of one that is misnamed."""
    (tmp_path / "house").mkdir()
    text = f'import click\n\n@click.command()\ndef {{}}():\n    """{SENTENCE} More."""\n'
    for file in ("__init__", "zip_it", "add", "sub_tract"):
        (tmp_path / "house" / f"{file}.py").write_text(text.format(file, file))
    (tmp_path / "house" / "plain.py").write_text("plain = 3\n")
    (tmp_path / "house" / "renamed.py").write_text(
        text.format("renamed", "renamed").replace("command()", "command('other')")
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "house"]:
        del sys.modules[name]


def test_commands_stand_in_alphabetical_order_with_dashes(rooms):
    group = room.Room("test", room="house")
    with click.Context(group) as context:
        assert group.list_commands(context) == ["add", "sub-tract", "zip-it"]
        assert group.get_command(context, "zip-it").name == "zip-it"
        for none in ("plain", "renamed", "other", "none"):
            assert group.get_command(context, none) is None


def test_a_file_is_imported_when_its_command_is_used(rooms):
    group = room.Room("test", room="house")
    with click.Context(group) as context:
        group.get_command(context, "add")
    assert "house.add" in sys.modules and "house.zip_it" not in sys.modules


def test_the_list_has_whole_first_sentences(rooms):
    group = room.Room("test", room="house")
    with click.Context(group, max_content_width=300, terminal_width=300) as context:
        lines = [" ".join(line.split()) for line in context.get_help().splitlines()]
    assert lines[lines.index("Commands:") + 1 :] == [
        f"add {SENTENCE.format('add')}",
        f"sub-tract {SENTENCE.format('sub_tract')}",
        f"zip-it {SENTENCE.format('zip_it')}",
    ]


def test_others_offer_in_the_rooms_own_group_alone(rooms, offered, monkeypatch):
    offered("hello")
    asked = []
    points = room.plugins("")

    def plugins(group):
        asked.append(group)
        return points

    monkeypatch.setattr(room, "plugins", plugins)
    closed = room.Room("test", room="house")
    with click.Context(closed) as context:
        assert "hello" not in closed.list_commands(context)
        assert closed.get_command(context, "hello") is None
    assert asked == []
    group = room.Room("test", room="house", offered="tools")
    with click.Context(group) as context:
        assert group.list_commands(context) == ["add", "hello", "sub-tract", "zip-it"]
        assert group.get_command(context, "hello").name == "hello"
        assert group.get_command(context, "goodbye") is None
    assert set(asked) == {"tools"}


def test_a_command_offered_under_a_name_that_is_taken_is_refused(rooms, offered):
    offered("zip-it")
    group = room.Room("test", room="house", offered="tools")
    with click.Context(group) as context, pytest.raises(RangeError) as refusal:
        group.list_commands(context)
    assert str(refusal.value) == (
        "the command zip-it is offered by another package; "
        "allowed: a name other than add, sub-tract, zip-it"
    )


def documented():
    """Return nothing."""


def test_commands_within_a_group_get_their_help_from_docstrings():
    inner = click.Command("inner", callback=documented)
    own = click.Command("own", callback=documented, help="kept")
    room.with_help(click.Group("outer", {"inner": inner, "own": own}))
    assert inner.help == "Return nothing." and own.help == "kept"


@pytest.mark.parametrize("arguments", [[], ["infer"], ["ledger"], ["ledger", "show"]], ids=str)
def test_help_without_docstrings_is_the_same(arguments):
    shotveil = Path(sys.executable).with_name("shotveil")

    def helped(level):
        environment = {**os.environ, "PYTHONOPTIMIZE": level, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [shotveil, *arguments, "--help"]
        return subprocess.run(command, capture_output=True, env=environment, text=True).stdout

    assert len(helped("")) > 200 and helped("2") == helped("")
