"""The tables of a ledger in PostgreSQL, and their formats; Alembic goes from one to the next.

Each file of `host/ledger/revisions` is a revision, named by the number of the format that it makes,
which the head of the ledger says too. A revision changes tables and never an event.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from shotveil.models.common.checks import RangeError

FORMAT = 3
_REVISIONS = str(Path(__file__).with_name("revisions"))


def upgrade(connection: sa.Connection, to: int = FORMAT) -> None:
    """Make the tables of a format in a database without any, or of those of an earlier format.

    connection: One in a transaction, with which all of it is kept or none.

    Raises `RangeError` for tables of a format that this version does not know.
    """
    # Imported here: a server that finds its tables needs none of it.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    script = ScriptDirectory(_REVISIONS, version_locations=[_REVISIONS])
    with EnvironmentContext(
        Config(), script, fn=lambda now, _: script._upgrade_revs(str(to), now)
    ) as environment:
        environment.configure(connection=connection)
        context = environment.get_context()
        try:
            if context.get_current_revision() is None and sa.inspect(connection).has_table("head"):
                # Of a version without Alembic. Servers wait for the head meanwhile.
                (known,) = connection.exec_driver_sql("SELECT format FROM head FOR UPDATE").one()
                context.stamp(script, str(known))
            environment.run_migrations()
        except CommandError as error:
            raise RangeError(f"the ledger's tables cannot be upgraded: {error}") from None
