"""`shotveil ledger`: what they print, and how they refuse."""

import hmac
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from shotveil.host.commands.cli import main
from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.ledger.accounts import Emission
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import EventLog, key_beside
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.operations.load import LoadResult
from shotveil.host.parties.keys import LINK, SERVER, make_keys, read_keys
from shotveil.host.parties.receipts import Signer, evidence, from_evidence, require_signed
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.run.extraction_curve import clone_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import load_network
from tests.host.parties.parties import IMAGES, NETWORK, parties


@pytest.fixture
def path(tmp_path):
    with parties(tmp_path, budget=4.0) as (_, _, client):
        for name in ("alice", "bob"):
            client(name).classify(IMAGES[:50])
    return tmp_path / "ledger.db"


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return end.value.code, printed.out, printed.err


def test_show_reports_three_senses_budgets_and_what_is_left(path, tmp_path, capsys):
    picture = tmp_path / "leakage.svg"
    code, out, _ = run(capsys, "ledger", "show", path, "--json", "--plot", picture)
    assert code == 0
    (entry,) = json.loads(out)["networks"]
    bits, left = entry["leakage_bits"], entry["remaining_inferences"]
    assert 0 < bits["declared"] < bits["certified"]
    assert left["declared"] > 0 and left["certified"] == 0
    assert entry["row_copies_sent"] == 2 * 50 * 74 and entry["row_copies_never_verified"] == 0
    assert {c["client"] for c in entry["clients"]} == {"alice", "bob"}
    assert picture.read_text().startswith("<?xml") and "(declared)" in picture.read_text()
    code, out, _ = run(capsys, "ledger", "show", path)
    assert code == 0 and "client alice" in out and "inferences left" in out
    assert entry["disclosed_bits"] > 0 and "for decoys" in out
    assert "one inference" in out and "layer 2" in out and entry["extraction"] is None


def test_show_tells_of_the_clone_that_is_possible_by_plain_use(tmp_path, capsys):
    network, link = load_network("mnist"), Link(1.0436, 1.0).with_f2(0.7)
    with BudgetFilter(tmp_path / "a.db", create=True) as ledger:
        ledger.register(network)
        channels = [
            ChannelClass(1.0, link.declared_excess_noise(layer.modes)) for layer in network.layers
        ]
        ledger.open_session("s", network.digest, "alice", link.modulation_variance, channels, 1e-9)
        for layer, each in enumerate(network.layers):
            ledger.commit(ledger.reserve("s", layer, 0, each.rows, 40))
    _, out, _ = run(capsys, "ledger", "show", tmp_path / "a.db", "--json")
    (entry,) = json.loads(out)["networks"]
    clone = clone_of(network.digest, 40, [0.7])
    assert entry["extraction"]["accuracy"] == pytest.approx(clone.accuracy)
    _, out, _ = run(capsys, "ledger", "show", tmp_path / "a.db")
    said = " ".join(out.split())
    assert f"by plain use, a clone of up to {clone.accuracy:.1%} is possible after 40" in said
    once = network_leakage(network, link).weight_leakage_bits
    assert f"one inference {once:.5g} in all {once * network.weights:,.6g} layer 1 " in said


def test_verify_prints_a_head_and_takes_one(path, capsys):
    code, out, _ = run(capsys, "ledger", "verify", path)
    assert code == 0 and "unbroken; head " in out
    head = out.split("head ")[1].strip()
    assert run(capsys, "ledger", "verify", path, "--head", head)[0] == 0
    other = head[:-1] + ("0" if head[-1] != "0" else "1")
    code, _, error = run(capsys, "ledger", "verify", path, "--head", other)
    assert code == 2 and "was replaced" in error
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TRIGGER events_are_final")
        database.execute(
            "UPDATE events SET body = replace(body, 'bob', 'eve') WHERE kind='session'"
        )
    database.close()
    code, _, error = run(capsys, "ledger", "verify", path)
    assert code == 2 and "was changed" in error and error.count("\n") == 1


