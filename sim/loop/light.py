"""Two simulated nodes with light between them, each behind a TCP port, and their calibration.

    shotveil lab light --gain 1.3 --calibration lab
    shotveil serve --demo --device tcp:127.0.0.1:7001 --calibration lab/server.json --gain 1.3 …
    shotveil ask   --demo --device tcp:127.0.0.1:7002 --calibration lab/client.json

Both nodes are their gateware (`sim.loop.live`). Their time passes while either host waits for
bytes, and stops while neither sends anything. A node serves one host at a time and keeps its state.
"""

from __future__ import annotations

import math
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shotveil.host.parties.calibration import ClientCalibration, ServerCalibration
from shotveil.models.common.checks import require
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.link.optics import split_transmittance
from shotveil.models.networks.network import Layer, Network
from shotveil.models.node.spec import NodeSpec
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop.backend import PRESETS
from shotveil.sim.loop.bench import calibrated
from shotveil.sim.loop.live import BLOCK, DELAY, LiveNodes, Party, Table
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import LoopSettings, prepare

QUIET = 4 * BLOCK  # clocks for which time goes on after the last byte; an answer takes fewer
PROBE_ROWS, PROBE_WEIGHTS = 24, 784  # Gaussian rows with which full scale is calibrated
RECORD_FRAMES = 2000
MARGIN = 0.9  # share of the receiver's range to use; the rest is for noise and imbalance
SERVER_FILE, CLIENT_FILE = "server.json", "client.json"


@dataclass(frozen=True)
class Calibrated:
    """A table after its calibration, and what each party has to know about its own side."""

    table: Table
    server: ServerCalibration
    client: ClientCalibration

    def save(self, folder: Path) -> None:
        """Write `server.json` and `client.json`."""
        self.server.save(folder / SERVER_FILE)
        self.client.save(folder / CLIENT_FILE)


def calibrate(
    gain: float,
    full_scale: float,
    impairments: Impairments,
    seed: int = 1,
    record_frames: int = RECORD_FRAMES,
    samples_per_symbol: int = 4,
) -> Calibrated:
    """Calibrate a table with Gaussian rows of as much light as its full scale allows.

    The records come from the models, which give the same bits as the gateware would. The vacuum and
    the dark record have `record_frames` frames of 432 symbols each; longer records give a more
    accurate shot-noise unit.
    """
    require("record frames", record_frames, at_least=100, integer=True)
    most = brightest(impairments, samples_per_symbol)
    require("full scale", full_scale, above=0, at_most=most)
    weights = np.random.default_rng(seed).standard_normal((PROBE_ROWS, PROBE_WEIGHTS))
    layer = Layer(weights.astype(np.float32))
    # The light is so bright that the largest weight is at full scale.
    rms, peak = float(np.sqrt(np.mean(layer.weights**2))), float(np.abs(layer.weights).max())
    link = impairments.link(gain, photons=(full_scale * rms / peak) ** 2 / 2)
    asked = LoopSettings.of(link, impairments, seed=seed).with_samples(samples_per_symbol)
    settings, found = calibrated(asked, prepare(asked, layer), asked.arms)
    loop = Loop(Network("probe", (layer,)), settings)
    records, (back,) = loop.records(record_frames), loop.back_to_back()
    table = Table(
        gain, full_scale, settings.impairments, settings.arms, settings.electrodes,
        settings.step, seed, samples_per_symbol,
    )  # fmt: skip
    x, p = records.offsets[0]
    # This is the delay that was found less the frame for which the client held the light.
    delay = round(found.delay.value) - loop.layers[0].setup.period + DELAY
    distortion = max(0.0, back.excess) / link.modulation_variance
    receiver = records.of_layer(0)
    return Calibrated(
        table,
        ServerCalibration(receiver, settings.arms, full_scale, delay, (x, p), distortion),
        ClientCalibration(records.client, settings.electrodes, gain),
    )


def brightest(impairments: Impairments, samples_per_symbol: int = 4) -> float:
    """The largest full scale (√SNU) that the server's receiver can take.

    At this scale a modulator at its largest field, where a calibration holds it, still fits the
    receiver's range.
    """
    node = NodeSpec.chosen("server", samples_per_symbol=samples_per_symbol)
    spec, drive = node.digitiser, node.drive
    pulse = to_float(drive.pulse(), drive.coefficient)
    matched = to_float(spec.coefficients()[spec.fractions // 2], spec.coefficient)
    share = impairments.server_efficiency * impairments.transmittance / spec.quadratures
    held = abs(float(np.sum(matched))) * math.sqrt(share / float(np.sum(pulse**2)))
    return MARGIN * spec.symbol.highest * spec.symbol.lsb / held


class _Port:
    """A node behind a listening socket."""

    def __init__(self, party: Party, listener: socket.socket) -> None:
        self.party, self.listener = party, listener
        self.host: socket.socket | None = None

    @property
    def waits_for(self) -> socket.socket:
        """The socket to wait for: that of the host, or the listening one."""
        return self.host or self.listener

    def hear(self) -> None:
        """Accept a host, or take its bytes."""
        if self.host is None:
            self.host, _ = self.listener.accept()
            self.host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return
        try:
            data = self.host.recv(1 << 16)
        except ConnectionError:
            data = b""
        if data:
            self.party.write(data)
        else:
            self.hang_up()

    def answer(self) -> bool:
        """Send the node's bytes to its host; return whether there were any."""
        data = self.party.take()
        if data and self.host is not None:
            try:
                self.host.sendall(data)
            except ConnectionError:
                self.hang_up()
        return bool(data)

    def hang_up(self) -> None:
        """Close the connection and wait for the next host."""
        if self.host is not None:
            self.host.close()
            self.host = None


def serve(
    light: LiveNodes,
    listeners: tuple[socket.socket, socket.socket],
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Serve the hosts of both nodes until `over`, which is called often, returns True."""
    ports = [_Port(p, at) for p, at in zip((light.server, light.client), listeners, strict=True)]
    last = light.server.clocks
    try:
        while not over():
            busy = light.server.clocks - last < QUIET
            told, _, _ = select.select([p.waits_for for p in ports], [], [], 0 if busy else 0.1)
            for port in ports:
                if port.waits_for in told:
                    port.hear()
                    last = light.server.clocks
            if busy:
                light.advance()
                if any([port.answer() for port in ports]):
                    last = light.server.clocks
    finally:
        for port in ports:
            port.hang_up()


def impaired(name: str, transmittance: float | None, excess_noise: float | None) -> Impairments:
    """The impairments of the given name, with the given loss of the loop or excess noise.

    The loss is split evenly between both ways. Raises `RangeError`.
    """
    impairments = PRESETS[name]
    if transmittance is not None:
        out, back = split_transmittance(transmittance, None, None)
        impairments = replace(impairments, transmittance_out=out, transmittance_back=back)
    if excess_noise is not None:
        impairments = replace(impairments, excess_noise=excess_noise)
    return impairments
