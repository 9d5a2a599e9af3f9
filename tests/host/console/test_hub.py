"""The hub: the last value of each topic, for everybody who watches."""

import asyncio
import base64
import json
import stat

import numpy as np
import pytest

from shotveil.host.console.hub import Hub, Recorder, packed


def test_a_page_that_comes_later_is_told_everything_and_then_what_changes():
    async def run():
        hub = Hub()
        hub.publish({"a": 1, "b": [2]}, 0.0)
        watcher = hub.watch()
        assert json.loads(await watcher.next()) == {"a": 1, "b": [2]}
        hub.publish({"a": 1, "b": 3}, 0.1)  # a has not changed
        assert json.loads(await watcher.next()) == {"b": 3}

    asyncio.run(run())


def test_a_slow_page_misses_values_in_between_and_never_the_last_one():
    async def run():
        hub = Hub()
        watcher = hub.watch()
        await watcher.next()
        for k in range(1000):
            hub.publish({"a": k, f"b{k % 2}": k}, float(k))
        assert json.loads(await watcher.next()) == {"a": 999, "b0": 998, "b1": 999}
        hub.leave(watcher)
        hub.publish({"a": 0}, 0.0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watcher.next(), 0.01)

    asyncio.run(run())


def test_numbers_are_packed_as_little_endian_floats():
    values = [0.5, -2.0, float("nan")]
    back = np.frombuffer(base64.b64decode(packed(values)["f32"]), "<f4")
    assert np.array_equal(back, np.float32(values), equal_nan=True)


def test_what_json_does_not_have_is_refused():
    with pytest.raises(ValueError):
        Hub().publish({"a": float("nan")}, 0.0)


def test_a_run_is_recorded_for_its_owner_alone(tmp_path):
    recorder = Recorder(tmp_path / "run")
    hub = Hub(recorder)
    hub.publish({"a": "ü"}, 1.25)
    hub.publish({"a": "ü"}, 1.5)
    recorder.close()
    _, *lines = (tmp_path / "run").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"time": 1.25, "topics": {"a": "ü"}}]
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "run")
