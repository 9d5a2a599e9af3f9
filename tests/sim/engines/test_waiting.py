"""Lines about a tool that takes long: none at first, then again and again, none afterwards."""

import threading

import pytest

from shotveil.sim.engines.waiting import waiting


def test_nothing_is_said_about_what_is_quick(capsys):
    with waiting("a quick tool", first=60):
        pass
    assert capsys.readouterr().err == ""


def test_what_takes_long_is_said_until_it_is_over(monkeypatch):
    said, twice = [], threading.Event()

    def note(line, **more):
        said.append(line)
        if len(said) == 2:
            twice.set()

    monkeypatch.setattr("builtins.print", note)
    with waiting("the router", first=0.001, each=0.001):
        assert twice.wait(60)
    count = len(said)
    assert said[0].startswith("waiting for the router: ") and said[0].endswith(" s so far")
    assert not threading.Event().wait(0.02) and len(said) == count


def test_an_error_ends_it_too():
    before = threading.active_count()
    with pytest.raises(ValueError), waiting("a tool that fails"):
        raise ValueError
    assert threading.active_count() == before
