"""`shotveil serve` without its process: what is built of the options, said and refused.

The processes are in test_parties.py and in tests/host/parties/test_processes.py.
"""

import functools
import json
import re
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("grpc")

from shotveil.host.adversaries.attacks import curious_server
from shotveil.host.adversaries.curious_server import CuriousTransmitter
from shotveil.host.commands.parties import DEMO_CLIENT, pins_of
from shotveil.host.commands.serve import DEMO_BUDGET
from shotveil.host.design.clone_budget import clone_budget
from shotveil.host.design.operating_point import within_budgets
from shotveil.host.ledger.accounts import Budget
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.parties.calibration import ServerCalibration
from shotveil.host.parties.keys import make_keys, read_keys
from shotveil.host.parties.server import ServerSettings
from shotveil.host.parties.transmitter import transmitter_for
from shotveil.host.run.extraction_curve import clone_of
from shotveil.host.verification.estimation import Calibration
from shotveil.host.verification.monitor import MonitorSettings
from shotveil.models.drive.spec import Arm
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import load_network

MODULE = "shotveil.host.commands.serve"
CALIBRATION = ServerCalibration(
    Calibration(4.3e6, 1.2e5, 1000, 2000, (16384, 16384), 2, 0.9),
    (Arm(), Arm()),
    full_scale=24.0,
    delay=1352,
    distortion=1e-3,
)
LIGHT = "--gain 1.3 --photons 6"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_keys(tmp_path / "keys", [])
    CALIBRATION.save(tmp_path / "node.json")
    for name in ("a.db", "b.db"):
        BudgetFilter(tmp_path / name, create=True).close()
    return tmp_path / "keys"


@pytest.fixture
def built(monkeypatch):
    """What a server is made of and told, in the order in which it happens."""
    known = SimpleNamespace(events=[], servers=[], ready=[], children=[], nodes=[], says="ready\n")

    class Server:
        def __init__(self, network, settings, ledger, port, rng, transmitter):
            self.network, self.settings, self.ledger = network, settings, ledger
            self.port, self.draw, self.transmitter = port, rng.random(), transmitter
            assert isinstance(ledger, BudgetFilter)
            known.servers.append(self)

        def shut_down(self):
            known.events.append("server is down")

    class Port:
        def __init__(self, address, keys):
            self.address, self.keys = address, keys

        def hang_up(self):
            known.events.append("hung up")

    class Answering:
        def stop(self, grace):
            known.events.append(f"answers end within {grace}")
            return SimpleNamespace(wait=lambda: known.events.append("answers have ended"))

    class Through:
        def __init__(self, *what):
            known.nodes.append(what)

        def close(self):
            known.events.append("light is off")

    class Child:
        def __init__(self, command, **how):
            known.children.append((command, how))
            self.stdout = SimpleNamespace(readline=lambda: known.says)

        def terminate(self):
            known.events.append("link is told to end")

        def wait(self):
            known.events.append("link has ended")

    def serve(server, address, keys, also, revoked):
        assert len(also) == 1  # the health service
        known.served = server, address, keys
        return Answering(), 1234

    def until_told(what, stop, ready, json, drain, view=None):
        known.ready.append((what, ready, json))
        known.meanwhile()
        stop()

    known.meanwhile = lambda: None
    monkeypatch.setattr("shotveil.host.parties.server.ModelServer", Server)
    monkeypatch.setattr("shotveil.host.parties.rpc.RemoteServerPort", Port)
    monkeypatch.setattr("shotveil.host.parties.rpc.serve_model", serve)
    monkeypatch.setattr("shotveil.host.parties.node_transmitter.NodeTransmitter", Through)
    monkeypatch.setattr(f"{MODULE}.run_until_told", until_told)
    monkeypatch.setattr(f"{MODULE}.reach", lambda url: f"what opens {url}")
    monkeypatch.setattr(f"{MODULE}.log_to_stderr", lambda kind: known.events.append("log"))
    monkeypatch.setattr(f"{MODULE}.secrets", SimpleNamespace(randbits=lambda bits: bits + 5))
    monkeypatch.setattr(f"{MODULE}.subprocess.Popen", Child)
    return known


