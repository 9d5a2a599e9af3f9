"""Names of adversaries in commands, and their list in the help."""

import click
import pytest
from click.testing import CliRunner

from shotveil.host.commands.adversaries import (
    AdversaryName,
    ListsAdversaries,
    described,
    require_attack,
    seated,
)
from shotveil.host.commands.link import link
from shotveil.host.commands.serve import serve
from shotveil.models.adversaries.adversary import Adversary, adversary
from shotveil.models.common.checks import RangeError


@click.command(cls=ListsAdversaries)
@click.argument("name", type=AdversaryName("client"))
@click.option("--other", type=int)
def command(name, other):
    click.echo(name)


def test_a_name_is_one_of_its_seats():
    assert CliRunner().invoke(command, ["basis-vector"]).output == "basis-vector\n"
    refused = CliRunner().invoke(command, ["tap"])
    assert refused.exit_code == 2
    assert "'tap' is none of basis-vector, over-amplification" in refused.output


def test_names_complete():
    found = AdversaryName("fibre", "client").shell_complete(None, None, "")
    assert [item.value for item in found] == [w.name for w in seated(("fibre", "client"))]
    (item,) = AdversaryName("fibre", "client").shell_complete(None, None, "ta")
    assert item.value == "tap" and item.help == adversary("tap", Adversary).says
    assert AdversaryName("server").shell_complete(None, None, "ta") == []


def test_help_lists_who_can_be_named_with_deed_and_strength():
    said = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert (
        "Adversaries: basis-vector the client asks for the weights of one mode alone; its" in said
    )
    assert "over-amplification" in said and "tap" not in said


@pytest.mark.parametrize(
    ("command", "there", "not_there"),
    [(link, "tap", "squeezing-server"), (serve, "squeezing-server", "tap ")],
)
def test_each_party_lists_its_own(command, there, not_there):
    said = CliRunner().invoke(command, ["--help"]).output
    listed = said[said.index("Adversaries:") :]
    assert there in listed and not_there not in listed


def test_an_adversary_in_one_line():
    line = described(adversary("tap", Adversary))
    assert line.startswith("on the fibre, keeps a part of the light")
    assert line.endswith("; its strength is the fraction of the light, 0.01 if none.")
    line = described(adversary("homodyne-server", Adversary))
    assert line.startswith("the server measures") and line.endswith("; it has no strength.")


def test_a_strength_needs_an_attack():
    require_attack(None, None)
    require_attack(None, "tap")
    require_attack(0.5, "tap")
    with pytest.raises(RangeError, match="--strength is given without --attack"):
        require_attack(0.0, None)
