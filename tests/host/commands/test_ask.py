"""`shotveil ask` without another party: what is asked of whom, what it says, what it refuses.

The processes are in test_parties.py and in tests/host/parties/test_processes.py.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("grpc")

from shotveil.host.console.journal import last_entries
from shotveil.host.ledger.data_ledger import DataLedger
from shotveil.host.parties.calibration import ClientCalibration
from shotveil.host.parties.keys import make_keys, read_keys
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal
from shotveil.host.verification.estimation import Calibration
from shotveil.models.drive.spec import Arm
from shotveil.models.link.detector import Detector
from shotveil.models.networks.mnist import load_mnist

MODULE = "shotveil.host.commands.ask"
CALIBRATION = ClientCalibration(
    Calibration(4.3e6, 1.2e5, 1000, 2000, (16384,), 1, 0.8), (Arm(), Arm()), gain=1.4
)


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path / "keys", ["alice"])
    CALIBRATION.save(tmp_path / "node.json")
    return tmp_path / "keys"


@pytest.fixture
def asked(monkeypatch):
    """The parties that are reached, and the client: it reads all images right but the first."""
    known = SimpleNamespace(
        reached=[],
        hung_up=[],
        clients=[],
        checks=0,
        warnings=[],
        error=None,
        times=[5.0, 7.0],
        digest="ab" * 32,
        prepared=[],
    )

    class End:
        def __init__(self, *where, **how):
            known.reached.append((type(self).__name__, where, how))

        def hang_up(self):
            known.hung_up.append(type(self).__name__)

        def prepare(self, welcome):
            known.prepared.append(welcome)

    class Client:
        def __init__(self, model, light, rng, **how):
            self.model, self.light, self.draw, self.how = model, light, rng.random(), how
            self.welcome = SimpleNamespace(
                network="small", layers=[SimpleNamespace(photons=6.0)] * 2, decoy_rate=0.0625
            )
            self.gains, self.warnings, self.closed = [1.25, 1.25], known.warnings, False
            self.image_bits = {"holevo": 7.891, "qcrb": 2.5, "crb_prx": 1.5, "crb_v1": 0.5}
            self.check = SimpleNamespace(count=known.checks, variance=1.23456, expected=1.1)
            self.brightness = SimpleNamespace(layers=known.checks, ratio=1.02)
            last = pb.LayerShape(rows=10, columns=784)
            how.pop("prepare")(pb.Welcome(network="small", digest=known.digest, layers=[last]))
            known.clients.append(self)

        def classify(self, pixels, batch, progress):
            if known.error:
                raise known.error
            self.pixels, self.batch = pixels, batch
            progress(len(pixels))
            labels = np.array(load_mnist(None, "test")[1][: len(pixels)], int)
            labels[0] = (labels[0] + 1) % 10
            return np.eye(10)[labels]

        def close(self):
            assert known.hung_up == []
            self.closed = True
            return pb.Receipt(network="small", images=len(self.pixels))

    for name in ("RemoteModel", "RemoteClientPort"):
        monkeypatch.setattr(f"shotveil.host.parties.rpc.{name}", type(name, (End,), {}))
    monkeypatch.setattr("shotveil.host.parties.node_port.NodePort", type("NodePort", (End,), {}))
    monkeypatch.setattr("shotveil.host.parties.client.DataClient", Client)
    monkeypatch.setattr(f"{MODULE}.reach", lambda url: f"what opens {url}")
    monkeypatch.setattr(f"{MODULE}.secrets", SimpleNamespace(randbits=lambda bits: bits + 5))
    ticks = SimpleNamespace(perf_counter=lambda: known.times.pop(0))
    monkeypatch.setattr(f"{MODULE}.time", ticks)
    return known


def test_what_is_asked_where_nothing_else_is_given(shotveil, asked, keys):
    code, out, err = shotveil(f"ask --keys {keys} --name alice")
    assert (code, err) == (0, "")
    assert out == (
        "an image leaks at most 7.891 bits in an inference (holevo), at gain 1.25\n"
        "small: 10,000 images, accuracy 99.99%, 5,000 images a second\n"
        "leaked of each image: at most 7.891 bits (holevo), 0.01007 bits for each of its 784 "
        "elements; of all images 78,910 bits\n"
        "estimates: 2.5 (qcrb), 1.5 (crb_prx), 0.5 (crb_v1) bits of an image\n"
    )
    own = read_keys(keys, "client-alice")
    assert asked.reached == [
        ("RemoteModel", ("127.0.0.1:47101", own), {}),
        ("RemoteClientPort", ("127.0.0.1:47102", own), {}),
    ]
    (client,) = asked.clients
    assert client.draw == np.random.default_rng(133).random()  # 128 random bits
    assert (client.batch, client.closed) == (256, True)
    assert client.how == {
        "network": "",
        "plan": None,
        "max_gain": None,
        "max_image_bits": None,
        "data_bound": "holevo",
        "detector": Detector(),
        "loss_imbalance": 0.0,
        "ledger": None,
        "check_rate": 0.02,
        "false_alarm_probability": 1e-6,
        "checkpoint": "",
    }
    np.testing.assert_array_equal(client.pixels, load_mnist(None, "test")[0])
    assert sorted(asked.hung_up) == ["RemoteClientPort", "RemoteModel"]


def test_every_option_reaches_the_client(shotveil, asked, keys, tmp_path, monkeypatch):
    closed, close = [], DataLedger.close
    monkeypatch.setattr(DataLedger, "close", lambda self: (closed.append(self), close(self)))
    asked.checks, asked.warnings = 3, ["one", "two"]
    code, out, _ = shotveil(
        f"ask --keys {keys} --name alice --server a:1 --link b:2 --network other --images 8 "
        "--batch 4 --max-gain 1.5 --client-efficiency 0.9 --client-electronic-noise 0.1 "
        "--loss-imbalance 0.01 "
        f"--ledger {tmp_path}/data.db --data-budget 0.5 --data-bound crb_prx --check-rate 0.25 "
        "--false-alarm-probability 0.001 --json"
    )
    found, (client,) = json.loads(out), asked.clients
    assert code == 0 and [where[0] for _, where, _ in asked.reached] == ["a:1", "b:2"]
    ledger = client.how.pop("ledger")
    assert closed == [ledger] and (ledger.budget, ledger.bound) == (0.5, "crb_prx")
    assert (tmp_path / "data.db").exists()
    assert client.how == {
        "network": "other",
        "plan": None,
        "max_gain": 1.5,
        "max_image_bits": None,
        "data_bound": "crb_prx",
        "detector": Detector(0.9, 0.1),
        "loss_imbalance": 0.01,
        "check_rate": 0.25,
        "false_alarm_probability": 0.001,
        "checkpoint": "",
    }
    assert (client.batch, len(client.pixels)) == (4, 8)
    predictions = [int(label) for label in load_mnist(None, "test")[1][:8]]
    predictions[0] = (predictions[0] + 1) % 10
    assert found == {
        "network": "small",
        "image_bits": {"holevo": 7.891, "qcrb": 2.5, "crb_prx": 1.5, "crb_v1": 0.5},
        "images": 8,
        "accuracy": 7 / 8,
        "predictions": predictions,
        "gain": 1.25,
        "photons": 6.0,
        "decoy_rate": 0.0625,
        "warnings": 2,
        "probe_variance": 1.23456,
        "probe_variance_expected": 1.1,
        "brightness": 1.02,
        "checkpoint": "",
        "data_leakage_bits": ledger.leakage(),
        "seconds": 2.0,
        "images_per_second": 4.0,
    }


def test_a_node_of_ones_own(shotveil, asked, keys, tmp_path):
    line = f"ask --keys {keys} --name alice --images 3 --device model:client"
    assert shotveil(f"{line} --calibration {tmp_path}/node.json --server a:1")[0] == 0
    own = read_keys(keys, "client-alice")
    assert asked.reached == [
        ("RemoteModel", ("a:1", own), {"deadline": 3600.0}),
        ("NodePort", ("what opens model:client", CALIBRATION), {}),
    ]
    (client,) = asked.clients
    assert client.batch == 1 and client.how["check_rate"] == 0
    assert client.how["max_gain"] == 1.4 and client.how["detector"].efficiency == 0.8
    assert client.how["in_flight"] == 1 and client.how["late"] is True
    assert [welcome.network for welcome in asked.prepared] == ["small"]
    assert sorted(asked.hung_up) == ["NodePort", "RemoteModel"]


@pytest.mark.parametrize(
    "seconds, said", [(2.0, "2.5"), (0.5, "10"), (0.51, "9.8"), (0.001, "5,000"), (100, "0.05")]
)
def test_the_rate_for_a_person(shotveil, asked, keys, seconds, said):
    asked.times[:] = [1.0, 1.0 + seconds]
    _, out, _ = shotveil(f"ask --keys {keys} --name alice --images 5")
    assert out.splitlines(True)[1] == f"small: 5 images, accuracy 80.00%, {said} images a second\n"


def test_the_checks_of_the_light_for_a_person(shotveil, asked, keys):
    asked.checks = 1
    _, out, _ = shotveil(f"ask --keys {keys} --name alice --images 5")
    assert out.splitlines()[4:] == [
        "probe check: variance 1.2346 SNU, coherent light has 1.1; brightness 1.02 of what is "
        "declared"
    ]


def test_what_was_not_measured_is_null(shotveil, asked, keys):
    found = json.loads(shotveil(f"ask --keys {keys} --name alice --images 5 --json")[1])
    assert found["probe_variance"] is None and found["data_leakage_bits"] is None
    assert found["probe_variance_expected"] == 1.1 and found["brightness"] is None


def test_a_server_that_is_not_as_it_was(shotveil, refused, asked, keys):
    assert shotveil(f"ask --keys {keys} --name alice --images 5")[0] == 0
    assert (keys / "client-alice.servers.json").stat().st_mode & 0o777 == 0o600
    first, asked.digest = asked.digest, "cd" * 32
    asked.times[:] = [1.0, 2.0] * 3
    refused(
        "ask --keys keys --name alice --images 5",
        f"127.0.0.1:47101 is not as it was when it was first used: digest was '{first[:56]}",
    )
    for options in ("--accept-changes", "", "--server other:1"):
        asked.hung_up.clear()
        assert shotveil(f"ask --keys {keys} --name alice --images 5 {options}")[0] == 0


def test_limits_of_ones_own_reach_the_client(shotveil, asked, keys):
    options = "--max-image-bits 12 --data-bound qcrb"
    assert shotveil(f"ask --keys {keys} --name alice --images 5 {options}")[0] == 0
    how = asked.clients[0].how
    assert (how["max_image_bits"], how["data_bound"]) == (12, "qcrb")


def test_a_refusal_of_the_other_party_is_one_line_and_hangs_up(refused, asked, keys):
    asked.error = ProtocolError(Refusal.UNAVAILABLE, "the budget is spent")
    refused("ask --keys keys --name alice --images 5 --json", "the budget is spent")
    assert sorted(asked.hung_up) == ["RemoteClientPort", "RemoteModel"]
    assert not asked.clients[0].closed


def test_the_demonstration_has_a_client_of_its_own(shotveil, asked, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert shotveil("ask --demo --images 1")[0] == 0
    (folder,) = tmp_path.glob("shotveil-demo-*")
    assert asked.reached[0][1] == ("127.0.0.1:47101", read_keys(folder, "client-demo"))


NODE = "--keys keys --name alice --device model:client --calibration node.json"


@pytest.mark.parametrize(
    "options, message",
    [
        ("", "neither of --keys and --demo given"),
        ("--keys none --name alice", "cannot be read"),
        ("--keys none", "client = ''; allowed: 1 to 32 letters"),
        ("--keys keys --name a/b", "client = 'a/b'"),
        ("--keys keys --name alice --data-budget 1", "--data-budget is given without --ledger"),
        ("--keys keys --name alice --max-gain 1", "max gain = 1 is outside (1, 1e+06]"),
        ("--keys keys --name alice --images 0", "images = 0 is outside [1, 10000]"),
        ("--keys keys --name alice --images 10001", "images = 10001 is outside [1, 10000]"),
        ("--keys keys --name alice --ledger a.db --data-budget -1", "data budget = -1"),
        ("--keys keys --name alice --client-efficiency 0", "efficiency = 0 is outside"),
        ("--keys keys --name alice --device model:client", "without --calibration; allowed: both"),
        ("--keys keys --name alice --calibration node.json", "without --device"),
        (f"{NODE} --link a:1", "--link is given with --device"),
        (f"{NODE} --batch 256", "--batch is given with --device"),
        (f"{NODE} --check-rate 0", "--check-rate is given with --device"),
        (f"{NODE} --max-gain 1.2", "--max-gain is given with --device"),
        (f"{NODE} --client-efficiency 1", "--client-efficiency is given with --device"),
        (f"{NODE} --client-electronic-noise 0", "--client-electronic-noise is given with"),
    ],
)
def test_refuses(refused, asked, keys, options, message):
    refused(f"ask {options}", message)
    assert asked.reached == []


def test_says_what_is_not_installed(refused, monkeypatch):
    def lacking():
        raise ModuleNotFoundError("grpc is not installed")

    monkeypatch.setattr(f"{MODULE}.require_extra", lacking)
    refused("ask --demo", "grpc is not installed")


def test_labels_of_another_network_are_refused_before_any_light(refused, asked, keys, tmp_path):
    own = tmp_path / "own.npz"
    np.savez(own, X=np.ones((2, 784)), y=[7, 12])
    refused(f"ask --keys {keys} --name alice --data {own}", "label = 12 is no class of the network")
    assert not asked.clients and sorted(asked.hung_up) == ["RemoteClientPort", "RemoteModel"]


def test_a_journal_gets_the_last_images_and_what_was_said_of_them(shotveil, asked, keys, tmp_path):
    asked.checks = 3
    command = f"ask --keys {keys} --name alice --images 20 --journal {tmp_path / 'journal'}"
    assert shotveil(command)[0] == 0
    found = last_entries(tmp_path / "journal")
    assert (found["progress"]["done"], found["progress"]["of"]) == (20, 20)
    labels = load_mnist(None, "test")[1][8:20]
    assert found["answers"]["predictions"] == labels.tolist() and found["answers"]["side"] == 28
    assert found["answers"]["network"] == "small" and max(found["answers"]["pictures"][0]) > 200
    checks = found["checks"]
    assert (checks["count"], checks["variance"], checks["image_bits"]) == (3, 1.23456, 7.891)
