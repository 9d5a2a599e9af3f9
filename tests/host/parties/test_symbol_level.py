"""Sessions in which all light goes through the link, mode by mode, and adversaries within them."""

from functools import partial

import numpy as np
import pytest

from shotveil.host.adversaries.attacks import (
    curious_server,
    interference,
    interference_bound,
)
from shotveil.host.adversaries.curious_server import CuriousTransmitter
from shotveil.host.leakage.data_bounds.qcrb import qcrb
from shotveil.host.parties.client import DataClient
from shotveil.host.parties.optical_link import SimulatedLink
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal, pack, unpack
from shotveil.host.verification.monitor import MonitorSettings
from shotveil.models.adversaries.adversary import (
    LinkAdversary,
    ServerAdversary,
    adversaries,
)
from shotveil.models.adversaries.servers import fisher_bits
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import directions, encode_rows
from shotveil.models.link.optics import Link
from tests.host.parties.parties import IMAGES, LINK, NETWORK, parties
from tests.host.parties.test_parties import TappedLink, TappedModel, numbers

BRIGHT = Link(gain=2.0, photons=3e4)  # far above the noise


def test_predictions_verdicts_and_charges_are_those_of_the_statistics(tmp_path):
    found = {}
    for symbol_level in (False, True):
        folder = tmp_path / str(symbol_level)
        folder.mkdir()
        options = {"symbol_level": symbol_level, "true_link": BRIGHT, "declared": BRIGHT}
        with parties(folder, **options) as (ledger, _, client):
            asked = client(check_rate=0.1)
            outputs = asked.classify(IMAGES[:60], 20)
            assert asked.close().images == 60 and not asked.warnings
            account = ledger.accounts.networks[NETWORK.digest]
            found[symbol_level] = outputs, account.total, asked.check.count
    (fast, charged, checks), (slow, charged_too, checks_too) = found[False], found[True]
    exact = NETWORK.forward(IMAGES[:60])
    # Where the best class is ahead by more than the noise, all three agree.
    second, best = np.sort(exact, axis=1)[:, -2:].T
    clear = best - second > 6 * np.std(fast - exact)
    assert clear.sum() > 45
    assert (fast.argmax(axis=1) == slow.argmax(axis=1))[clear].all()
    assert (slow.argmax(axis=1) == exact.argmax(axis=1))[clear].all()
    # Noise of its own, of the same size; the same rows, charged alike.
    assert np.abs(slow - fast).min() > 0
    assert np.std(slow - exact) == pytest.approx(np.std(fast - exact), rel=0.15)
    assert charged.copies() == charged_too.copies() and checks == checks_too > 0
    assert charged.bits("declared") == charged_too.bits("declared")


@pytest.mark.parametrize(
    "true_link, reason",
    [
        (Link(gain=1.3, photons=6.0, transmittance_back=0.9), "less transmittance"),
        (Link(gain=1.3, photons=6.0, excess_noise=0.3), "more excess noise"),
    ],
)
def test_a_channel_that_is_not_as_declared_is_refused(tmp_path, true_link, reason):
    with parties(tmp_path, true_link=true_link, symbol_level=True) as (ledger, _, client):
        with pytest.raises(ProtocolError, match=reason):
            client().classify(IMAGES, 20)
        assert ledger.accounts.outstanding, "the refused light stays charged as lost"


def test_the_servers_estimates_are_those_of_the_channel(tmp_path):
    lossy = Link(1.3, 6.0, transmittance_back=0.8, excess_noise=0.2)
    options = {"true_link": lossy, "declared": lossy, "symbol_level": True}
    with parties(tmp_path, **options) as (_, server, client):
        client().classify(IMAGES[:300])
        (session,) = server._sessions.values()
        period = session.monitor.period(0)
        weights, decoys = period.weights, period.decoys.pooled()
    for seen in (weights, decoys):
        assert float(seen.slope) == pytest.approx(np.sqrt(0.8), rel=0.01)
        excess = float(seen.residual) / float(seen.count) - 1
        assert excess == pytest.approx(lossy.returned_excess_noise(21), rel=0.1)