def test_budgets_are_set_for_all_for_each_and_for_one(path, capsys):
    raised = "--client", "bob", "--bits", 90
    options = "--network", "small", *raised
    assert run(capsys, "ledger", "budget", path, "--network", "small", *raised[:3], 1)[0] == 0
    code, _, error = run(capsys, "ledger", "budget", path, *options)
    assert code == 2 and "is more than the ledger has, 1 bits" in error
    assert run(capsys, "ledger", "budget", path, *options, "--reason", "agreed")[0] == 0
    assert "budgets were raised 1 times" in run(capsys, "ledger", "show", path)[1]
    for options in (
        ("--bits", 5, "--reason", "more"),
        ("--each-client", "--bits", 3),
        ("--client", "bob", "--reason", "the limit of each"),
    ):
        code, out, _ = run(capsys, "ledger", "budget", path, "--network", "small", *options)
        assert code == 0 and "budget of" in out
        assert ("bits of all weights" in out) == ("--bits" in options)
    _, out, _ = run(capsys, "ledger", "show", path, "--json")
    (entry,) = json.loads(out)["networks"]
    assert entry["budget"]["bits"] == 5
    assert all(client["budget"]["bits"] == 3 for client in entry["clients"])
    for bad, text in (
        (("--network", "nothing", "--bits", 1), "fits 0"),
        (("--network", NETWORK.digest[:9], "--bits", -1), "budget = -1"),
        (("--network", "small", "--client", "a", "--each-client"), "both --client"),
    ):
        code, _, error = run(capsys, "ledger", "budget", path, *bad)
        assert code == 2 and text in error


def test_a_ledger_is_made_once_adopted_after_a_move_and_checked_by_receipts(tmp_path, capsys):
    made = tmp_path / "new.db"
    assert run(capsys, "ledger", "init", made)[0] == 0
    code, _, error = run(capsys, "ledger", "init", made)
    assert code == 2 and "exists already" in error
    with EventLog(made) as log:
        log.append("place", {"reason": "a test"})
    receipt = tmp_path / "receipt"
    receipt.write_text(run(capsys, "ledger", "checkpoint", made)[1])
    assert run(capsys, "ledger", "verify", made, "--receipt", receipt)[0] == 0
    moved = tmp_path / "moved.db"
    for end in ("", ".key"):
        shutil.copy(f"{made}{end}", f"{moved}{end}")
    options = "--network", "small", "--bits", 1
    code, _, error = run(capsys, "ledger", "budget", moved, *options)
    assert code == 2 and "ledger adopt" in error
    assert run(capsys, "ledger", "adopt", moved, "--reason", "a new disk")[0] == 0
    made.unlink()
    code, _, error = run(capsys, "ledger", "init", made)
    assert code == 2 and "new.db.key exists already" in error
    with EventLog(tmp_path / "old.db", create=True):
        pass
    code, _, error = run(capsys, "ledger", "verify", tmp_path / "old.db", "--receipt", receipt)
    assert code == 2 and "is of ledger" in error


def test_missing_files_and_formats_are_refused(path, tmp_path, capsys):
    for command in ("show", "verify"):
        code, _, error = run(capsys, "ledger", command, tmp_path / "none.db")
        assert code == 2 and "is not found" in error
    code, _, error = run(capsys, "ledger", "show", path, "--plot", tmp_path / "x.doc")
    assert code == 2 and ".svg" in error


def test_readmit_admits_a_refused_client_again(path, capsys):
    code, _, error = run(capsys, "ledger", "readmit", path, "--client", "alice")
    assert code == 2 and "'alice' is not refused; allowed: none" in error
    with BudgetFilter(path) as ledger:
        for name in ("alice", "bob"):
            ledger.refuse(name, f"[red]noise of {name}", {})
    code, out, _ = run(capsys, "ledger", "show", path)
    assert "client alice is refused: [red]noise of alice" in " ".join(out.split())
    code, out, _ = run(capsys, "ledger", "readmit", path, "--client", "alice", "--json")
    assert code == 0 and json.loads(out) == {"client": "alice", "reason": "[red]noise of alice"}
    code, out, _ = run(capsys, "ledger", "readmit", path, "--client", "bob")
    assert code == 0 and "client bob is admitted again; it was refused: [red]noise of bob" in out
    _, out, _ = run(capsys, "ledger", "show", path)
    assert "refused" not in out
    code, _, error = run(capsys, "ledger", "readmit", path.parent / "no.db", "--client", "bob")
    assert code == 2 and "is not found" in error


