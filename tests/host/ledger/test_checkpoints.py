"""Checkpoints: any receipt shows that a whole, old ledger was put back."""

import json
import shutil

import pytest

from shotveil.host.ledger.checkpoints import Checkpoint, require_part_of, sign
from shotveil.host.ledger.event_log import EventLog
from shotveil.models.common.checks import RangeError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.db"
    with EventLog(path, create=True) as log:
        for i in range(5):
            log.append("sent", {"rows": i})
    return path


def test_a_rolled_back_ledger_is_shown_by_a_receipt(path, tmp_path):
    old = tmp_path / "old.db"
    shutil.copy(path, old)
    with EventLog(path) as log:
        early = sign(log)
        log.append("sent", {})
        receipt = str(sign(log))
        for checkpoint in (early, Checkpoint.parse(receipt)):
            require_part_of(log, checkpoint)
    path.write_bytes(old.read_bytes())  # the same file, so nothing else tells
    with EventLog(path) as log:
        require_part_of(log, early)
        with pytest.raises(RangeError, match="was rolled back: it has 5 events"):
            require_part_of(log, Checkpoint.parse(receipt))
        log.append("sent", {"rows": 99})  # another history of the same length
        with pytest.raises(RangeError, match="was rolled back: it has 6 events"):
            require_part_of(log, Checkpoint.parse(receipt))


def test_a_checkpoint_is_read_as_it_is_written_and_nothing_of_it_can_be_changed(path):
    with EventLog(path, writable=False) as log:
        text = str(sign(log))
    assert Checkpoint.parse(text).head.sequence == 5 and str(Checkpoint.parse(text)) == text
    entry = json.loads(text)
    changes = {
        "head": "4:" + entry["head"].partition(":")[2],
        "time": entry["time"] + 1,
        "ledger": entry["ledger"][:-1] + ("0" if entry["ledger"][-1] != "0" else "1"),
        "signature": "00" * 64,
    }
    for name, value in changes.items():
        with pytest.raises(RangeError, match="is not signed by the ledger"):
            Checkpoint.parse(json.dumps({**entry, name: value}))
    for bad in ("", "{}", "[]", "7", "[" * 100_000, json.dumps({**entry, "head": "x"})):
        with pytest.raises(RangeError, match="is not readable"):
            Checkpoint.parse(bad)


def test_a_checkpoint_of_another_ledger_is_refused(path, tmp_path):
    with EventLog(tmp_path / "other.db", create=True) as other:
        theirs = sign(other)
    with EventLog(path) as log, pytest.raises(RangeError, match="is of ledger"):
        require_part_of(log, theirs)
