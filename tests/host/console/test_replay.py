"""A run is shown again as it was, at the same distances in time."""

import json

import pytest

from shotveil.host.console.hub import Hub, Recorder
from shotveil.host.console.replay import RunReplay
from shotveil.models.common.checks import RangeError


@pytest.fixture
def run(tmp_path):
    recorder = Recorder(tmp_path / "run")
    hub = Hub(recorder)
    for moment, value in ((100.0, 1), (100.5, 2), (101.0, 3)):
        hub.publish({"a": value, "page": {"kind": "bench"}}, moment)
    recorder.close()
    return tmp_path / "run"


def test_a_run_is_replayed_in_its_own_time_and_again(run):
    now = [0.0]
    replay = RunReplay(run, lambda: now[0])
    assert replay.changed() == {"a": 1, "page": {"kind": "bench"}, "replay": {"at": 0.0, "of": 1.0}}
    now[0] = 0.4
    assert "a" not in replay.changed()
    now[0] = 0.6
    assert replay.changed()["a"] == 2
    now[0] = 1.0
    assert replay.changed()["a"] == 3
    now[0] = 1.9
    assert replay.changed() == {}
    now[0] = 2.1
    assert replay.changed()["a"] == 1
    with pytest.raises(RangeError, match="replay"):
        replay.act({"act": "capture"})


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"format": "shotveil session", "version": 1}', "nonsense", "[1]"],
)
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "file").write_text(text)
    with pytest.raises(RangeError):
        RunReplay(tmp_path / "file")


@pytest.mark.parametrize(
    "entries",
    [[], [3], [{"time": "1", "topics": {}}], [{"time": 1, "topics": 2}],
     [{"time": 2, "topics": {}}, {"time": 1, "topics": {}}]],
)  # fmt: skip
def test_a_run_that_makes_no_sense_is_refused(tmp_path, entries):
    head = {"format": "shotveil console", "version": 1}
    lines = [json.dumps(entry) for entry in [head, *entries]]
    (tmp_path / "file").write_text("\n".join(lines))
    with pytest.raises(RangeError, match="file"):
        RunReplay(tmp_path / "file")
