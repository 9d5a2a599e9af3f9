"""What commands print: one object, one event on a line, or lines in parts."""

import json
import math
from pathlib import Path

import pytest

from shotveil.host.commands.output import print_event, print_files, print_json, print_report


def test_one_object(capsys):
    print_json({"a": 1, "b": [2, None]})
    assert capsys.readouterr().out == json.dumps({"a": 1, "b": [2, None]}, indent=2) + "\n"


def test_an_event_is_one_line(capsys):
    print_event("ready", link="x:1", attack=None)
    assert capsys.readouterr().out == '{"event": "ready", "link": "x:1", "attack": null}\n'


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_json_has_no_word_for_is_refused(capsys, value):
    for show in (lambda: print_json({"a": value}), lambda: print_event("b", a=value)):
        with pytest.raises(ValueError, match="not JSON compliant"):
            show()
    assert capsys.readouterr().out == ""


def test_files_with_what_is_in_them(capsys):
    written = {Path("out/a.vcd"): "7 clocks", Path("out/a.png"): "a picture"}
    print_files(written, json=False)
    assert capsys.readouterr().out == "out/a.vcd: 7 clocks\nout/a.png: a picture\n"
    print_files(written, json=True)
    assert json.loads(capsys.readouterr().out) == {
        "files": {"out/a.vcd": "7 clocks", "out/a.png": "a picture"}
    }


def test_a_report_in_parts(capsys):
    print_report({"one": iter(["a", "b"]), "two": ["c"], "three": []}, json=False)
    assert capsys.readouterr().out == "a\nb\n\nc\n\n"
    print_report({"one": iter(["a", "b"]), "two": ["c"]}, json=True)
    assert json.loads(capsys.readouterr().out) == {"one": ["a", "b"], "two": ["c"]}


def test_lines_are_printed_as_they_come(capsys):
    def lines():
        yield "first"
        assert capsys.readouterr().out == "first\n"
        yield "second"

    print_report({"one": lines()}, json=False)
    assert capsys.readouterr().out == "second\n"
