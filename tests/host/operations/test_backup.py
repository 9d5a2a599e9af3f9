"""Copies of a ledger: made under load, put back, and found out where they are too old."""

import threading

import pytest

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.checkpoints import Checkpoint, require_part_of
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import read_accounts, report
from shotveil.host.operations.backup import back_up, restore
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import VERSION, ProtocolError, Refusal
from shotveil.models.common.checks import RangeError
from tests.host.parties.parties import IMAGES, NETWORK, parties

GOOD = ChannelClass(0.9, 0.01)


def lose(ledger):
    """What a broken disk takes: the ledger and what lies beside it, but for the key."""
    for end in ("", "-wal", "-shm"):
        ledger.with_name(ledger.name + end).unlink(missing_ok=True)


def hello(checkpoint):
    return pb.Hello(version=VERSION, checkpoint=checkpoint)


def test_a_drill(tmp_path):
    """Copy while clients are served, lose the disk, restore; a receipt shows what is missing."""
    ledger = tmp_path / "ledger.db"
    with parties(tmp_path) as (_, _, client):
        alice = client()
        # Within the batches, so light is on its way and the ledger is being written.
        early = []
        copied = threading.Lock()

        def copy(_):
            with copied:
                if not early:
                    early.append(back_up(ledger, tmp_path / "early.db"))

        alice.classify(IMAGES[:120], batch=40, progress=copy)
        receipt = alice.close().checkpoint
        late = back_up(ledger, tmp_path / "late.db")
    assert 0 < early[0].sequence < late.sequence
    assert late.sequence >= Checkpoint.parse(receipt).head.sequence
    totals = report(read_accounts(ledger))
    lose(ledger)
    # The owner who has the client's receipt is told before anything is put back.
    with pytest.raises(RangeError, match="was rolled back"):
        restore(tmp_path / "early.db", ledger, "the disk broke", [Checkpoint.parse(receipt)])
    assert not ledger.exists()
    # One who has not restores it, and the client's next session shows it.
    assert restore(tmp_path / "early.db", ledger, "the disk broke") == early[0]
    with parties(tmp_path) as (_, server, _):
        with pytest.raises(ProtocolError, match="was rolled back") as refused:
            server.open(hello(receipt), "alice")
        assert refused.value.refusal is Refusal.FAILED_PRECONDITION
    lose(ledger)
    checked = [Checkpoint.parse(receipt)]
    assert restore(tmp_path / "late.db", ledger, "the disk broke", checked) == late
    assert report(read_accounts(ledger)) == totals
    with EventLog(ledger, writable=False) as log:
        *_, last = log.events()
        require_part_of(log, checked[0])
    assert (last.kind, last.body) == ("place", {"reason": "the disk broke"})
    with parties(tmp_path) as (_, server, client):
        server.open(hello(receipt), "alice")
        assert client().classify(IMAGES[:5]).shape == (5, 10)


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger.db"
    with BudgetFilter(path, create=True) as accounts:
        accounts.register(NETWORK)
    return path


def test_a_copy_while_another_thread_writes_is_one_moment(ledger, tmp_path):
    stop = threading.Event()
    with BudgetFilter(ledger) as accounts:
        accounts.open_session("s", NETWORK.digest, "alice", 2.0, [GOOD] * 2, 1e-6)

        def write():
            while not stop.is_set():
                accounts.commit(accounts.reserve("s", 0, 0, 64, 1))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            heads = [back_up(ledger, tmp_path / f"{i}.db") for i in range(5)]
        finally:
            stop.set()
            writer.join()
        for i, head in enumerate(heads):
            key = tmp_path / "ledger.db.key"
            with EventLog(tmp_path / f"{i}.db", writable=False, key=key) as copy:
                assert copy.verify() == head
            assert accounts.log.holds(head)
    assert heads[0].sequence < heads[-1].sequence


def test_a_copy_lies_in_one_file_that_only_its_owner_reads(ledger, tmp_path):
    to = tmp_path / "copies" / "one.db"
    to.parent.mkdir()
    back_up(ledger, to)
    assert [path.name for path in to.parent.iterdir()] == ["one.db"]
    assert to.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RangeError, match=r"one\.db exists; allowed: a name that is free"):
        back_up(ledger, to)


def test_a_ledger_that_is_there_is_never_replaced(ledger, tmp_path):
    back_up(ledger, tmp_path / "copy.db")
    before = ledger.read_bytes()
    with pytest.raises(RangeError, match=r"ledger\.db exists"):
        restore(tmp_path / "copy.db", ledger, "why not")
    assert ledger.read_bytes() == before
    ledger.rename(tmp_path / "damaged")
    ledger.with_name("ledger.db-wal").write_bytes(b"")
    with pytest.raises(RangeError, match=r"ledger\.db-wal exists"):
        restore(tmp_path / "copy.db", ledger, "why not")


def test_a_damaged_or_foreign_copy_is_not_put_back(ledger, tmp_path):
    copy = tmp_path / "copy.db"
    head = back_up(ledger, copy)
    lose(ledger)
    data = copy.read_bytes()
    assert NETWORK.digest.encode() in data
    copy.write_bytes(data.replace(NETWORK.digest.encode(), b"f" * 64))
    with pytest.raises(RangeError, match=f"event {head.sequence} or its place in the order"):
        restore(copy, ledger, "why not")
    copy.write_bytes(data)
    other = tmp_path / "other.db"
    EventLog(other, create=True).close()
    lose(other)
    with pytest.raises(RangeError, match="was changed"):
        restore(copy, other, "why not")
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["copy.db"]
