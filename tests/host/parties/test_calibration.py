"""The files that tell a party of its own optics."""

import json
from dataclasses import replace

import pytest

from shotveil.host.parties.calibration import ClientCalibration, ServerCalibration
from shotveil.host.verification.estimation import Calibration
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import Arm
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec

SERVER = ServerCalibration(
    Calibration(4.3e6, 1.2e5, 1000, 2000, (16384, 16384), 2, 0.9),
    (Arm(0.98, 0.05, 0.96), Arm(0.83, -0.04, 1.0)),
    full_scale=24.0,
    delay=1352,
    offset=(-7, 9),
    distortion=1e-4,
)
CLIENT = ClientCalibration(
    Calibration(4.3e6, 1.2e5, 1000, 2000, (16384,), 1, 0.8), (Arm(), Arm()), gain=1.3
)


@pytest.mark.parametrize("known", [SERVER, CLIENT])
def test_what_is_saved_is_loaded(tmp_path, known):
    known.save(tmp_path / "c.json")
    assert type(known).load(tmp_path / "c.json") == known


def test_optics_of_which_nothing_else_is_said_have_no_errors():
    plain = ServerCalibration(SERVER.receiver, SERVER.arms, full_scale=24.0, delay=0)
    assert (plain.offset, plain.distortion) == ((0, 0), 0)


def test_offsets_are_those_that_a_node_takes():
    most = 1 << (register_map(NodeSpec())["digitiser_offset_x"].width - 1)
    replace(SERVER, offset=(-most, most - 1))
    for wrong in ((most, 0), (0, -most - 1)):
        with pytest.raises(RangeError, match=r"offset = "):
            replace(SERVER, offset=wrong)


def edited(path, known, edit):
    known.save(path)
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("known", "edit", "error"),
    [
        (CLIENT, lambda v: v.update(gain=1.0), r"gain = 1 is outside \(1, 1e\+06\]"),
        (CLIENT, lambda v: v.update(role="server"), "is of a server; allowed: a client's"),
        (CLIENT, lambda v: v.pop("gain"), "does not hold: .*gain.*shotveil lab light"),
        (CLIENT, lambda v: v.pop("arms"), "does not hold: 'arms'"),
        (CLIENT, lambda v: v.update(more=1), "does not hold: .*more"),
        (CLIENT, lambda v: v["receiver"].update(quadratures=2), "quadratures = 2; allowed: 1"),
        (SERVER, lambda v: v.update(full_scale=0), "full scale = 0"),
        (SERVER, lambda v: v.update(delay=1.5), "delay = 1.5"),
        (SERVER, lambda v: v.update(delay=-1), "delay = -1"),
        (SERVER, lambda v: v.update(distortion=-1e-9), "distortion = -1e-09"),
        (SERVER, lambda v: v.update(offset=[0, 1.5]), "offset = 1.5"),
        (SERVER, lambda v: v["receiver"].update(efficiency=0), "efficiency = 0"),
        (SERVER, lambda v: v["receiver"].update(efficiency=1.5), "efficiency = 1.5"),
        (SERVER, lambda v: v.update(offset=[1]), "does not hold: "),
        (SERVER, lambda v: v["receiver"].update(scale=[1, 2]), r"scales = \(1, 2\)"),
        (SERVER, lambda v: v["receiver"].update(dark_variance=9e9), "shot variance"),
        (
            SERVER,
            lambda v: v["receiver"].update(dark_variance=v["receiver"]["vacuum_variance"]),
            "shot variance = 0",
        ),
    ],
)
def test_other_files_are_refused_with_what_is_wrong(tmp_path, known, edit, error):
    with pytest.raises(RangeError, match=error):
        type(known).load(edited(tmp_path / "c.json", known, edit))


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(RangeError, match=r"cannot be read.*shotveil lab light"):
        ClientCalibration.load(tmp_path / "none.json")
    (tmp_path / "text").write_text("[]")
    with pytest.raises(RangeError, match="cannot be read"):
        ServerCalibration.load(tmp_path / "text")
