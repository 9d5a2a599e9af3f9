"""`shotveil lab formal`: the proofs that it asks for, what it prints, and how it ends."""

import json

from shotveil.sim.commands import formal as command
from shotveil.sim.proofs.formal import ProofOutcome, proofs

ANSWERS = "shotveil.sim.proofs.formal.answers"


def test_formal(lab, monkeypatch):
    asked = []

    def answers(names):
        asked.append(names)
        yield "counting", "proved", ProofOutcome(True, 1.5, "")
        yield "counting", "covered", ProofOutcome(False, 2.5, "the end of the log")

    monkeypatch.setattr(ANSWERS, answers)
    code, out, err = lab("formal", "credits")
    assert code == 1 and asked == [("credits",)]
    assert "counting         yes  proved (1.5 s)" in out and "NO   covered" in out
    assert "counting: not covered\nthe end of the log" in err
    code, out, _ = lab("formal", "--json")
    found = json.loads(out)
    assert code == 1 and not found["passed"]
    assert [entry["yes"] for entry in found["answers"]] == [True, False]
    code, _, err = lab("formal", "nothing")
    assert code == 2 and "proof = 'nothing' is none of credits, endpoint, framing" in err


def test_all_that_holds_is_exit_code_0(lab, monkeypatch):
    asked = []

    def answers(names):
        asked.append(names)
        yield "credits", "proved", ProofOutcome(True, 1.25, "")

    monkeypatch.setattr(ANSWERS, answers)
    assert lab("formal", "stage", "credits") == (0, "credits          yes  proved (1.2 s)\n", "")
    code, out, err = lab("formal", "--json")
    assert (code, err) == (0, "")
    answer = {"proof": "credits", "question": "proved", "yes": True, "seconds": 1.25}
    assert json.loads(out) == {"passed": True, "answers": [answer]}
    assert asked == [("stage", "credits"), ()]


def test_only_the_end_of_a_log_is_shown(lab, monkeypatch):
    log = "".join(chr(ord("a") + k % 26) for k in range(5000))

    def answers(names):
        for name in ("one", "two"):
            yield name, "proved", ProofOutcome(False, 0.5, log)

    monkeypatch.setattr(ANSWERS, answers)
    code, out, err = lab("formal")
    assert code == 1 and out.splitlines() == [
        f"{name}              NO   proved (0.5 s)" for name in ("one", "two")
    ]
    end = log[-3000:]
    assert err == f"shotveil: one: not proved\n{end}\ntwo: not proved\n{end}\n"


def test_names_are_those_of_the_proofs():
    assert list(command.names()) == list(proofs()) and "credits" in command.names()


def test_a_bare_installation_asks_for_the_extra(asks_for_extra):
    asks_for_extra("lab", "formal")
