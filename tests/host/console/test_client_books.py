"""The data owner's page: its own files, and nothing of the server's."""

import json

import pytest

from shotveil.host.console.client_books import ClientBooks
from shotveil.host.console.hub import text_of
from shotveil.host.console.journal import Journal
from shotveil.host.ledger.data_ledger import DataLedger
from shotveil.host.parties.kept_receipts import KeptReceipts
from shotveil.models.common.checks import RangeError
from tests.host.console.conftest import until
from tests.host.console.test_server_books import assert_hidden
from tests.host.parties.parties import IMAGES, NETWORK, parties


def test_the_page_follows_the_clients_files(tmp_path):
    files = tmp_path / "data.db", tmp_path / "receipts", tmp_path / "journal"
    books = ClientBooks(*files)
    try:
        topics = until({}, books, lambda t: "trouble" in t)
        assert set(topics) == {"page", "trouble"}
        with parties(tmp_path) as (_, _, client):
            own = DataLedger(files[0])
            alice = client(ledger=own)
            outputs = alice.classify(IMAGES[:50])
            KeptReceipts(files[1]).add(alice.close().checkpoint)
            journal = Journal(files[2])
            journal.progress(50, 50)
            journal.answers(IMAGES[:50], outputs, outputs.argmax(axis=1), "small")
            journal.close()
            until(topics, books, lambda t: t.get("data", {}).get("images") == 50)
            until(topics, books, lambda t: {"receipts", "answers"} <= t.keys())
            leaked = own.leakage()
            assert {b["bound"]: b["image_most"] for b in topics["data"]["bounds"]} == {
                name: bits["image_most"] for name, bits in leaked.items()
            }
            assert topics["receipts"]["count"] == 1 and topics["receipts"]["rising"]
            assert topics["progress"]["done"] == 50 and len(topics["answers"]["outputs"]) == 12
            secrets = [own._log.secret, own._log.signing_secret]
            names = list(own._images)
            own.close()
    finally:
        books.close()
    told = text_of({name: json.dumps(value) for name, value in topics.items()})
    for secret in (*secrets, (tmp_path / "data.db.key").read_bytes(),
                   (tmp_path / "ledger.db.key").read_bytes()):  # fmt: skip
        assert_hidden(told, secret)
    assert all(name not in told for name in names)  # the keyed hashes of its images
    for layer in NETWORK.layers:
        for weight in layer.weights.ravel()[:200].tolist():
            assert repr(round(weight, 5))[:7] not in told
    assert not {"networks", "evidence", "rate", "events"} & topics.keys()


def test_a_page_of_nothing_is_refused():
    with pytest.raises(RangeError, match="allowed: one or more"):
        ClientBooks(None)


def test_a_damaged_file_is_said(tmp_path):
    (tmp_path / "receipts").write_text("nonsense\n")
    with pytest.raises(RangeError):
        ClientBooks(None, tmp_path / "receipts")
