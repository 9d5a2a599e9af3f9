"""Two parties, each with a node of its own: simulated gateware behind TCP, light in between."""

import json
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.parties.keys import make_keys
from shotveil.host.run.inference import infer
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop import light

pytest.importorskip("shotveil.sim.loop.node_device")

COMMAND = [sys.executable, "-c", "from shotveil.host.commands.cli import main; main()"]
GAIN, PHOTONS, TRANSMITTANCE = 1.3, 6.0, 0.8
IMAGES, ROWS = 2, 8


def network_of(images):
    """784-8-2: even rows of the first layer meet one image and not the other, odd rows the other;
    the outputs tell which. Beyond that the rows are Gaussian."""
    rng = np.random.default_rng(1)
    pair = images[:2] / np.linalg.norm(images[:2], axis=1, keepdims=True)
    overlap = pair[0] @ pair[1]
    meets = pair - overlap * pair[::-1]
    meets /= np.linalg.norm(meets, axis=1, keepdims=True)
    rows = rng.normal(size=(ROWS, 784)) + 6 * meets[np.arange(ROWS) % 2]
    which = np.where(np.arange(ROWS) % 2, -1, 1)
    outputs = np.stack([which, -which])
    return Network("small", (Layer(rows.astype(np.float32)), Layer(outputs.astype(np.float32))))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Files of both parties, and the URLs of nodes with a lossy loop between them."""
    folder = tmp_path_factory.mktemp("lab")
    way = TRANSMITTANCE**0.5
    lossy = Impairments(transmittance_out=way, transmittance_back=way)
    made = light.calibrate(GAIN, 24.0, lossy, record_frames=200)
    made.save(folder)
    make_keys(folder, ["alice"])
    images, _ = load_mnist(None, "test")
    network = network_of(images)
    network.save(folder / "small.npz")
    np.savez(folder / "images.npz", X=images[:IMAGES], y=np.arange(IMAGES))
    over = threading.Event()
    listeners = tuple(socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    lockstep = light.LiveNodes(made.table)
    thread = threading.Thread(target=light.serve, args=(lockstep, listeners, over.is_set))
    thread.start()
    urls = [f"tcp:127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    yield folder, urls, network, images
    over.set()
    thread.join(20)
    for listener in listeners:
        listener.close()
    assert not thread.is_alive()


class Served:
    """A server's process, with a ledger in the lab."""

    def __init__(self, lab, ledger, *options):
        self.folder, urls, _, _ = lab
        self.ledger, self.client = self.folder / ledger, urls[1]
        EventLog(self.ledger, create=True).close()
        where = ["--keys", self.folder, "--address", "127.0.0.1:0", "--ledger", self.ledger]
        node = ["--device", urls[0], "--calibration", self.folder / "server.json"]
        what = ["--network", self.folder / "small.npz", "--gain", GAIN, "--photons", PHOTONS]
        command = [*COMMAND, "serve", *where, *node, *what, "--decoy-rate", 1, *options]
        self.child = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        # A server says first what its budget is.
        ready = next((line for line in self.child.stdout if " ready at " in line), None)
        assert ready is not None, self.child.stderr.read()
        self.address = ready.split(" ready at ")[1].split(",")[0]
        return self

    def ask(self, *options):
        where = ["--keys", self.folder, "--server", self.address, "--name", "alice", "--json"]
        node = ["--device", self.client, "--calibration", self.folder / "client.json"]
        node += ["--data", self.folder / "images.npz"]
        return subprocess.run(
            [*map(str, [*COMMAND, "ask", *where, *node, *options])], capture_output=True, text=True
        )

    def __exit__(self, *_):
        self.child.terminate()
        _, self.said = self.child.communicate(timeout=20)
        assert self.child.returncode == 0, self.said


def test_predictions_and_ledger_are_those_of_the_declared_link(lab):
    _, _, network, images = lab
    link = Link(
        GAIN, PHOTONS, transmittance_out=TRANSMITTANCE**0.5, transmittance_back=TRANSMITTANCE**0.5
    )
    often = infer(network, images[:IMAGES].repeat(500, 0), link, np.random.default_rng(2))
    expected = often.predictions.reshape(IMAGES, -1)
    assert (expected == expected[:, :1]).mean() > 0.999, "the light has to decide this"
    with Served(lab, "honest.db", "--transmittance", TRANSMITTANCE) as server:
        answer = server.ask("--images", IMAGES)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["predictions"] == expected[:, 0].tolist()
    accounts = read_accounts(server.ledger)
    (session,) = accounts.sessions.values()
    assert session.ended == "closed by the client" and not accounts.outstanding
    account = accounts.networks[network.digest]
    assert account.total.copies() == IMAGES * (ROWS + 2)
    # Of what its node's sums say, rounded up to an eighth of a decade of 1 − T.
    assert 0.7 < session.channels[0].estimated.transmittance < 0.85


def test_loss_that_was_not_declared_is_refused_and_stays_charged(lab):
    _, _, network, _ = lab
    with Served(lab, "lossy.db") as server:
        answer = server.ask("--images", 1)
    assert answer.returncode == 2 and "Traceback" not in answer.stderr
    assert "less transmittance than declared" in answer.stderr
    accounts = read_accounts(server.ledger)
    (session,) = accounts.sessions.values()
    assert session.ended.startswith("ABORTED: verification refused")
    (lost,) = accounts.outstanding.values()
    assert (lost.first, lost.stop) == (0, ROWS)
    assert accounts.networks[network.digest].total.copies() == ROWS


def test_nodes_in_the_wrong_seats_and_missing_files_are_one_line(lab):
    folder, (server, client), _, _ = lab

    def said(*command):
        done = subprocess.run([*COMMAND, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        return done.stderr

    EventLog(folder / "w.db", create=True).close()
    where = ["--keys", folder, "--gain", GAIN, "--photons", PHOTONS, "--ledger", folder / "w.db"]
    known = ["--calibration", folder / "server.json"]
    assert "is a client's; allowed: a server's" in said("serve", *where, "--device", client, *known)
    assert "without --calibration" in said("serve", *where, "--device", server)
    assert "is of a server; allowed: a client's" in said(
        "ask", "--keys", folder, "--name", "alice", "--device", client, *known
    )


def test_a_table_is_calibrated_within_what_receivers_hold():
    with pytest.raises(ValueError, match=r"full scale = 60 is outside \(0, 29"):
        light.calibrate(GAIN, 60.0, Impairments())
    dim = replace(Impairments(), transmittance_back=0.25)
    assert light.brightest(dim) == pytest.approx(2 * light.brightest(Impairments()))


def test_the_delay_of_a_fibre_is_the_same_whatever_symbols_last():
    """It is found in samples, less a frame, which is shorter with 2 samples a symbol."""
    delays = {}
    for samples in (2, 4):
        made = light.calibrate(GAIN, 12.0, Impairments(), 1, 100, samples)
        assert made.table.samples_per_symbol == samples
        delays[samples] = made.server.delay
    assert delays[2] == delays[4]
