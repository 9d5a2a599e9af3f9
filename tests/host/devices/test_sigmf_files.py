"""Names of records, and what is written of a node beside its samples."""

import json

import numpy as np
import pytest

from shotveil.host.devices.node import Node
from shotveil.host.devices.sigmf_files import names, write
from shotveil.models.common.checks import RangeError
from shotveil.models.node.register import Access
from tests.host.devices.nodes import model


def test_a_record_is_two_new_files_in_a_folder_that_exists(tmp_path):
    data, meta = names(tmp_path / "a.b")
    assert (data.name, meta.name) == ("a.b.sigmf-data", "a.b.sigmf-meta")
    with pytest.raises(RangeError, match="none is no folder"):
        names(tmp_path / "none" / "a")
    for file in (data, meta):
        file.touch()
        with pytest.raises(RangeError, match=f"{file.name} exists; allowed: a new name"):
            names(tmp_path / "a.b")
        file.unlink()


@pytest.mark.parametrize("role", ["server", "client"])
def test_samples_follow_each_other_and_all_settings_are_told(role, tmp_path):
    with Node(model(role)) as node:
        node.registers.set(drive_scale=0.5, grant=7)
        lines = node.spec.digitiser.quadratures
        samples = np.arange(6 * lines).reshape(lines, 6) - 5
        data, meta = write(tmp_path / "light", node, samples)
        settings = set(node.device.map.of(Access.SETTING))
        identity = {k: f"{v:08x}" for k, v in node.device.map.identity.items()}
    assert np.fromfile(data, "<i2").tolist() == samples.T.ravel().tolist()
    told = json.loads(meta.read_text())
    info = told["global"]
    assert info["core:datatype"] == {"server": "ci16_le", "client": "ri16_le"}[role]
    assert info["core:sample_rate"] == 125_000_000
    assert set(info["shotveil:settings"]) == settings
    assert info["shotveil:settings"]["drive_scale"] == 0.5
    assert info["shotveil:settings"]["grant"] == 7
    assert {name: info[f"shotveil:{name}"] for name in identity} == identity
    assert told["captures"][0]["core:sample_start"] == 0
