"""Nodes by URL, and packages that add a scheme."""

import sys
from pathlib import Path

import pytest

from shotveil.host.devices import opening
from shotveil.host.devices.device import Device
from shotveil.host.devices.opening import GROUP, open_device
from shotveil.host.devices.record import RecordingDevice
from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import plugins
from shotveil.models.node.spec import NodeSpec


@pytest.mark.parametrize(
    "url, message",
    [
        ("server", "no URL of a node; allowed: light:…, model:…, replay:…, rtl:…, serial:…, tcp:…"),
        ("model", "no URL of a node"),
        ("model:", "names no role; allowed: server, client"),
        ("usb:1", "no URL of a node"),
        ("model:alice", "names no role; allowed: server, client"),
        ("tcp:localhost", "no address; allowed: tcp:HOST:PORT"),
        ("tcp:localhost:70000", "TCP port = 70000"),
        ("serial:/dev/null@fast", "baud rate = 'fast'"),
        ("replay:/nowhere", "/nowhere cannot be read"),
    ],
)
def test_urls_that_are_none(url, message):
    with pytest.raises(RangeError, match=message):
        open_device(url)


def test_opening_a_model(tmp_path):
    assert open_device("model:client").spec.role == "client"
    with pytest.raises(RangeError, match="spec of a server"):
        open_device("model:client", NodeSpec())
    with pytest.raises(RangeError, match="plant"):
        open_device("tcp:localhost:1", plant=lambda codes: codes)
    (tmp_path / "there").touch()
    with pytest.raises(RangeError, match="there exists"):
        open_device("model:client", record=tmp_path / "there")
    with open_device("model:client", record=tmp_path / "new") as device:
        assert isinstance(device, RecordingDevice) and device.name == "model:client"


def test_own_schemes_and_where_they_are_opened():
    """The host's own are the host's; what simulates belongs to the simulation."""
    found = {name: point.value.partition(":")[0] for name, point in plugins(GROUP).items()}
    assert found == {
        "light": "shotveil.host.devices.light",
        "model": "shotveil.host.devices.model",
        "tcp": "shotveil.host.devices.tcp",
        "serial": "shotveil.host.devices.serial_port",
        "replay": "shotveil.host.devices.record",
        "rtl": "shotveil.sim.loop.node_device",
    }


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A package beside Shotveil that offers `bench`, and `far`, which needs an extra of it."""
    info = tmp_path / "bench-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[shotveil.devices]\nbench = bench_nodes:opened\nfar = bench_far:opened [lasers]\n"
    )
    (tmp_path / "bench_nodes.py").write_text(
        "from shotveil.host.devices.model import ModelDevice\n"
        "from shotveil.models.node.spec import NodeSpec\n"
        "def opened(where, spec, plant):\n"
        "    return ModelDevice(spec or NodeSpec(where), plant, f'bench:{where}')\n"
    )
    (tmp_path / "bench_far.py").write_text("import no_such_package_of_lasers\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("bench_nodes", "bench_far"):
        sys.modules.pop(name, None)


def test_a_package_adds_a_scheme(bench):
    device = open_device("bench:client")
    assert isinstance(device, Device) and device.name == "bench:client"
    assert device.spec == NodeSpec("client")
    own = NodeSpec(capture=1024)
    heard = []

    def plant(codes):
        heard.append(codes)
        return codes

    device = open_device("bench:server", own, plant)
    assert device.spec is own
    device.write(arm=1)
    device.strobe("capture")
    device.receive(0, 1)
    device._idle(10)
    assert heard[-1].shape == (2, 10)
    with pytest.raises(RangeError, match="allowed: bench:…, far:…, light:…, model:…, replay:…"):
        open_device("beach:server")


def test_what_a_scheme_needs_is_said(bench):
    with pytest.raises(ModuleNotFoundError, match=r"no_such_package_of_lasers; run .*lasers"):
        open_device("far:away")


def test_opening_knows_no_simulation():
    assert "shotveil.sim" not in Path(opening.__file__).read_text()
