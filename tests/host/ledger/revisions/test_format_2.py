"""Format 2: the tables are those that the first version of a fleet's ledger made."""

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")
pytest.importorskip("alembic")

import sqlalchemy as sa

from shotveil.host.ledger.postgres_log import split_address
from shotveil.host.ledger.postgres_tables import upgrade
from tests.host.ledger.old_databases import KEPT

COLUMNS = (
    "SELECT table_name, column_name, ordinal_position, data_type, is_nullable "
    "FROM information_schema.columns WHERE table_schema = current_schema() "
    "AND table_name <> 'alembic_version' ORDER BY 1, 3"
)
RULES = (
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = current_schema()::regnamespace AND contype IN ('c', 'p') "
    "AND conrelid <> 'alembic_version'::regclass ORDER BY 1, 2"
)
TRIGGERS = (
    "SELECT tgname, tgtype FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid "
    "WHERE relname = 'events' AND relnamespace = current_schema()::regnamespace"
)


def test_the_tables_are_those_that_the_first_version_made(database):
    url = split_address(database)[0].set(drivername="postgresql+psycopg")
    engine, found = sa.create_engine(url), []
    for schema in ("then", "now"):
        with engine.begin() as connection:
            run = connection.exec_driver_sql
            run(f'CREATE SCHEMA "{schema}"')
            run(f'SET LOCAL search_path TO "{schema}"')
            if schema == "then":
                for statement in KEPT["statements"]:
                    run(statement)
                run("CREATE TABLE alembic_version (version_num TEXT)")
            else:
                upgrade(connection, 2)
            found.append([run(each).all() for each in (COLUMNS, RULES, TRIGGERS)])
    engine.dispose()
    assert found[0] == found[1]
    assert [len(each) for each in found[0]] == [20, 7, 1]
