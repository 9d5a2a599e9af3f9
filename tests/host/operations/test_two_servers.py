"""Two servers with one ledger: clients at both, and one that is replaced while they are served."""

import signal
from contextlib import ExitStack

import numpy as np
import pytest

pytest.importorskip("grpc")
pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

from shotveil.host.ledger.checkpoints import Checkpoint, require_part_of
from shotveil.host.ledger.odometer import read_accounts
from shotveil.host.ledger.stores import make_ledger, open_log
from shotveil.host.protocol.wire import ProtocolError, Refusal
from tests.host.operations.processes import OneServer


def test_a_rolling_restart_loses_no_batch_and_charges_none_twice(database, tmp_path, small_network):
    make_ledger(database)
    images = np.random.default_rng(1).uniform(size=(24, 784)).astype(np.float32)
    served, signalled = 0, False
    with ExitStack() as stack:
        (tmp_path / "parties").mkdir()
        servers = [
            stack.enter_context(OneServer(tmp_path / "parties", small_network, ledger=database))
            for _ in range(2)
        ]
        first, second = servers

        def progress(_):
            nonlocal signalled
            if not signalled:
                first.server.send_signal(signal.SIGTERM)
                signalled = True

        checkpoint = ""
        for _ in range(3):
            # Whoever finds a server that drains asks the next one, with its receipt.
            for server in servers:
                try:
                    client = server.client(in_flight=1, checkpoint=checkpoint)
                    break
                except ProtocolError as error:
                    assert error.refusal is Refusal.UNAVAILABLE and server is first
            assert client.classify(images, batch=4, progress=progress).shape == (24, 10)
            receipt = client.close()
            served += receipt.images
            checkpoint = receipt.checkpoint
            for port in client.ports:
                port.hang_up()
        assert first.ended(first.server) == 0
        assert "images_total 48.0" in second.metrics()
    accounts = read_accounts(database)
    rows = sum(layer.rows for layer in small_network.layers)
    assert served == 72 and not accounts.outstanding
    assert accounts.networks[small_network.digest].total.copies() == 72 * rows
    assert {s.ended for s in accounts.sessions.values()} == {"closed by the client"}
    assert len({s.server for s in accounts.sessions.values()}) == 2
    # The client was the same one throughout: its sessions have one standing, and so one evidence.
    assert len({s.standing for s in accounts.sessions.values()}) == 1
    with open_log(database, writable=False) as log:
        assert log.verify().sequence == log.head.sequence
        require_part_of(log, Checkpoint.parse(checkpoint))