def test_settle_takes_back_only_what_a_link_states_never_left(path, tmp_path, capsys):
    keys = tmp_path / "keys"
    make_keys(keys, [])
    (authority, *of_link), (_, *of_server) = (read_keys(keys, role) for role in (LINK, SERVER))
    with BudgetFilter(path) as ledger:
        digest = next(iter(ledger.accounts.networks))
        layers = ledger.accounts.networks[digest].layers
        good = [ChannelClass(1.0, 1e-3)] * len(layers)
        ledger.open_session("settled", digest, "alice", 12.0, good, 1e-10)
        before = ledger.accounts.networks[digest].total.bits("declared")
        places = [Emission("epoch", 7, part) for part in (0, 1)]
        for place in places:
            ledger.reserve("settled", 0, 0, 2, 5, emission=place)
        both = ledger.accounts.networks[digest].total.bits("declared")
    assert both > before

    def statement(part, emitted, by=of_link):
        body = {"epoch": "epoch", "session": "settled", "batch": 7, "layer": 0}
        body |= {"part": part, "emitted": emitted}
        signed = Signer(*by)(pb.Statement(body=json.dumps(body)))
        return json.dumps(evidence(signed)) + "\n"

    def settle(text):
        (tmp_path / "said").write_text(text)
        return run(
            capsys,
            *("ledger", "settle", path, "--statement", tmp_path / "said", "--keys", keys, "--json"),
        )

    def charged():
        return read_accounts(path).networks[digest].total.bits("declared")

    for bad, text in (
        (statement(0, False, of_server), "no link signed the statement"),
        (statement(0, False).replace("false", "true"), "no link signed the statement"),
        ("nonsense", "holds a line that is not JSON"),
        ("{}", "is no statement of a link"),
    ):
        code, out, error = settle(bad)
        assert code == 2 and not out and text in " ".join(error.split())
    assert charged() == both
    # What left, what nobody knows of and what is of another part stays charged.
    said = statement(0, True) + statement(1, None) + statement(2, False)
    for text, number in ((said, 0), (statement(1, False), 1), (statement(1, False), 0)):
        code, out, _ = settle(text)
        assert code == 0 and json.loads(out) == {"file": str(path), "settled": number}
        assert charged() == both if text == said else before < charged() < both
    with EventLog(path, writable=False) as log:
        (settled,) = [e.body for e in log.events() if e.kind == "settle"]
    require_signed(from_evidence(settled["evidence"]), authority)


def test_a_copy_is_restored_and_a_receipt_shows_what_it_lacks(path, tmp_path, capsys):
    copy, receipt = tmp_path / "copy.db", tmp_path / "receipt"
    code, out, _ = run(capsys, "ledger", "backup", path, "--to", copy)
    assert code == 0 and out.startswith(f"{copy}: ") and "unbroken" in out
    run(capsys, "ledger", "budget", path, "--network", NETWORK.name, "--bits", 1, "--reason", "x")
    receipt.write_text(run(capsys, "ledger", "checkpoint", path)[1])
    back = "ledger", "restore", path, "--copy", copy, "--reason", "a broken disk"
    code, _, error = run(capsys, *back)
    assert code == 2 and f"{path} exists; allowed: a name that is free" in error
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    code, _, error = run(capsys, *back, "--receipt", receipt)
    assert code == 2 and "was rolled back" in error and not path.exists()
    code, out, _ = run(capsys, *back, "--json")
    found = json.loads(run(capsys, "ledger", "verify", path, "--json")[1])
    assert code == 0 and json.loads(out)["events"] < found["events"]
    code, _, error = run(capsys, "ledger", "verify", path, "--receipt", receipt)
    assert code == 2 and "was rolled back" in error


