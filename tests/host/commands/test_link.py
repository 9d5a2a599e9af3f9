"""`shotveil link` without its process: what is built, what it says, and what it refuses.

The process itself is in test_parties.py and in tests/host/parties/test_processes.py.
"""

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("grpc")

from shotveil.host.adversaries.attacks import interference, interference_bound
from shotveil.host.parties.keys import make_keys, read_keys
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector

MODULE = "shotveil.host.commands.link"


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path / "keys", [])
    return tmp_path / "keys"


@pytest.fixture
def built(monkeypatch):
    """What a link is made of and told, in the order in which it happens."""
    known = SimpleNamespace(events=[], links=[], ready=[])

    class Link:
        def __init__(self, channel, seed, **how):
            self.channel, self.seed, self.how = channel, seed, how
            known.links.append(self)

        def shut_down(self):
            known.events.append("link is down")

    class Server:
        def stop(self, grace):
            known.events.append(f"server stops within {grace}")
            return SimpleNamespace(wait=lambda: known.events.append("server is down"))

    def serve(link, address, keys):
        known.served = link, address, keys
        return Server(), 1234

    def until_told(what, stop, ready, json, view=None):
        known.ready.append((what, ready, json))
        known.meanwhile()
        stop()

    known.meanwhile = lambda: None
    monkeypatch.setattr("shotveil.host.parties.optical_link.SimulatedLink", Link)
    monkeypatch.setattr("shotveil.host.parties.rpc.serve_link", serve)
    monkeypatch.setattr(f"{MODULE}.run_until_told", until_told)
    monkeypatch.setattr(f"{MODULE}.log_to_stderr", lambda kind: known.events.append("log"))
    monkeypatch.setattr(f"{MODULE}.secrets", SimpleNamespace(randbits=lambda bits: bits + 5))
    return known


def test_what_is_simulated_where_nothing_else_is_asked_for(shotveil, built, keys):
    assert shotveil(f"link --keys {keys}") == (0, "", "")
    (link,) = built.links
    assert link.channel == Channel() and link.seed == 133  # 128 random bits
    assert link.how["symbol_level"] is False and link.how["interference"] is None
    assert built.served == (link, "127.0.0.1:47102", read_keys(keys, "link"))
    ready = {"link": "127.0.0.1:1234", "attack": None}
    assert built.ready == [("link ready at 127.0.0.1:1234", ready, False)]
    assert built.events == ["log", "link is down", "server stops within 2", "server is down"]


def test_every_option_reaches_the_link(shotveil, built, keys):
    code, _, _ = shotveil(
        f"link --keys {keys} --address [::1]:0 --symbol-level --seed 0 --transmittance 0.25 "
        "--excess-noise 0.01 --client-efficiency 0.9"
    )
    (link,) = built.links
    assert code == 0 and link.seed == 0 and link.how["symbol_level"] is True
    assert link.channel == Channel(
        transmittance_out=0.5,
        transmittance_back=0.5,
        excess_noise=0.01,
        client_detector=Detector(0.9),
    )
    assert built.served[1] == "[::1]:0" and built.ready[0][1]["link"] == "[::1]:1234"


def test_with_json_the_end_is_an_event(shotveil, built, keys):
    _, out, _ = shotveil(f"link --keys {keys} --json")
    assert built.ready[0][2] is True
    stopped = {"event": "stopped", "learned_bits": None, "bound_bits": None}
    assert json.loads(out) == stopped


@pytest.mark.parametrize("strength", ["", "--strength 0.25"])
def test_an_adversary_needs_the_light_itself_and_tells_what_it_learned(
    shotveil, built, keys, monkeypatch, strength
):
    tap = type(interference("tap", None))
    monkeypatch.setattr(tap, "learned", lambda self: 0.123456)
    monkeypatch.setattr(tap, "variance", lambda self: 12.0)
    code, out, _ = shotveil(f"link --keys {keys} --attack tap {strength}")
    (link,) = built.links
    adversary = link.how["interference"]
    assert code == 0 and link.how["symbol_level"] is True
    assert adversary.channel()[0] == pytest.approx(0.75 if strength else 0.99)
    most = float(interference_bound(adversary))
    assert (
        out == f"tap learned 0.12346 bits per weight and passage, of {most:.5g} at most (holevo)\n"
    )
    ((what, ready, _),) = built.ready
    assert what == "link ready at 127.0.0.1:1234, under the attack tap"
    assert ready["attack"] == "tap"
    _, out, _ = shotveil(f"link --keys {keys} --attack tap {strength} --json")
    assert json.loads(out) == {"event": "stopped", "learned_bits": 0.123456, "bound_bits": most}


def test_shots_are_added_to_a_file_of_its_owner(shotveil, built, keys, tmp_path):
    path = tmp_path / "shots"

    def meanwhile():
        record = built.links[-1].how["record"]
        record(pb.Shot(session="s", batch=1, layer=2, part=3, first=4, stop=5, images=6))
        record(pb.Light(session="s", batch=1, layer=2, part=3, slots=7, repetitions=8))

    built.meanwhile = meanwhile
    for _ in range(2):
        assert shotveil(f"link --keys {keys} --shots {path}")[0] == 0
    place = {"session": "s", "batch": 1, "layer": 2, "part": 3}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    shot = {**place, "first": 4, "stop": 5, "images": 6}
    assert lines == [shot, {**place, "slots": 7, "repetitions": 8}] * 2
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    assert shotveil(f"link --keys {keys}")[0] == 0  # and without a file nothing is kept
    assert not path.exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ("", "neither of --keys and --demo given; allowed: exactly one of them"),
        ("--demo --keys x", "both of --keys and --demo"),
        ("--keys none", "none/authority.pem cannot be read"),
        ("--keys keys --strength 1", "--strength is given without --attack"),
        ("--keys keys --attack squeezing-server", "is none of entangling-cloner"),
        ("--keys keys --attack tap --strength 2", "2 is outside"),
        ("--keys keys --shots shots --seed -1", "seed = -1 is outside [0, ∞)"),
        ("--keys keys --shots shots --transmittance 2", "transmittance = 2 is outside"),
        ("--keys keys --shots none/shots", "No such file or directory: 'none/shots'"),
    ],
)
def test_refuses(refused, built, keys, options, message):
    refused(f"link {options}", message)
    assert built.links == [] and built.ready == []


def test_an_address_that_cannot_be_used_is_one_line(refused, built, keys, monkeypatch):
    def fails(*_):
        raise OSError("127.0.0.1:1 is in use")

    monkeypatch.setattr("shotveil.host.parties.rpc.serve_link", fails)
    refused("link --keys keys", "shotveil: 127.0.0.1:1 is in use")


def test_says_what_is_not_installed(refused, built, monkeypatch):
    def lacking():
        raise ModuleNotFoundError("grpc is not installed")

    monkeypatch.setattr(f"{MODULE}.require_extra", lacking)
    refused("link --demo", "grpc is not installed")
