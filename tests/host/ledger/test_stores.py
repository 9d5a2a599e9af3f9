"""Addresses of ledgers: which store they mean, and what making one refuses."""

import shutil
import stat
import sys

import pytest

from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import EventLog, write_new
from shotveil.host.ledger.stores import (
    is_database,
    key_of,
    make_ledger,
    open_filter,
    open_log,
)
from shotveil.models.common.checks import RangeError

URL = "postgresql://me@host/ledger?key=mine.key"


def test_a_file_needs_no_further_package(tmp_path, monkeypatch):
    for name in ("sqlalchemy", "psycopg", "shotveil.host.ledger.postgres_log"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "a.db"
    assert not is_database(path) and key_of(path) == tmp_path / "a.db.key"
    assert make_ledger(path) == key_of(path) and key_of(path).exists()
    with open_filter(path) as accounts:
        assert type(accounts) is BudgetFilter
    with open_log(str(path), writable=False) as log:
        assert type(log) is EventLog and log.head.sequence == 0
    with pytest.raises(RangeError, match="exists already"):
        make_ledger(path)


def test_opening_makes_no_ledger_and_adopts_none(tmp_path):
    for opening in (open_log, open_filter):
        with pytest.raises(RangeError, match=r"none\.db"):
            opening(tmp_path / "none.db")
    assert not list(tmp_path.iterdir())
    made = tmp_path / "a.db"
    make_ledger(made)
    with open_log(made) as log:
        assert log.append("said", {}).sequence == 1  # it is opened for writing
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (made, key_of(made)):
        shutil.copy(path, elsewhere)
    with pytest.raises(RangeError, match="adopt"):
        open_log(elsewhere / "a.db")
    with open_log(elsewhere / "a.db", adopt=True) as log:
        assert log.head.sequence >= 1


def test_a_database_needs_the_extra(monkeypatch):
    for name in ("postgres_log", "fleet"):
        monkeypatch.delitem(sys.modules, f"shotveil.host.ledger.{name}", raising=False)
        monkeypatch.delattr(f"shotveil.host.ledger.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for opening in (open_log, open_filter, key_of, make_ledger):
        with pytest.raises(ModuleNotFoundError, match="sqlalchemy"):
            opening(URL)


def test_a_database_is_made_once_with_a_key_that_its_owner_alone_reads(database):
    key = make_ledger(database)
    assert key == key_of(database) and stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(RangeError, match=r"fleet\.key exists already"):
        make_ledger(database)
    key.rename(key.with_name("kept"))
    with pytest.raises(RangeError, match="the key is not its key"):
        make_ledger(database)
    assert not key.exists()
    write_new(key, b"x" * 32)
    with pytest.raises(RangeError, match="the key is not its key"):
        open_filter(database)
