"""`shotveil link`, `serve` and `ask` as three processes on loopback."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from shotveil.host.commands.demo import DATA_BUDGET, WEIGHT_BUDGET
from shotveil.host.design.operating_point import within_budgets
from shotveil.host.leakage.default_bounds import DATA_BOUND
from shotveil.host.ledger.accounts import Accounts
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.parties.keys import make_keys
from shotveil.host.parties.server import disclosed_bits
from shotveil.host.run.inference import infer
from shotveil.models.link.channel import Channel
from shotveil.models.link.encoding import encode_rows
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network

COMMAND = [sys.executable, "-c", "from shotveil.host.commands.cli import main; main()"]
SEED = 5
AMPLE = "--budget", 1000  # bits per weight, so that no budget ends a test before it should


class Parties:
    """A folder with keys, and processes that are ended with the test."""

    def __init__(self, folder, *of_link):
        self.folder, self.children = folder, []
        make_keys(folder, ["alice"])
        self.link = self.start("link", "--seed", str(SEED), "--shots", folder / "shots", *of_link)
        self.server = ""

    def serve(self, *options):
        ledger = self.folder / "ledger.db"
        if not ledger.exists():
            EventLog(ledger, create=True).close()
        self.server = self.start("serve", "--link", self.link, "--ledger", ledger, *options)
        return self.children[-1]

    def start(self, *arguments):
        where = ["--keys", self.folder, "--address", "127.0.0.1:0"]
        child = subprocess.Popen(
            [*COMMAND, *map(str, [*arguments, *where])], stdout=subprocess.PIPE, text=True
        )
        self.children.append(child)
        ready = child.stdout.readline()
        while " ready at " not in ready:  # a server says first what its budget is
            assert ready, "it never got ready"
            ready = child.stdout.readline()
        return ready.split(" ready at ")[1].split()[0].rstrip(",")

    def ask(self, *options, check=True):
        where = ["--keys", self.folder, "--server", self.server, "--link", self.link]
        return subprocess.run(
            [*COMMAND, "ask", *map(str, where), "--name", "alice", "--json", *map(str, options)],
            capture_output=True,
            text=True,
            check=check,
        )

    def stop(self):
        for child in self.children[::-1]:
            child.terminate()
        for child in self.children:
            assert child.wait(20) in (0, -9)
            child.stdout.close()


@pytest.fixture
def three(tmp_path):
    found = Parties(tmp_path)
    yield found
    found.stop()


def test_mnist_through_three_processes_gives_the_in_process_predictions(three):
    three.serve(*AMPLE)
    images, labels = load_mnist(None, "test")
    network = load_network("mnist")
    link = within_budgets(network, WEIGHT_BUDGET, DATA_BUDGET, DATA_BOUND, Channel())
    batched = json.loads(three.ask("--images", 1024).stdout)
    expected = infer(network, images[:1024], link, np.random.default_rng(SEED))
    assert batched["predictions"] == expected.predictions.tolist()
    assert batched["accuracy"] == (expected.predictions == labels[:1024]).mean() > 0.95
    single = json.loads(three.ask("--images", 40, "--batch", 1, "--check-rate", 0).stdout)
    print(
        f"\nthree processes: {batched['images_per_second']:.0f} images a second in batches, "
        f"{single['images_per_second']:.1f} one by one"
    )
    assert batched["images_per_second"] >= 20  # of a busy machine
    assert single["images_per_second"] >= 5
    accounts = read_accounts(three.folder / "ledger.db")
    account = accounts.networks[network.digest]
    assert account.total.copies() >= 1064 * 1578
    assert not accounts.outstanding
    assert [s.ended for s in accounts.sessions.values()] == ["closed by the client"] * 2


def test_refusals_are_one_line_and_cost_nothing(three, tmp_path_factory):
    # Room for a session, and for less than one row sent 256 times and lost.
    network = load_network("mnist")
    told = disclosed_bits([encode_rows(layer.weights, 1.0) for layer in network.layers])
    three.serve("--budget", told / network.weights + 0.002, "--client-share", 1)
    ledger = three.folder / "ledger.db"
    other = tmp_path_factory.mktemp("other")
    make_keys(other, ["alice"])
    before = read_accounts(ledger)
    wrong = subprocess.run(
        [*COMMAND, "ask", "--keys", str(other), "--name", "alice", "--images", "5"]
        + ["--server", three.server, "--link", three.link],
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 2 and "certificate was refused" in wrong.stderr
    missing = three.ask("--images", 5, "--network", "nothing", check=False)
    assert missing.returncode == 2 and "is not served; allowed: mnist" in missing.stderr
    assert read_accounts(ledger).sessions == before.sessions == {}
    spent = three.ask("--images", 512, check=False)
    assert spent.returncode == 2 and "with fewer images at once" in spent.stderr
    assert "Traceback" not in spent.stderr + wrong.stderr + missing.stderr
    digest = load_network("mnist").digest
    assert read_accounts(ledger).networks[digest].total.copies() == 0


def test_a_killed_server_leaves_a_whole_ledger_and_no_light_uncharged(three):
    server = three.serve(*AMPLE)
    client = subprocess.Popen(
        [*COMMAND, "ask", "--keys", str(three.folder), "--name", "alice", "--images", "10000"]
        + ["--server", three.server, "--link", three.link],
        stderr=subprocess.PIPE,
        text=True,
    )
    shots = three.folder / "shots"
    deadline = time.monotonic() + 60
    while not shots.exists() or shots.read_text().count("\n") < 20:
        assert time.monotonic() < deadline and client.poll() is None
        time.sleep(0.05)
    server.kill()
    _, error = client.communicate(timeout=60)
    assert client.returncode == 2 and "Traceback" not in error
    with EventLog(three.folder / "ledger.db", writable=False) as log:
        killed = log.verify().sequence
        reserved = {
            (e.body["session"], e.body["layer"], e.body["first"], e.body["stop"])
            for e in log.events()
            if e.kind == "reserve"
        }
    for line in shots.read_text().splitlines():
        shot = json.loads(line)
        assert (shot["session"], shot["layer"], shot["first"], shot["stop"]) in reserved
    three.serve(*AMPLE)
    after = json.loads(three.ask("--images", 20).stdout)
    assert after["images"] == 20
    accounts = read_accounts(three.folder / "ledger.db")
    digest = load_network("mnist").digest
    before = Accounts()  # without what the new server took back, as it had not left
    with EventLog(three.folder / "ledger.db", writable=False) as log:
        for event in log.events():
            back = event.kind == "settle" and event.body["reserve"] <= killed
            if event.sequence <= killed or back:
                before.apply(event)
    for sense in ("declared", "certified"):
        old = before.networks[digest].total.bits(sense)
        assert accounts.networks[digest].total.bits(sense) >= old


@pytest.fixture
def small(tmp_path):
    rng = np.random.default_rng(1)
    shapes = (24, 784), (10, 24)
    layers = tuple(Layer(rng.normal(size=shape).astype(np.float32)) for shape in shapes)
    Network("small", layers).save(tmp_path / "small.npz")
    return ["--network", tmp_path / "small.npz", "--gain", 1.3, "--photons", 6]


def test_an_adversary_in_the_links_process_is_refused_by_the_server(tmp_path, small):
    three = Parties(tmp_path, "--attack", "tap", "--strength", 0.2)
    try:
        three.serve(*small, *AMPLE)
        answer = three.ask("--images", 200, "--batch", 20, check=False)
        assert answer.returncode == 2 and "less transmittance than declared" in answer.stderr
        link = three.children[0]
        link.terminate()
        said = link.stdout.read()
        assert "tap learned" in said and "at most (holevo)" in said
        learned, bound = (float(said.split(word)[1].split()[0]) for word in ("learned", "of "))
        assert 0 < learned < bound
    finally:
        three.stop()


def test_a_server_that_squeezes_is_refused_by_the_client(tmp_path, small):
    three = Parties(tmp_path, "--symbol-level")
    try:
        three.serve(*small, *AMPLE, "--attack", "squeezing-server")
        answer = three.ask("--images", 200, "--check-rate", 0.1, check=False)
        assert answer.returncode == 2 and "the server's light is refused" in answer.stderr
    finally:
        three.stop()
