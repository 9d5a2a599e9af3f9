"""A ledger in a database as the version of before format 3 wrote it, kept as text."""

import json
from pathlib import Path

import sqlalchemy as sa

from shotveil.host.ledger.postgres_log import split_address

KEPT = json.loads(Path(__file__).with_name("fleet_format_2.json").read_text())


def put_back(address):
    """Write the database, and its key, at an address of an empty one."""
    url, key = split_address(address)
    key.write_bytes(bytes.fromhex(KEPT["key"]))
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        for statement in KEPT["statements"]:
            connection.exec_driver_sql(statement)
        for table, rows in KEPT["rows"].items():
            for row in rows:
                values = tuple(bytes.fromhex(v["hex"]) if isinstance(v, dict) else v for v in row)
                places = ", ".join(["%s"] * len(row))
                connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({places})", values)
    engine.dispose()