def test_what_is_served_where_nothing_else_is_asked_for(shotveil, built, keys):
    code, out, err = shotveil("serve --keys keys --ledger a.db")
    (server,) = built.servers
    network = load_network("mnist")
    assert server.network.digest == network.digest
    link = within_budgets(network, 0.05, 0.01, "holevo", Channel())
    assert server.settings == ServerSettings(link, 1 / 16, MonitorSettings())
    assert server.draw == np.random.default_rng(133).random()  # 128 random bits
    assert server.transmitter is transmitter_for
    own = read_keys(keys, "server")
    assert (server.port.address, server.port.keys) == ("127.0.0.1:47102", own)
    assert built.served == (server, "127.0.0.1:47101", own)
    ready = {
        "network": "mnist",
        "digest": network.digest,
        "server": "127.0.0.1:1234",
        "ledger": "a.db",
        "device": None,
        "attack": None,
        "metrics": None,
    }
    # Nothing but what a clone takes limits a network that is new to the ledger.
    follows = clone_budget(network, link)
    assert (code, out, err) == (0, f"budget {follows}; --budget sets another\n", "")
    ready["budget"] = {"bits": follows.bits, "sense": "declared"}
    clone = clone_of(network.digest, follows.inferences, [link.f2])
    ready["extraction"] = asdict(clone)
    assert clone.as_good_after == follows.inferences
    assert built.ready == [("mnist ready at 127.0.0.1:1234, ledger a.db", ready, False)]
    assert built.events == [
        "log",
        "answers end within 2",
        "answers have ended",
        "server is down",
        "hung up",
    ]
    account = read_accounts(keys.parent / "a.db").networks[network.digest]
    assert account.budget == Budget(follows.bits, "declared")
    assert account.default_client_budget == Budget(follows.bits / 4, "declared")
    assert built.children == []


def test_what_a_server_says_of_its_budget(shotveil, built, keys, network_file, small_network):
    """Only a network that is new to the ledger, and has a curve, gets a budget by itself."""
    light = f"serve --keys keys {LIGHT}"
    _, out, _ = shotveil(f"{light} --ledger a.db --network {network_file}")
    assert out == "no budget: any number of inferences, and so any clone, is allowed\n"
    _, out, _ = shotveil(f"{light} --ledger a.db --budget 3 --network {network_file}")
    assert re.fullmatch(r"budget 3 bits per weight \(certified\), at most [\d,]+ inferences\n", out)
    _, out, _ = shotveil(f"{light} --ledger b.db --budget 3")
    assert re.fullmatch(
        r"budget 3 bits per weight \(certified\), at most ([\d,]+) inferences: "
        r"a clone of 9\d.\d% is possible after \1 inferences \(original 99.6%\), "
        r"one within 1 point of it after [\d,]+\n",
        out,
    )
    # A budget that the owner lifted stays lifted.
    with BudgetFilter(keys.parent / "b.db") as ledger:
        ledger.set_budget(load_network("mnist").digest, None, "declared")
    _, out, _ = shotveil(f"{light} --ledger b.db")
    assert out.startswith("no budget: ")
    assert built.ready[-1][1]["budget"] is built.ready[-1][1]["extraction"] is None


def test_every_option_reaches_the_server(shotveil, built, keys, network_file, small_network):
    code, out, _ = shotveil(
        f"serve --keys keys --ledger a.db --network {network_file} --address [::1]:0 --link b:2 "
        "--budget 3 --client-budget 2 --sense certified --gain 1.5 --f2 2 --transmittance 0.64 "
        "--server-efficiency 0.9 --decoy-rate 0.25 --false-alarm-probability 0.001 "
        "--failure-probability 0.01 --peak 8 --json"
    )
    assert code == 0 and json.loads(out) == {"event": "stopped", "ledger": "a.db"}
    (server,) = built.servers
    settings = server.settings
    assert settings.link.gain == 1.5 and settings.link.f2 == pytest.approx(2)
    assert settings.link.transmittance_out == settings.link.transmittance_back == 0.8
    assert settings.link.server_detector == Detector(0.9) and settings.decoy_rate == 0.25
    assert settings.monitor == MonitorSettings(
        false_alarm_probability=0.001, failure_probability=0.01, peak=8.0
    )
    assert server.port.address == "b:2" and built.served[1] == "[::1]:0"
    ((_, ready, as_json),) = built.ready
    assert ready["server"] == "[::1]:1234" and ready["network"] == "small" and as_json is True
    account = read_accounts(keys.parent / "a.db").networks[small_network.digest]
    assert account.budget == Budget(3.0, "certified")
    assert account.default_client_budget == Budget(2.0, "certified")


def test_budgets_are_certified_unless_declared_is_asked_for(shotveil, built, keys, network_file):
    line = f"serve --keys keys --network {network_file} {LIGHT}"
    for option, sense in (("", "certified"), ("--sense declared", "declared")):
        ledger = keys.parent / f"{sense}.db"
        EventLog(ledger, create=True).close()
        assert shotveil(f"{line} --ledger {ledger} --budget 0 {option}")[0] == 0
        (account,) = read_accounts(ledger).networks.values()
        assert account.budget == account.default_client_budget == Budget(0.0, sense)


