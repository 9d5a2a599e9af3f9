"""What adversaries say of themselves, and how they are found."""

from pathlib import Path

import pytest

from shotveil.models.adversaries.adversary import (
    Adversary,
    ClientAdversary,
    ComponentAdversary,
    FibreAdversary,
    GuessingAdversary,
    LinkAdversary,
    ServerAdversary,
    SlotAdversary,
    Strength,
    adversaries,
    adversary,
)
from shotveil.models.adversaries.interference import OnTheFibre, WithItsOptics
from shotveil.models.adversaries.tap import Tap
from shotveil.models.common.checks import RangeError


def made(strength=None, kind=ServerAdversary, make=lambda value: value):
    return kind(name="some", says="does something", strength=strength, covered_by="", make=make)


def test_they_are_listed_by_their_seats():
    seats = [who.seat for who in adversaries(Adversary).values()]
    assert seats == sorted(seats, key=("fibre", "client", "server").index)
    on_fibre = {"entangling-cloner", "intercept-resend", "receiver-saturation", "tap"}
    assert set(adversaries(FibreAdversary)) == on_fibre
    assert set(adversaries(ClientAdversary)) == {"basis-vector", "over-amplification"}
    assert set(adversaries(LinkAdversary)) == on_fibre | set(adversaries(ClientAdversary))
    servers = {"counting-server", "homodyne-server", "squeezing-server"}
    assert set(adversaries(ServerAdversary)) == servers
    assert set(adversaries(ComponentAdversary)) == {
        "amplified-components", "eigenbasis-amplification", "phase-sensitive-client",
        "shot-noise-drift",
    }  # fmt: skip
    assert set(adversaries(SlotAdversary)) == {"decoy-spotter"}
    assert set(adversaries(GuessingAdversary)) == {
        "chosen-rows", "counting-classifier", "greedy-server", "loud-server", "one-hot-data"
    }  # fmt: skip
    in_sessions = {name for name, who in adversaries(Adversary).items() if who.in_sessions}
    assert in_sessions == set(adversaries(LinkAdversary)) | servers
    for name, who in adversaries(Adversary).items():
        assert who.name == name and who.says


def test_one_is_found_by_name_among_its_kind():
    assert adversary("tap", LinkAdversary).of(0.25) == Tap(0.25)
    with pytest.raises(RangeError, match="'tap' is none of counting-server, homodyne-server, sq"):
        adversary("tap", ServerAdversary)


def test_a_strength_is_the_usual_one_or_within_its_range():
    who = made(Strength("pull (N)", usual=3, above=0, at_most=5))
    assert who.of() == 3 and who.of(5) == 5 and who.strong(0.1) == 0.1
    for wrong in (0, 5.1):
        with pytest.raises(RangeError, match=r"strength \(pull \(N\)\)"):
            who.of(wrong)
    whole = made(Strength("number", usual=0, at_least=0, integer=True))
    assert whole.of(0) == 0 and whole.of(2) == 2
    for wrong in (-1, 0.5):
        with pytest.raises(RangeError, match="number"):
            whole.of(wrong)


def test_where_there_is_no_strength_none_is_taken():
    assert made().of() == 0
    with pytest.raises(RangeError, match="strength = 0; allowed with some: none"):
        made().of(0)


def test_within_a_link_each_sits_in_its_seat():
    on = adversary("tap", LinkAdversary).interference(0.1)
    assert isinstance(on, OnTheFibre) and on.channel() == (0.9, 0)
    inside = adversary("basis-vector", LinkAdversary).interference()
    assert isinstance(inside, WithItsOptics) and inside.bound == "mode"
    with pytest.raises(NotImplementedError):
        made(kind=LinkAdversary).interference()


@pytest.mark.parametrize("name", list(adversaries(Adversary)))
def test_the_page_of_two_parties_lists_it(name):
    page = (Path(__file__).parents[3] / "docs/parties.md").read_text(encoding="utf-8")
    who = adversary(name, Adversary)
    meaning = f"{who.strength.meaning}: {who.strength.usual:g}" if who.strength else "–"
    bound = f"`{who.covered_by}`" if who.covered_by else "none"
    assert f"| `{name}` | {who.seat} | {who.says} | {meaning} | {bound} |" in page