def test_no_message_tells_either_side_what_it_must_not_know(tmp_path):
    """Every number that reaches a side is held against the other's secrets."""
    messages, images = [], IMAGES[:30]
    tap = partial(_WithLight, messages=messages)
    with parties(tmp_path, tap=tap, symbol_level=True) as (_, server, _):
        model = TappedModel(server, "alice", messages)
        port = server._light._port
        DataClient(model, port, np.random.default_rng(3), check_rate=0.1).classify(images, 10)
    to_server = [m for _, to, m in messages if to == "server"]
    to_client = [m for _, to, m in messages if to == "client"]
    to_link = [m for who, to, m in messages if (who, to) == ("server", "link")]
    assert {type(m) for m in to_server} == {pb.Hello, pb.LayerRequest, pb.Record}
    assert {type(m) for m in to_client} == {pb.Welcome, pb.Progress, pb.Reading}
    # The link sees light: neither weights nor decoys, but mixtures of them.
    assert {type(m) for m in to_link} == {pb.Light, pb.Dropped}
    xi, norms = directions(NETWORK.layers[0].inputs_of(images))
    data = np.concatenate([images.ravel(), xi.real.ravel(), xi.imag.ravel(), norms])
    rows = [encode_rows(layer.weights, LINK.modulation_variance) for layer in NETWORK.layers]
    weights = np.concatenate([part.ravel() for r in rows for part in (r.x, r.p)])

    def common(some, secret):
        held = np.unique(np.concatenate([numbers(m) for m in some]))
        held, secret = held[held != np.rint(held)], secret[secret != np.rint(secret)]
        return np.intersect1d(held.round(12), secret.round(12))

    to_optics = [m for who, to, m in messages if (who, to) == ("client", "link")]
    assert len(common(to_optics, data)) > 100, "no check"
    assert len(common(to_link, weights)) == 0, "light is mixed: no amplitude is that of a weight"
    assert len(common(to_server, data)) == 0
    assert len(common(to_client, weights)) == 0
    # What the server's light has on top of what it sent does not follow the data: its mean over
    # the rows is vacuum, in each of the modes.
    first = [(light, record) for light, record in port.pairs if light.layer == 0]
    assert len(first) == 3 * 12
    left = np.zeros((2, 21))
    for light, record in first:
        shape = -1, light.modes
        x, p, y = (np.frombuffer(v).reshape(shape) for v in (light.x, light.p, record.values))
        q = np.where(np.frombuffer(light.measure_p, np.uint8)[:, None], p, x)
        left += np.sum(y - q, axis=0), np.full(21, len(y))
    assert np.abs(left[0] / np.sqrt(left[1])).max() < 5
    # The client has one value for each slot and repetition, and learns of the slots only names.
    for reading in (m for m in to_client if isinstance(m, pb.Reading)):
        assert len(reading.values) == 8 * 12 * reading.slots


class _WithLight(TappedLink):
    def __init__(self, link, messages):
        super().__init__(link, messages)
        self.pairs = []

    def send(self, lights):
        latest = []

        def seen():
            for light in lights:
                self.messages.append(("server", "link", light))
                latest.append(light)
                yield light

        for record in self._link.send(seen()):
            self.messages.append(("link", "server", record))
            self.pairs.append((latest[-1], record))
            yield record


def test_a_link_takes_only_what_its_level_is_for(tmp_path):
    with parties(tmp_path, symbol_level=True) as (_, server, _):
        port = server._light._port
    with pytest.raises(ProtocolError, match="takes the light itself"):
        port.emit(pb.Shot(version=4))
    other = tmp_path / "other"
    other.mkdir()
    with parties(other) as (_, server, _), pytest.raises(ProtocolError, match="takes rows"):
        next(server._light._port.send(iter([pb.Light(version=4)])))
    with (
        pytest.raises(RangeError, match="acts on light"),
        parties(other, interference=interference("tap", None)),
    ):
        pass


# Strengths at which the small network's few modes show it within some dozens of images.
REASONS = {
    "over-amplification": (2.0, "more excess noise"),
    "basis-vector": (3, "noise concentrated in single modes"),
    "tap": (0.05, "less transmittance"),
    "intercept-resend": (0.1, "more excess noise"),
    "entangling-cloner": (0.05, "more excess noise|less transmittance"),
    "receiver-saturation": (1.0, "more excess noise"),
}


@pytest.mark.parametrize("name", adversaries(LinkAdversary))
def test_an_adversary_within_the_link_is_refused_and_learns_less_than_its_bound(tmp_path, name):
    strength, reason = REASONS[name]
    adversary = interference(name, strength)
    monitor = MonitorSettings(peak=8.0)  # of 21 modes; 64 would allow all noise in one
    options = {"symbol_level": True, "interference": adversary, "monitor": monitor}
    with parties(tmp_path, **options) as (ledger, _, client):
        asked = client()
        with pytest.raises(ProtocolError, match=reason) as found:
            asked.classify(np.repeat(IMAGES, 4, axis=0), 50)
        assert found.value.refusal is Refusal.ABORTED
        assert "ABORTED" in ledger.accounts.sessions[asked.welcome.session].ended
    assert 0 < adversary.learned() < interference_bound(adversary)


