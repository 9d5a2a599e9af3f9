"""The backend `parties`: server, client and link in one process, with ledger and verification."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.local import LocalModel
from shotveil.host.parties.optical_link import SimulatedLink
from shotveil.host.parties.server import ModelServer, ServerSettings
from shotveil.host.run.backends import InferenceResult, InferenceTask
from shotveil.host.run.inference import Inference
from shotveil.models.link.light import links_of


def parties(task: InferenceTask) -> InferenceResult:
    """Run `task` between a server that has no plan and a client that has no weights.

    The server keeps a ledger without a budget, which is forgotten afterwards, and ends the session
    where verification refuses the light. Its sums stay with it, so the result has no statistics.
    Raises `ProtocolError` where a party refuses, and `RangeError` for images that do not fit.
    """
    fibre = links_of(task.link, len(task.network.layers))[0]
    link = SimulatedLink(fibre, task.seed, symbol_level=task.symbol_level)
    rng = np.random.default_rng(task.seed)
    client_rng, server_rng = rng.spawn(2)
    network, part = task.network.server_part, task.network.client_part
    with (
        tempfile.TemporaryDirectory() as folder,
        BudgetFilter(Path(folder) / "ledger.db") as ledger,
    ):
        server = ModelServer(network, ServerSettings(task.link), ledger, link, server_rng)
        try:
            client = DataClient(
                LocalModel(server, "client"),
                link,
                client_rng,
                plan=part.plan,
                detector=fibre.client_detector,
            )
            outputs = client.classify(task.images, progress=task.progress)
            client.close()
        finally:
            server.shut_down()
    return InferenceResult(Inference(outputs, ()), task.link, task.symbol_level)
