"""Receipts that a client keeps."""

import pytest

from shotveil.host.ledger.checkpoints import sign
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.parties.kept_receipts import KeptReceipts
from shotveil.models.common.checks import RangeError


def test_receipts_are_kept_in_order_and_an_older_ledger_is_noticed(tmp_path):
    path, receipts = tmp_path / "ledger.db", []
    with EventLog(path, create=True) as log:
        for _ in range(3):
            log.append("sent", {})
            receipts.append(str(sign(log)))
    file = tmp_path / "receipts"
    kept = KeptReceipts(file)
    assert kept.last == ""
    for receipt in receipts[:2]:
        kept.add(receipt)
    again = KeptReceipts(file)
    assert again.last == receipts[1] and file.stat().st_mode & 0o777 == 0o600
    for old in receipts[:2]:
        with pytest.raises(RangeError, match=r"was rolled back: it has . events, and had 2"):
            again.add(old)
    again.add(receipts[2])
    with EventLog(tmp_path / "other.db", create=True) as other:
        for _ in range(9):
            other.append("sent", {})
        with pytest.raises(RangeError, match="has the server begun another account"):
            again.add(str(sign(other)))
    assert file.read_text().splitlines() == receipts
    file.write_text("nothing\n")
    with pytest.raises(RangeError, match="not readable"):
        KeptReceipts(file)
