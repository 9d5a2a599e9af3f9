"""Names of adversaries in commands, and their list."""

import json

import click
import pytest
from click.testing import CliRunner

from shotveil.host.commands.adversaries import (
    adversary_name,
    described,
    print_adversaries,
    require_attack,
    seated,
    session_adversary_name,
)
from shotveil.host.commands.link import link
from shotveil.host.commands.serve import serve
from shotveil.models.adversaries.adversary import (
    SEATS,
    Adversary,
    adversaries,
    adversary,
    plain_uses,
)
from shotveil.models.common.checks import RangeError


@click.command()
@click.argument("name", type=session_adversary_name("client"))
def command(name):
    click.echo(name)


def test_a_name_is_one_of_its_seats():
    assert CliRunner().invoke(command, ["basis-vector"]).output == "basis-vector\n"
    refused = CliRunner().invoke(command, ["tap"])
    assert isinstance(refused.exception, RangeError)
    assert str(refused.exception) == "attack = 'tap' is none of basis-vector, over-amplification"


def test_names_complete():
    found = adversary_name("fibre", "client").shell_complete(None, None, "")
    assert [item.value for item in found] == [w.name for w in seated(("fibre", "client"))]
    (item,) = adversary_name("fibre", "client").shell_complete(None, None, "ta")
    assert item.value == "tap"
    assert adversary_name("server").shell_complete(None, None, "ta") == []


@pytest.mark.parametrize(("command", "seats"), [(link, SEATS[:2]), (serve, SEATS[2:])])
def test_each_party_takes_its_own(command, seats):
    (option,) = [each for each in command.params if each.name == "attack"]
    expected = [who.name for who in seated(seats) if who.in_sessions]
    assert list(option.type.names()) == expected
    assert len(expected) < len(seated(seats))  # some are only for `shotveil attack`


def test_the_list_tells_deed_and_strength(capsys):
    print_adversaries(json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "basis-vector The client asks for the weights of one mode alone; its strength" in said
    print_adversaries(json=True)
    listed = json.loads(capsys.readouterr().out)
    assert list(listed) == [*adversaries(Adversary), *plain_uses()]
    tap = adversary("tap", Adversary)
    assert listed["tap"] == {
        "seat": "fibre",
        "does": tap.says,
        "strength": tap.strength.usual,
        "means": tap.strength.meaning,
    }
    assert listed["homodyne-server"]["strength"] is listed["homodyne-server"]["means"] is None


def test_an_adversary_in_one_sentence():
    line = described(adversary("tap", Adversary))
    assert line.startswith("On the fibre, keeps a part of the light")
    assert line.endswith("; its strength is the fraction of the light, 0.01 if none is given.")
    line = described(adversary("homodyne-server", Adversary))
    assert line.startswith("The server measures") and line.endswith("; it has no strength.")


def test_a_strength_needs_an_attack():
    require_attack(None, None)
    require_attack(None, "tap")
    require_attack(0.5, "tap")
    with pytest.raises(RangeError, match="--strength is given without --attack"):
        require_attack(0.0, None)