def test_the_channel_is_declared_where_the_light_is_not(shotveil, built, keys, network_file):
    line = f"serve --keys keys --ledger a.db --network {network_file} --transmittance 0.25"
    assert shotveil(line)[0] == 0
    channel = Channel(transmittance_out=0.5, transmittance_back=0.5)
    expected = within_budgets(load_network(network_file), 0.05, 0.01, "holevo", channel)
    assert built.servers[0].settings.link == expected


def test_a_node_of_ones_own(shotveil, built, keys, network_file):
    built.meanwhile = lambda: built.servers[0].transmitter("port", "rng")
    code, _, _ = shotveil(
        f"serve --keys keys --ledger a.db --network {network_file} {LIGHT} --excess-noise 0.01 "
        "--device model:server --calibration node.json"
    )
    assert code == 0
    (server,) = built.servers
    declared = Link(1.3, 6.0, excess_noise=0.01)
    link = replace(
        declared,
        excess_noise=0.01 + 1e-3 * declared.modulation_variance,
        server_detector=CALIBRATION.receiver.receiver,
    )
    assert server.settings == ServerSettings(link, sessions=1, idle=10.0)
    assert link.server_detector.efficiency == 0.9 / 2  # of either quadrature
    assert server.port == "what opens model:server"
    assert built.nodes == [("port", "rng", CALIBRATION)]
    ((what, ready, _),) = built.ready
    assert what == "small ready at 127.0.0.1:1234, ledger a.db, light through model:server"
    assert ready["device"] == "model:server"
    assert built.events[-1] == "light is off" and "hung up" not in built.events


def test_a_dishonest_server(shotveil, built, keys, network_file):
    line = f"serve --keys keys --ledger a.db --network {network_file} {LIGHT}"
    assert shotveil(f"{line} --attack squeezing-server --strength 0.25")[0] == 0
    (server,) = built.servers
    strong = curious_server("squeezing-server", 0.25)
    assert strong.variance != curious_server("squeezing-server", None).variance
    assert isinstance(server.transmitter, functools.partial)
    assert server.transmitter.func is CuriousTransmitter
    assert server.transmitter.keywords["link"] == Link(1.3, 6.0)
    assert server.transmitter.keywords["server"].variance == strong.variance
    ((what, ready, _),) = built.ready
    assert what == "small ready at 127.0.0.1:1234, ledger a.db, under the attack squeezing-server"
    assert ready["attack"] == "squeezing-server"


# The demonstration -------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{MODULE}.folder_of", lambda keys, demo: tmp_path / "keys")
    return tmp_path / "keys"


@pytest.mark.parametrize("budget, bits", [("", 8.0), ("--budget 3", 3.0)])
def test_it_has_a_ledger_a_budget_and_a_link_of_its_own(
    shotveil, built, keys, demo, network_file, small_network, budget, bits
):
    line = f"serve --demo --network {network_file} --link a:1 {LIGHT} {budget}"
    assert shotveil(line)[0] == 0 and DEMO_BUDGET == 8
    account = read_accounts(demo / "ledger.db").networks[small_network.digest]
    assert account.budget == Budget(bits, "certified")
    ((command, how),) = built.children
    assert command[0] == sys.executable and how["text"]
    assert command[3:] == ["link", "--demo", "--json", "--address", "a:1"]
    assert built.events[-3:] == ["hung up", "link is told to end", "link has ended"]


def test_each_demonstration_begins_with_a_new_ledger(
    shotveil, built, keys, demo, network_file, small_network
):
    line = f"serve --demo --network {network_file} --link a:1 {LIGHT}"
    pins = pins_of(demo, DEMO_CLIENT)
    pins.write_text("{}")
    for budget in (3.0, 5.0):  # a limit of an older ledger could only be raised by its owner
        assert shotveil(f"{line} --budget {budget}")[0] == 0
        account = read_accounts(demo / "ledger.db").networks[small_network.digest]
        assert account.budget == Budget(budget, "certified") and not pins.exists()


def test_a_second_demonstration_leaves_the_ledger_of_the_first(
    refused, built, keys, demo, network_file
):
    with EventLog(demo / "ledger.db", create=True):
        refused(
            f"serve --demo --network {network_file} {LIGHT}",
            f"ledger {demo / 'ledger.db'} is in use by another process; allowed: one",
        )


def test_a_ledger_that_is_named_has_no_budget_of_the_demonstration(
    shotveil, built, keys, demo, network_file, small_network
):
    assert shotveil(f"serve --demo --network {network_file} {LIGHT} --ledger a.db")[0] == 0
    account = read_accounts(keys.parent / "a.db").networks[small_network.digest]
    assert account.budget is None and len(built.children) == 1


