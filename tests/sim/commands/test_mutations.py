"""`shotveil lab mutations`: what it prints, and how it ends."""

import json

from shotveil.sim.proofs import mutations
from shotveil.sim.proofs.mutations import MUTATIONS, MutationOutcome


def test_it_fails_where_too_many_survive(lab, monkeypatch):
    asked = []

    def outcomes(name):
        asked.append(name)
        for number, mutation in enumerate(MUTATIONS[:3]):
            yield MutationOutcome(mutation, number != 1, "")

    monkeypatch.setattr(mutations, "outcomes", outcomes)
    code, out, err = lab("mutations", "drive")
    assert code == 1 and asked == ["drive"]
    assert out.count("found  ") == 2 and "tests found 2 of 3 mutations" in out
    assert str(MUTATIONS[1]) in err
    found = MutationOutcome(MUTATIONS[0], True, "")
    monkeypatch.setattr(mutations, "outcomes", lambda name: iter([found]))
    code, out, _ = lab("mutations", "--json")
    assert code == 0 and json.loads(out)["found"] == 1.0
