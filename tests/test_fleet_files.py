"""The files of docs/fleet start commands that there are, with options that they take."""

import configparser
import re
import shlex
from pathlib import Path

import pytest

from tests.parsing import parse

FLEET = Path(__file__).parents[1] / "docs" / "fleet"


def test_commands_of_the_compose_file_parse():
    yaml = pytest.importorskip("yaml")
    pytest.importorskip("sqlalchemy")
    found = yaml.safe_load((FLEET / "compose.yaml").read_text())
    services = {name: one for name, one in found["services"].items() if "command" in one}
    assert sorted(services) == ["link-1", "link-2", "server-1", "server-2"]
    for name, one in services.items():
        assert parse(shlex.split(one["command"])).info_name == name.partition("-")[0].replace(
            "server", "serve"
        )
        # The secrets, volumes and services that it names are there.
        assert set(one["secrets"]) <= set(found["secrets"])
        named = {volume.partition(":")[0] for volume in one["volumes"]}
        assert {volume for volume in named if not volume.startswith(".")} <= set(found["volumes"])
        assert set(one.get("depends_on", {})) <= set(found["services"])
        container = FLEET.parents[1] / one["build"]["dockerfile"]
        assert (FLEET / one["build"]["context"]).resolve() == FLEET.parents[1]
        assert container.read_text().splitlines()[-1] == 'ENTRYPOINT ["shotveil"]'


def test_the_unit_serves_and_waits_longer_than_the_server_drains():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(FLEET / "shotveil-serve@.service")
    program, config, file, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert (Path(program).name, config) == ("shotveil", "--config") and file.endswith("%i.toml")
    arguments += ["--keys", "keys", "--ledger", "a.db", "--network", "mnist"]  # from the file
    drain = parse(arguments).params["drain"]
    assert int(unit["Service"]["TimeoutStopSec"]) > drain
    text = (FLEET / "compose.yaml").read_text()
    assert int(re.search(r"stop_grace_period: (\d+)s", text)[1]) > drain
