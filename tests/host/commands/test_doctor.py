"""`shotveil doctor` names every fault that is planted, in two seconds."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SHOTVEIL = Path(sys.executable).with_name("shotveil")


def doctor(*arguments, limits="", **environment):
    command = f"{limits} exec '{SHOTVEIL}' doctor --json \"$@\""
    done = subprocess.run(
        ["bash", "-c", command, "doctor", *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
    )
    found = json.loads(done.stdout)["findings"]
    assert b"Traceback" not in done.stderr
    return done.returncode, {one["what"]: one for one in found}


def test_says_one_line_each_and_changes_nothing(shotveil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin = time.process_time()
    code, out, _ = shotveil("doctor")
    assert time.process_time() - begin < 2
    assert {line[:6] for line in out.splitlines()} <= {"ok    ", "note  ", "BAD   "}
    assert code == int("BAD  " in out)
    assert "Python: " in out and "memory: " in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "state", "environment"),
    [
        ("locale", "BAD", {"PYTHONIOENCODING": "latin-1"}),
        ("locale", "BAD", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("proxies", "note", {"https_proxy": "http://127.0.0.1:9"}),
        ("proxies", "note", {"grpc_proxy": "http://127.0.0.1:9"}),
        ("Python's options", "BAD", {"PYTHONOPTIMIZE": "2"}),
        ("cache", "BAD", {"SHOTVEIL_CACHE": "/proc/none"}),
        ("cache", "BAD", {"SHOTVEIL_CACHE": "/tmp/a b"}),
        ("temporary folder", "note", {"TMPDIR": "{folder}"}),
        ("make", "note", {"PATH": "/nonexistent"}),
        ("C++ compiler", "note", {"PATH": "/nonexistent"}),
    ],
)
def test_names_what_the_environment_plants(tmp_path, what, state, environment):
    folder = tmp_path / "lab Übung"
    folder.mkdir()
    environment = {name: value.format(folder=folder) for name, value in environment.items()}
    if "PATH" in environment:  # the shell itself has to be found
        limits = "export PATH=/nonexistent;"
        code, found = doctor(limits=limits)
    else:
        code, found = doctor(**environment)
    assert found[what]["state"] == state, found[what]
    assert found[what]["mend"] and "\n" not in found[what]["said"]
    assert code == int(any(one["state"] == "BAD" for one in found.values()))


@pytest.mark.parametrize(
    ("what", "limits"),
    [
        ("file handles", "ulimit -n 64;"),
        ("file size limit", "ulimit -f 1000;"),
        ("memory limit", "ulimit -v 1500000;"),
    ],
)
def test_names_limits(what, limits):
    code, found = doctor(limits=limits)
    assert (code, found[what]["state"]) == (1, "BAD")


def test_looks_at_keys_ledger_and_addresses(tmp_path):
    subprocess.run([SHOTVEIL, "keys", tmp_path / "k", "--client", "alice"], check=True)
    (tmp_path / "db").write_bytes(b"no ledger")
    (tmp_path / "db.key").write_bytes(bytes(32))
    (tmp_path / "k/client-alice.key").chmod(0o644)
    (tmp_path / "k/link.key").write_text("rubbish")
    code, found = doctor(
        "--keys", tmp_path / "k", "--ledger", tmp_path / "db", "--address", "127.0.0.1:99999"
    )
    assert code == 1
    assert found["keys of server"]["state"] == "ok"
    assert "can be read by other users" in found["keys of client-alice"]["said"]
    assert "is no private key" in found["keys of link"]["said"]
    assert found["ledger"]["state"] == found["address"]["state"] == "BAD"
