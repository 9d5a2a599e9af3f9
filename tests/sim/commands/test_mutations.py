"""`shotveil lab mutations`: what it prints, and how it ends."""

import json

from shotveil.sim.proofs import equivalents, mutants, mutations
from shotveil.sim.proofs.mutations import MUTATIONS, MutationOutcome, named


def test_it_fails_where_too_many_survive(lab, monkeypatch):
    asked = []

    def outcomes(chosen, rooms):
        asked.append((chosen, rooms))
        for number, mutation in enumerate(MUTATIONS[:3]):
            yield MutationOutcome(mutation, number != 1, "")

    monkeypatch.setattr(mutations, "outcomes", outcomes)
    code, out, err = lab("mutations", "drive")
    assert code == 1 and asked == [(named("drive"), False)]
    assert out.count("found  ") == 2 and "tests found 2 of 3 mutations" in out
    assert str(MUTATIONS[1]) in err
    found = MutationOutcome(MUTATIONS[0], True, "")
    monkeypatch.setattr(mutations, "outcomes", lambda chosen, rooms: iter([found]))
    code, out, _ = lab("mutations", "--json")
    assert code == 0 and json.loads(out)["found"] == 1.0


def test_those_by_rule_have_a_floor_of_their_own(lab, monkeypatch):
    asked = []

    def outcomes(chosen, rooms):
        asked.append((chosen, rooms))
        return (MutationOutcome(each, number > 0, "") for number, each in enumerate(chosen))

    monkeypatch.setattr(mutations, "outcomes", outcomes)
    code, out, _ = lab("mutations", "drive", "--drawn", "10", "--seed", "3")
    assert code == 0 and "tests found 9 of 10 mutations" in out and "1/10 SURVIVED" in out
    assert asked == [(mutants.drawn("drive", 10, 3), True)]
    assert lab("mutations", "drive", "--drawn", "9")[0] == 1
    code, _, err = lab("mutations", "--drawn", "0")
    assert code == 2 and "number = 0 is outside" in err


def test_a_group_of_its_own_with_equivalents_told_apart(lab, monkeypatch):
    asked = []

    def outcomes(chosen, rooms):
        asked.append((chosen, rooms))
        return (MutationOutcome(each, number > 0, "") for number, each in enumerate(chosen))

    monkeypatch.setattr(mutations, "outcomes", outcomes)
    drawn = mutants.drawn("", 21, 2, "gateware")
    assert all(each.file.startswith(mutants.GROUPS["gateware"]) for each in drawn)
    same = {drawn[3].file: {(drawn[3].old.strip(), drawn[3].new.strip()): "of no effect"}}
    monkeypatch.setattr(equivalents, "EQUIVALENT", same)
    code, out, _ = lab("mutations", "--drawn", "21", "--seed", "2", "--group", "gateware")
    assert code == 0 and f"equivalent {drawn[3]}: of no effect" in out
    assert asked == [(drawn[:3] + drawn[4:], False)] and "tests found 19 of 20 mutations" in out
    monkeypatch.setattr(equivalents, "EQUIVALENT", {})
    assert lab("mutations", "--drawn", "19", "--seed", "2", "--group", "gateware")[0] == 1
    code, _, err = lab("mutations", "--group", "gateware")
    assert code == 2 and "group needs --drawn" in err
