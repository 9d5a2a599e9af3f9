"""`shotveil lab board`: what is built for whom, what it prints, and how it ends."""

import json

import pytest

from shotveil.gateware.boards.board import boards as boards_of_all_packages
from shotveil.gateware.boards.ecpix5 import ECPIX5
from shotveil.gateware.boards.red_pitaya import RED_PITAYA
from shotveil.sim.commands import board as command
from shotveil.sim.synthesis import boards


@pytest.fixture
def built(monkeypatch):
    """What is asked to be built; each build tells a line and gives two nodes."""
    asked = []

    def build_all(board, roles, loopback, link, seeds, tell, samples_per_symbol, store):
        asked.append((board, roles, loopback, link, seeds, samples_per_symbol, store))
        tell("seed 1: too slow")
        yield "server", "seed 2: clk 126.0 of 125 MHz"
        yield "client", "seed 1: clk 130.0 of 125 MHz"

    monkeypatch.setattr(boards, "build_all", build_all)
    return asked


def test_nodes_are_told_as_they_are_built_and_attempts_on_the_other_stream(lab, built):
    assert lab("board", "ecpix5") == (
        0,
        "ecpix5 server: seed 2: clk 126.0 of 125 MHz\n"
        "ecpix5 client: seed 1: clk 130.0 of 125 MHz\n",
        "seed 1: too slow\n",
    )
    ((board, *how),) = built
    assert board is ECPIX5 and how == [(), False, "", (), 4, None]


def test_one_json_object(lab, built):
    code, out, err = lab("board", "red_pitaya", "--json")
    assert (code, err) == (0, "seed 1: too slow\n")
    assert json.loads(out) == {
        "board": "red_pitaya",
        "nodes": [
            {"node": "server", "found": "seed 2: clk 126.0 of 125 MHz"},
            {"node": "client", "found": "seed 1: clk 130.0 of 125 MHz"},
        ],
    }
    assert built[0][0] is RED_PITAYA


def test_options_say_what_is_built(lab, built):
    options = ["--role", "client", "--role", "server", "--loopback", "--link", "usb"]
    assert (
        lab("board", "ecpix5", *options, "--seed", 5, "--seed", 0, "--samples-per-symbol", 2)[0]
        == 0
    )
    assert built[0][1:] == (("client", "server"), True, "usb", (5, 0), 2, None)
    assert lab("board", "ecpix5", "--store", 8192)[0] == 0 and built[1][-1] == 8192
    code, _, err = lab("board", "ecpix5", "--role", "judge")
    assert code == 2 and "'judge' is not one of 'server', 'client'" in err and len(built) == 2


@pytest.mark.parametrize("error", [RuntimeError, ModuleNotFoundError])
def test_what_cannot_be_built_is_exit_code_1(lab, monkeypatch, error):
    def build_all(*_):
        yield "server", "seed 2"
        raise error("ecpix5 client: no seed meets the clocks")

    monkeypatch.setattr(boards, "build_all", build_all)
    said = "shotveil: ecpix5 client: no seed meets the clocks\n"
    assert lab("board", "ecpix5") == (1, "ecpix5 server: seed 2\n", said)
    assert lab("board", "ecpix5", "--json") == (1, "", said)


def test_other_words_make_it_name_boards_and_links(lab, built):
    known = ", ".join(boards_of_all_packages())
    assert set(command.names()) == set(boards_of_all_packages()) >= {"ecpix5", "red_pitaya"}
    assert command.links() == ["ethernet", "uart", "usb"]
    assert lab("board", "any") == (
        2, "", f"shotveil: board = 'any' is none of {known}\n",
    )  # fmt: skip
    assert lab("board", "ecpix5", "--link", "thread") == (
        2, "", "shotveil: link = 'thread' is none of ethernet, uart, usb\n",
    )  # fmt: skip
    assert not built


def test_a_bare_installation_asks_for_the_extra(asks_for_extra):
    asks_for_extra("boards", "board", "ecpix5")


def test_an_extra_that_is_missing_is_named(without):
    without("shotveil.sim.synthesis.boards", "boards", "board", "ecpix5")