class _Amplifying:
    """A link on whose way back one component of the weights is amplified."""

    def __init__(self, link, direction, gain):
        self._link, self._direction, self._gain = link, direction, gain

    def __getattr__(self, name):
        return getattr(self._link, name)

    def send(self, lights):
        latest = []

        def seen():
            for light in lights:
                latest.append(light)
                yield light

        for record in self._link.send(seen()):
            light = latest[-1]
            shape = -1, light.modes
            x, p, y = (np.frombuffer(v).reshape(shape) for v in (light.x, light.p, record.values))
            if light.layer == 0:
                part = ((x + 1j * p) @ self._direction.conj())[:, None] * self._direction
                in_p = np.frombuffer(light.measure_p, np.uint8)[:, None]
                y = y + self._gain * np.where(in_p, part.imag, part.real)
            yield pb.Record(values=pack(y))


@pytest.mark.parametrize("gain, refused", [(0.0, False), (0.05, True)])
def test_an_amplified_component_is_refused(tmp_path, gain, refused):
    rows = encode_rows(NETWORK.layers[0].weights, LINK.modulation_variance)
    _, _, components = np.linalg.svd(rows.x + 1j * rows.p, full_matrices=False)
    amplifying = partial(_Amplifying, direction=components[0], gain=gain)
    with parties(tmp_path, symbol_level=True, tap=amplifying) as (_, _, client):
        asked = client()
        if not refused:
            asked.classify(IMAGES[:100], 50)
            return
        with pytest.raises(ProtocolError, match="a component of the weights came back amplified"):
            asked.classify(IMAGES, 50)


@pytest.mark.parametrize("name", ["tap", "basis-vector"])
def test_without_strength_nothing_is_noticed(tmp_path, name):
    honest = {"tap": interference("tap", 0.0), "basis-vector": None}[name]
    monitor = MonitorSettings(peak=8.0)
    options = {"symbol_level": True, "interference": honest, "monitor": monitor}
    with parties(tmp_path, **options) as (_, _, client):
        asked = client(check_rate=0.05)
        assert asked.classify(IMAGES[:100], 50).shape == (100, 10)
        assert not asked.warnings


@pytest.mark.parametrize("name", adversaries(ServerAdversary))
def test_a_curious_server_in_a_session(tmp_path, name):
    """Squeezed light is refused by the client's check; who only looks stays below the bound."""
    server = curious_server(name, None)
    transmitter = partial(CuriousTransmitter, server=server, link=LINK)
    images = np.random.default_rng(1).normal(size=(60, 40)).astype(np.float32)
    with parties(tmp_path, symbol_level=True, transmitter=transmitter) as (_, model, client):
        asked = client(check_rate=0.1)
        if name == "squeezing-server":
            with pytest.raises(ProtocolError, match="light is refused: its quadratures"):
                asked.classify(images, 60)
            assert asked.check.variance > 1.2 * asked.check.expected
            return
        assert asked.classify(images, 60).shape == (60, 10)
        asked = client()
        asked.classify(images, 60)
        estimates = model._light.estimates(asked.welcome.session, 0)
    xi, _ = directions(NETWORK.layers[0].inputs_of(images))
    slots = 64 + 4
    # Of all modes but the one that the constant input and the padding fill.
    truth = np.abs(xi[:, :20]) ** 2
    learned = fisher_bits(estimates[:, :20], truth, float(truth.var())) / 2
    assert 0 < learned < float(qcrb(LINK.noise_quantum, slots, 21))


def test_a_curious_server_needs_the_light_itself(tmp_path):
    looking = curious_server("homodyne-server", None)
    transmitter = partial(CuriousTransmitter, server=looking, link=LINK)
    with (
        pytest.raises(RangeError, match="--symbol-level"),
        parties(tmp_path, transmitter=transmitter),
    ):
        pass
    with pytest.raises(RangeError, match="is none of"):
        curious_server("tap", None)
    with pytest.raises(RangeError, match="is none of"):
        interference("homodyne-server", None)


@pytest.mark.parametrize(
    ("squeezing", "possible"), [(1e-3, True), (1.0, True), (0.99e-3, False), (1.01, False)]
)
def test_a_server_squeezes_its_vacuum_by_thirty_decibels_at_most(squeezing, possible):
    link = SimulatedLink(LINK, 1, symbol_level=True, patience=5)
    xi, _ = directions(np.ones((1, 8)))
    optics = {"real": pack(xi.real), "imaginary": pack(xi.imag)}
    link.measure(pb.Settings(version=4, session="s", gain=1.3, images=1, modes=4, **optics))
    dark = pack(np.zeros((1, 4)))
    part = {"session": "s", "repetitions": 1, "slots": 1, "modes": 4, "last": True, "x": dark}
    sent = pb.Light(version=4, measure_p=b"\0", p=dark, squeezing=squeezing, **part)
    if possible:
        (record,) = link.send([sent])
        assert np.abs(unpack("values", record.values, (1, 4))).max() < 10
    else:
        with pytest.raises(ProtocolError, match=rf"squeezing = {squeezing:g} is outside \[0.001, "):
            list(link.send([sent]))