def test_a_node_needs_no_link(shotveil, built, keys, demo, network_file):
    node = "--device model:server --calibration node.json"
    assert shotveil(f"serve --demo --network {network_file} {LIGHT} {node}")[0] == 0
    assert built.children == []


def test_a_link_that_does_not_start_is_refused(refused, built, keys, demo, network_file):
    built.says = ""
    refused(
        f"serve --demo --network {network_file} {LIGHT} --link a:1",
        "the link at a:1 did not start; is another one running there?",
    )
    assert built.servers == [] and built.events[-1] == "link has ended"


def test_the_link_ends_where_the_server_is_refused(
    shotveil, built, keys, demo, network_file, monkeypatch
):
    def fails(*_):
        raise OSError("127.0.0.1:47101 is in use")

    monkeypatch.setattr("shotveil.host.parties.rpc.serve_model", fails)
    code, out, err = shotveil(f"serve --demo --network {network_file} {LIGHT} --json")
    assert (code, out, err) == (2, "", "shotveil: 127.0.0.1:47101 is in use\n")
    assert built.events[-3:] == ["hung up", "link is told to end", "link has ended"]


# Refusals ----------------------------------------------------------------------------------------

KEYS = "--keys keys --ledger a.db"
NODE = f"{KEYS} --device model:server --calibration node.json"


@pytest.mark.parametrize(
    "options, message",
    [
        ("", "neither of --keys and --demo given"),
        ("--keys none --ledger a.db", "cannot be read"),
        ("--keys keys", "neither --ledger nor --demo is given; allowed: a file as --ledger"),
        (f"{KEYS} --strength 1", "--strength is given without --attack"),
        (f"{KEYS} --attack tap", "is none of counting-server"),
        (f"{KEYS} --photons 6", "--photons or --f2 given without --gain; allowed: both or neither"),
        (f"{KEYS} --f2 6", "--photons or --f2 given without --gain"),
        (f"{KEYS} --gain 1 --photons 6", "gain = 1 is outside (1, 1e+06]"),
        (f"{KEYS} --gain 1.3", "neither of --photons and --f2 given"),
        (f"{KEYS} {LIGHT} --decoy-rate 0", "= 0 is outside (0, 1]"),
        (f"{KEYS} {LIGHT} --peak 0.5", "= 0.5 is outside"),
        (f"{KEYS} {LIGHT} --network none", "network none is not found"),
        (f"{KEYS} {LIGHT} --device model:server", "without --calibration; allowed: both"),
        (f"{KEYS} {LIGHT} --calibration node.json", "without --device"),
        (NODE, "--gain is not given with --device; allowed: the gain that the client is set to"),
        (f"{NODE} {LIGHT} --link a:1", "--link is given with --device"),
        (f"{NODE} {LIGHT} --attack counting-server", "--attack is given with --device"),
        (f"{NODE} {LIGHT} --strength 1", "--strength is given with --device"),
        (f"{NODE} {LIGHT} --phase-error 0", "--phase-error is given with --device"),
        (f"{NODE} {LIGHT} --server-efficiency 1", "--server-efficiency is given with --device"),
        (f"{NODE} {LIGHT} --server-electronic-noise 0", "--server-electronic-noise is given"),
    ],
)
def test_refuses(refused, built, keys, options, message):
    refused(f"serve {options}", message)
    assert built.servers == built.children == []


def test_a_strength_without_an_attack_starts_no_link(refused, built, keys, demo):
    refused("serve --demo --strength 1", "--strength is given without --attack")
    assert built.children == []


def test_says_what_is_not_installed(refused, monkeypatch):
    def lacking():
        raise ModuleNotFoundError("grpc is not installed")

    monkeypatch.setattr(f"{MODULE}.require_extra", lacking)
    refused("serve --demo", "grpc is not installed")


def test_a_network_that_is_charged_to_a_relative_has_its_budget(
    shotveil, built, keys, network_file, small_network, tmp_path
):
    line = f"serve --keys keys --ledger a.db {LIGHT}"
    assert shotveil(f"{line} --network {network_file} --budget 3")[0] == 0
    weights = [layer.weights + 1e-3 for layer in small_network.layers]
    layers = tuple(
        replace(layer, weights=each)
        for layer, each in zip(small_network.layers, weights, strict=True)
    )
    replace(small_network, name="again", layers=layers).save(tmp_path / "again.npz")
    code, _, err = shotveil(f"{line} --network {tmp_path}/again.npz --json")
    assert (code, err) == (0, "")
    assert built.ready[-1][1]["budget"] == {"bits": 3.0, "sense": "certified"}
