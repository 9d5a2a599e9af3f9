"""A small network, its link and its parties, as the tests of the parties share them."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.local import LocalModel
from shotveil.host.parties.optical_link import SimulatedLink
from shotveil.host.parties.server import ModelServer, ServerSettings
from shotveil.host.parties.transmitter import transmitter_for
from shotveil.host.verification.monitor import MonitorSettings
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network

SEED = 11
LINK = Link(gain=1.3, photons=6.0)
LINK_OPTIONS = ("record", "symbol_level", "interference")
_RNG = np.random.default_rng(1)
NETWORK = Network(
    "small",
    (
        Layer(_RNG.normal(size=(64, 41)).astype(np.float32), bias=True),
        Layer(_RNG.normal(size=(10, 64)).astype(np.float32)),
    ),
)
IMAGES = _RNG.uniform(size=(600, 40)).astype(np.float32)


@contextmanager
def parties(folder, *, true_link=LINK, seed=SEED, tap=None, budget=None, sense="declared", **kw):
    """Ledger, server, and a function that makes clients; `tap` wraps the link before it is used."""
    monitor = kw.pop("monitor", MonitorSettings())
    with BudgetFilter(folder / "ledger.db", create=True) as ledger:
        ledger.register(NETWORK)
        if budget is not None:
            ledger.set_budget(NETWORK.digest, budget, sense)
        options = {name: kw.pop(name) for name in LINK_OPTIONS if name in kw}
        link = SimulatedLink(true_link, seed, patience=2.0, **options)
        port = tap(link) if tap else link
        transmitter = kw.pop("transmitter", transmitter_for)
        declared = kw.pop("declared", LINK)
        settings = ServerSettings(declared, monitor=monitor, patience=0.5, **kw)
        rng = np.random.default_rng(seed)
        server = ModelServer(NETWORK, settings, ledger, port, rng, transmitter)

        def client(name="alice", **options):
            rng = np.random.default_rng([seed, len(name)])
            return DataClient(LocalModel(server, name), port, rng, **options)

        yield ledger, server, client
        server.shut_down()