def test_loads_say_what_a_larger_fleet_would_do(tmp_path, capsys):
    files = []
    for servers, rate, processor in ((1, 0.0, 2.0), (5, 50.0, 4.0)):
        measured = LoadResult(
            servers, 9, rate, 1000, 4.0, processor, 64, 64, 0.01, 0.02, 1.0, 2.0, 0, 0
        )
        files.append(tmp_path / f"{servers}.json")
        files[-1].write_text(json.dumps(asdict(measured)))
    ask = "ledger", "capacity", *files
    code, out, _ = run(capsys, *ask, "--servers", 100, "--plot", tmp_path / "loads.svg", "--json")
    found = json.loads(out)
    assert code == 0 and found["costs"] == pytest.approx({"own": 2e-3, "follow": 5e-4, "log": 4e-3})
    assert found["reserves"] == pytest.approx(1 / (4e-3 + 0.99 * 5e-4))
    assert found["readings"] == pytest.approx(found["reserves"] * 65536)
    assert "9 clients a server, without a pause" in (tmp_path / "loads.svg").read_text()
    code, out, _ = run(capsys, *ask, "--servers", 1)
    assert code == 0 and "1 servers make at most 250 reserves a second in all, 250 each" in out
    code, _, error = run(capsys, "ledger", "capacity", files[0])
    assert code == 2 and "different numbers of servers" in error
    code, _, error = run(capsys, *ask, "--plot", tmp_path / "loads.txt")
    assert code == 2 and "allowed: names that end in .png, .svg, .pdf" in error
    held = json.loads(files[0].read_text())
    for wrong, said in (
        ([], "cannot be read"),
        ({**held, "more": 1}, "cannot be read"),
        ({**held, "seconds": "4"}, "cannot be read: seconds = '4' is not a number"),
        ({**held, "seconds": 0}, "cannot be read: seconds = 0 is outside (0, ∞)"),
        ({**held, "servers": 0}, "cannot be read: servers = 0 is outside"),
        ({**held, "kills": None}, "cannot be read: kills = nan is outside [0, ∞)"),
        ({**held, "rate": float("nan")}, "is no JSON: NaN"),
    ):
        files[0].write_text(json.dumps(wrong))
        code, _, error = run(capsys, *ask)
        assert code == 2 and said in error and str(files[0]) in error
        assert "allowed: " in error and len(error.splitlines()) == 1


def test_the_page_of_fleets_says_what_its_loads_say(capsys):
    docs = Path(__file__).parents[3] / "docs"
    code, out, _ = run(capsys, "ledger", "capacity", *sorted(docs.glob("fleet/loads/*.json")))
    assert code == 0 and out.strip() in (docs / "fleet.md").read_text(encoding="utf-8")


def test_a_ledger_of_an_earlier_version_is_upgraded_and_stays_what_it_was(path, tmp_path, capsys):
    with EventLog(path) as log:
        head = log.head
    with closing(sqlite3.connect(path)) as database, database:  # as format 1 left it
        for table in ("segments", "snapshot", "records"):
            database.execute(f"DROP TABLE {table}")
        database.execute("ALTER TABLE head DROP COLUMN place")
        seal = hmac.new(key_beside(path).read_bytes(), f"last event {head}".encode(), "sha256")
        database.execute("UPDATE head SET seal = ?", (seal.digest(),))
        database.execute("PRAGMA user_version = 1")
    for _ in range(2):
        code, out, _ = run(capsys, "ledger", "upgrade", path, "--json")
        assert code == 0 and json.loads(out)["head"] == str(head)
    with closing(sqlite3.connect(path)) as database, database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
    assert run(capsys, "ledger", "verify", path)[0] == 0
