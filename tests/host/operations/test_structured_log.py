"""The log as JSON: one object a line, with nothing of a record but what is said."""

import json
import logging
import sys

import pytest

from shotveil.host.operations.structured_log import JsonFormatter, formatter


def record(message, *values, **more):
    return logging.LogRecord("shotveil.rpc", logging.WARNING, "x.py", 1, message, values, None)


def test_a_record_is_one_line_with_its_time_in_utc():
    entry = record("refused %s:\n%d", "alice", 3)
    entry.created, entry.secret = 1.5, "weights"
    line = JsonFormatter().format(entry)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:01.500+00:00",
        "level": "warning",
        "logger": "shotveil.rpc",
        "message": "refused alice:\n3",
    }


def test_a_traceback_stays_in_its_line():
    entry = record("failed")
    try:
        raise ValueError("why")
    except ValueError:
        entry.exc_info = sys.exc_info()
    said = json.loads(JsonFormatter().format(entry))
    assert said["exception"].startswith("Traceback") and said["exception"].endswith("why")


@pytest.mark.parametrize(("kind", "said"), [("text", " shotveil.rpc: hi"), ("json", '"hi"}')])
def test_each_kind_has_its_form(kind, said):
    assert formatter(kind).format(record("hi")).endswith(said)
