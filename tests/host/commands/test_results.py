"""`shotveil results`: both tables as Markdown, or what they hold as one object."""

import json


def test_both_forms(shotveil, monkeypatch):
    monkeypatch.setattr("shotveil.host.design.results.measured", lambda: {"accuracies": [1]})
    monkeypatch.setattr("shotveil.host.design.results.markdown", lambda: iter(["a | b", "c | d"]))
    code, out, err = shotveil("results --json")
    assert (code, json.loads(out), err) == (0, {"accuracies": [1]}, "")
    assert shotveil("results") == (0, "a | b\nc | d\n", "")


def test_refuses(refused):
    refused("results now", "Got unexpected extra argument (now)")
