"""`shotveil link`, `serve` and `ask` as three processes on loopback."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from host.commands.demo import DATA_BOUND, DATA_BUDGET, WEIGHT_BUDGET
from host.event_log import EventLog
from host.inference import infer
from host.keys import make_keys
from host.odometer import read_accounts
from host.operating_point import within_budgets
from models.mnist import load_mnist
from models.network import load_network
from models.optics import Link

COMMAND = [sys.executable, "-c", "from host.cli import main; main()"]
SEED = 5


class Parties:
    """A folder with keys, and processes that are ended with the test."""

    def __init__(self, folder):
        self.folder, self.children = folder, []
        make_keys(folder, ["alice"])
        self.link = self.start("link", "--seed", str(SEED), "--shots", folder / "shots")
        self.server = ""

    def serve(self, *options):
        ledger = self.folder / "ledger.db"
        self.server = self.start("serve", "--link", self.link, "--ledger", ledger, *options)
        return self.children[-1]

    def start(self, *arguments):
        where = ["--keys", self.folder, "--address", "127.0.0.1:0"]
        child = subprocess.Popen(
            [*COMMAND, *map(str, [*arguments, *where])], stdout=subprocess.PIPE, text=True
        )
        self.children.append(child)
        ready = child.stdout.readline()
        assert " ready at " in ready, ready
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
    three.serve()
    images, labels = load_mnist(None, "test")
    network = load_network("mnist")
    link = within_budgets(
        network, WEIGHT_BUDGET, DATA_BUDGET, DATA_BOUND, Link(gain=2.0, photons=0.0)
    )
    batched = json.loads(three.ask("--images", 1024).stdout)
    expected = infer(network, images[:1024], link, np.random.default_rng(SEED))
    assert batched["predictions"] == expected.predictions.tolist()
    assert batched["accuracy"] == (expected.predictions == labels[:1024]).mean() > 0.95
    single = json.loads(three.ask("--images", 40, "--batch", 1, "--check-rate", 0).stdout)
    print(
        f"\nthree processes: {batched['images_per_second']:.0f} images a second in batches, "
        f"{single['images_per_second']:.1f} one by one"
    )
    assert batched["images_per_second"] >= 200
    assert single["images_per_second"] >= 5
    accounts = read_accounts(three.folder / "ledger.db")
    account = accounts.networks[network.digest]
    assert account.total.copies() >= 1064 * 1578
    assert not accounts.outstanding
    assert [s.ended for s in accounts.sessions.values()] == ["closed by the client"] * 2


def test_refusals_are_one_line_and_cost_nothing(three, tmp_path_factory):
    three.serve("--budget", 0.003)  # less than one row sent 256 times and lost
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
    spent = three.ask("--images", 600, check=False)
    assert spent.returncode == 2 and "with fewer images at once" in spent.stderr
    assert "Traceback" not in spent.stderr + wrong.stderr + missing.stderr
    digest = load_network("mnist").digest
    assert read_accounts(ledger).networks[digest].total.copies() == 0


def test_a_killed_server_leaves_a_whole_ledger_and_no_light_uncharged(three):
    server = three.serve()
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
        log.verify()
        reserved = {
            (e.body["session"], e.body["layer"], e.body["first"], e.body["stop"])
            for e in log.events()
            if e.kind == "reserve"
        }
    for line in shots.read_text().splitlines():
        shot = json.loads(line)
        assert (shot["session"], shot["layer"], shot["first"], shot["stop"]) in reserved
    before = read_accounts(three.folder / "ledger.db")
    three.serve()
    after = json.loads(three.ask("--images", 20).stdout)
    assert after["images"] == 20
    accounts = read_accounts(three.folder / "ledger.db")
    digest = load_network("mnist").digest
    for sense in ("declared", "certified"):
        old = before.networks[digest].total.bits(sense)
        assert accounts.networks[digest].total.bits(sense) >= old
