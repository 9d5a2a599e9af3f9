"""Formats of a ledger's tables in PostgreSQL: whole or not at all, and none that is not known."""

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")
pytest.importorskip("alembic")

import sqlalchemy as sa

from shotveil.host.ledger.event_log import Head
from shotveil.host.ledger.postgres_log import PostgresLog, split_address
from shotveil.host.ledger.postgres_tables import FORMAT, upgrade
from shotveil.host.ledger.stores import make_ledger, upgrade_ledger
from shotveil.models.common.checks import RangeError
from tests.host.ledger.old_databases import put_back
from tests.host.ledger.test_postgres_log import run


def test_an_upgrade_is_kept_whole_or_not_at_all(database):
    put_back(database)
    url = split_address(database)[0].set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        upgrade(connection)
        connection.rollback()
    with pytest.raises(RangeError, match="has format 2"):
        PostgresLog(database)
    with engine.begin() as connection:
        assert not sa.inspect(connection).has_table("alembic_version")
        upgrade(connection)
        assert connection.exec_driver_sql("SELECT format FROM head").scalar_one() == FORMAT
    engine.dispose()


def test_a_server_stops_where_the_tables_are_changed_under_it(database):
    make_ledger(database)
    with PostgresLog(database) as log:
        log.append("event", {})
        run(database, f"UPDATE head SET format = {FORMAT + 1}")
        with pytest.raises(RangeError, match=f"has format {FORMAT + 1}; allowed: {FORMAT}$"):
            log.append("event", {})


def test_a_ledger_of_a_later_version_or_none_at_all_is_not_upgraded(database):
    with pytest.raises(RangeError, match="is not found"):
        upgrade_ledger(database)
    make_ledger(database)
    assert upgrade_ledger(database) == Head(0, b"")
    run(database, "UPDATE alembic_version SET version_num = '9'")
    with pytest.raises(RangeError, match=r"cannot be upgraded: .*'9'"):
        upgrade_ledger(database)
