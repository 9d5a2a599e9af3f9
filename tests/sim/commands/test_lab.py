"""`shotveil lab`: the group of its commands."""

from pathlib import Path

from shotveil.sim import commands


def test_help_needs_no_extra(bare):
    done = bare("lab", "--help")
    assert done.returncode == 0 and "cosim" in done.stdout and done.stderr == ""


def test_each_file_of_the_room_is_a_command():
    files = {path.stem for path in Path(commands.__file__).parent.glob("[!_]*.py")}
    assert {name.replace("_", "-") for name in files} == set(commands.lab.list_commands(None))
    assert commands.lab.name == "lab" and "Simulate nodes and gateware" in commands.lab.help
