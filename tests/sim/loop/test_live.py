"""Nodes whose hosts are elsewhere, with stand-ins for the gateware: settings, light, mesh."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from shotveil.host.devices.transport import Transport
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive.spec import Arm
from shotveil.models.node.ports import ReadPort, WritePort, write_ports
from shotveil.models.node.register import Access
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.mesh import at_electrodes
from shotveil.sim.loop import live
from shotveil.sim.loop.live import BLOCK, DELAY, LiveNodes, Party, Table, Watch
from shotveil.sim.loop.lockstep import AFTERGLOW

GAIN = 1.3
SERVER, CLIENT = NodeSpec(role="server"), NodeSpec(role="client")
MAP = register_map(CLIENT)


class Pipe:
    """Stands for a simulated node: gives numbered codes, and says what it heard."""

    def __init__(self, spec, plant, *, block, trigger, record):
        self.spec, self.plant, self.trigger = spec, plant, trigger
        self.block, self.record = block, record
        self.clocks, self.heard, self.recorded = 0, b"", {}

    def write(self, data):
        self.heard += data

    def take(self):
        return self.heard[::-1]

    def advance(self):
        for name in ("codes", "frame", "shifter"):
            assert name not in self.recorded, "what was taken is let go of"
            self.recorded[name] = ["an older block", f"{name} at {self.clocks}"]
        self.clocks += self.block


@pytest.fixture(autouse=True)
def no_gateware(monkeypatch):
    monkeypatch.setattr(live, "NodePipe", Pipe)


# The table --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gain": 1.0}, "gain = 1 is outside"),
        ({"full_scale": 0.0}, "full scale = 0 is outside"),
        ({"seed": -1}, "seed = -1 is outside"),
        ({"seed": 0.5}, "seed = 0.5 is outside"),
    ],
)
def test_a_table_has_ranges(settings, message):
    Table(gain=1.001, full_scale=0.001, seed=0)
    with pytest.raises(RangeError, match=message):
        Table(**{"gain": GAIN, "full_scale": 24.0, **settings})


def test_the_optics_are_those_of_the_table_and_the_nodes():
    arms = (Arm(gain=0.9), Arm(gain=0.8))
    impairments, layout = Impairments(delay_out=7), FrameLayout(row=300)
    table = Table(GAIN, 24.0, impairments, arms, step=128.0)
    setup = table.setup(SERVER, CLIENT, layout, 5)
    assert (setup.layout, setup.gain, setup.mode, setup.step) == (layout, GAIN, 5, 128.0)
    assert setup.impairments is impairments and setup.arms is arms
    assert setup.drive is SERVER.drive and setup.client is CLIENT.digitiser
    assert setup.server is SERVER.digitiser
    # The largest symbol's pulse has the energy of its full scale.
    taps = to_float(SERVER.drive.pulse(), SERVER.drive.coefficient)
    assert setup.amplitude**2 * np.sum(taps**2) == pytest.approx(24.0**2)
    plain = Table(GAIN, 24.0)
    assert plain.impairments == Impairments() and plain.arms == plain.electrodes == (Arm(), Arm())
    assert (plain.step, plain.seed) == (256.0, 1)


# What a host sets -------------------------------------------------------------------------------


def settings_of(watch):
    return {name: watch[name] for name in MAP.of(Access.SETTING)}


def test_a_node_begins_with_what_registers_are_reset_to():
    watch = Watch(CLIENT)
    resets = {name: register.reset for name, register in MAP.of(Access.SETTING).items()}
    assert settings_of(watch) == resets and len(resets) > 10
    assert watch.layout == FrameLayout()
    watch.write(MAP.address("commit"), 1)
    assert settings_of(watch) == resets, "nothing else was staged"


def test_settings_take_effect_together_when_they_are_committed():
    watch = Watch(CLIENT)
    before = settings_of(watch)
    watch.write(MAP.address("drive_row"), 300)
    watch.write(MAP.address("digitiser_mode"), 9)
    assert settings_of(watch) == before
    watch.write(MAP.address("commit"), 1)
    assert settings_of(watch) == {**before, "drive_row": 300, "digitiser_mode": 9}
    assert watch.layout == FrameLayout(row=300)


def test_registers_of_either_sign_and_any_length_are_read_back():
    watch, given = Watch(CLIENT), {}
    for name, register in MAP.of(Access.SETTING).items():
        given[name] = register.lowest if register.signed else register.highest
        for k, word in enumerate(register.to_words(given[name])):
            watch.write(MAP.address(name) + k, word)
    watch.write(MAP.address("commit"), 1)
    assert settings_of(watch) == given
    assert min(given.values()) < 0


def test_settings_are_read_from_the_hosts_own_bytes():
    """Its questions and rows are let through, and answered by nobody."""
    watch, twin = Watch(CLIENT), Watch(CLIENT)

    class Line:
        def __init__(self):
            self.back = bytearray()

        def write(self, data):
            watch.feed(data)
            self.back += twin._end.feed(data)

        def read(self, most, timeout):
            given, self.back = bytes(self.back[:most]), self.back[most:]
            return given

    host = Transport(Line(), nonce=5)
    assert (host.write_ports, host.read_ports) == (len(write_ports(CLIENT)), len(ReadPort))
    host.write(MAP.address("drive_row"), [200])
    assert host.read(MAP.address("drive_row")).tolist() == [0]
    assert host.room(WritePort.ROWS) == (1 << 15) - 1
    host.send(WritePort.ROWS, np.arange(500))
    assert [host.available(port) for port in ReadPort] == [0] * len(ReadPort)
    assert watch.receive(ReadPort(0), 4) == []
    host.write(MAP.address("commit"), [1])
    assert watch["drive_row"] == 200 and watch.layout.row == 200
    assert settings_of(watch) == settings_of(twin)


# A party ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spec", "quadratures"), [(SERVER, 2), (CLIENT, 1)])
def test_a_party_is_a_node_between_bytes_and_light(spec, quadratures):
    party = Party(spec)
    pipe = party._pipe
    assert pipe.spec is spec is party.spec and pipe.block == BLOCK == 576 and pipe.record
    assert DELAY == 2 * BLOCK
    for given, lines in ((party.words, (quadratures, BLOCK)), (party.level, (BLOCK,))):
        assert given.shape == lines and given.dtype == np.int64 and not given.any()
    party.words, party.level = "words", "level"
    assert pipe.plant("codes") == "words" and pipe.trigger("line") == "level"


def test_what_a_host_writes_reaches_the_node_and_its_watch():
    party = Party(CLIENT)
    fed = []
    party.watch = SimpleNamespace(feed=fed.append)
    party.write(b"ab")
    party.write(b"c")
    assert fed == [b"ab", b"c"] and party.take() == b"cba" and party.clocks == 0
    assert party.advance()["codes"] == "codes at 0" and party.clocks == BLOCK
    assert party.advance() == {name: f"{name} at {BLOCK}" for name in ("codes", "frame", "shifter")}


# Light ------------------------------------------------------------------------------------------


class Settings(dict):
    """What `Watch` tells of a node that is set to a layout and a mode."""

    def __init__(self, layout, mode):
        super().__init__(digitiser_mode=mode)
        self.layout = layout


def test_light_is_as_the_client_is_set_to_when_a_frame_begins():
    """Also where the light of the batch before is still on."""
    nodes = LiveNodes(Table(GAIN, 24.0))
    frame = np.zeros((1, BLOCK), np.int64)
    silent = {"codes": np.zeros((2, BLOCK), np.int64), "frame": frame, "shifter": frame}
    begins = {**silent, "frame": np.eye(1, BLOCK, 5, dtype=np.int64)}
    nodes.client.advance = lambda: silent
    seen = []
    for mode, layout in ((3, FrameLayout()), (3, FrameLayout()), (4, FrameLayout()),
                         (4, FrameLayout(row=300))):  # fmt: skip
        nodes.client.watch = Settings(layout, mode)
        nodes.server.advance = lambda: begins
        nodes.advance()
        nodes.server.advance = lambda: silent
        nodes.advance()
        seen.append(nodes._optics)
    assert seen[0] is seen[1] and len({id(optics) for optics in seen}) == 3
    assert [(o.setup.mode, o.setup.layout.row) for o in seen[1:]] == [(3, 392), (4, 392), (4, 300)]


class Lights:
    """Stands for the optics: keeps what it is made of and what it is told."""

    made: ClassVar[list] = []

    def __init__(self, setup, mesh, rng):
        self.setup, self.mesh, self.rng, self.told = setup, mesh, rng, []
        Lights.made.append(self)

    def step(self, codes, starts, shifter):
        self.told.append((codes, starts, shifter))
        return np.full((1, BLOCK), 7), np.full((2, BLOCK), 8)


LAYOUT = FrameLayout(row=30, pilot_spacing=10)
PERIOD = 4 * LAYOUT.length


class Lab:
    """Nodes whose blocks are given: where frames begin in each, and the client's codes."""

    def __init__(self, table=None):
        self.nodes = LiveNodes(table or Table(GAIN, 24.0))
        self.nodes.client.watch = Settings(LAYOUT, 15)
        self.nodes.server.advance = lambda: self.server
        self.nodes.client.advance = lambda: self.client

    def block(self, starts=(), triggered=(), codes=None):
        frames = np.zeros((2, 1, BLOCK), np.int64)
        frames[0, 0, list(starts)] = frames[1, 0, list(triggered)] = 1
        self.server = {"codes": np.ones((2, BLOCK), np.int64), "frame": frames[0]}
        codes = np.zeros((2, BLOCK), np.int64) if codes is None else codes
        self.client = {"codes": codes, "frame": frames[1], "shifter": np.full((1, BLOCK), 3)}
        self.nodes.advance()
        return self.nodes._optics


@pytest.fixture
def lights(monkeypatch):
    monkeypatch.setattr(live, "Optics", Lights)
    monkeypatch.setattr(Lights, "made", [])
    return Lights.made


def test_it_is_dark_before_the_first_frame_and_some_frames_behind_the_last(lights):
    lab = Lab()
    nodes = lab.nodes
    nodes.client.words, nodes.server.words = np.ones((1, BLOCK)), np.ones((2, BLOCK))
    assert lab.block() is None and not nodes.client.words.any() and not nodes.server.words.any()
    optics = lab.block([5, 405])
    assert nodes.client.level[[5, 405]].all() and nodes.client.level.sum() == 2
    assert (nodes.client.words == 7).all() and (nodes.server.words == 8).all()
    lab.block([80])
    lit = 2
    until = BLOCK + 80 + optics.setup.to_server + AFTERGLOW * PERIOD
    while lab.block() is not None:
        lit += 1
        assert (nodes.server.words == 8).all()
    assert lit == until // BLOCK
    assert [starts for _, starts, _ in optics.told] == [[5, 405], [BLOCK + 80]] + [[]] * (lit - 1)
    codes, _, shifter = optics.told[0]
    assert codes is not None and codes.shape == (2, BLOCK) and shifter.tolist() == [3] * BLOCK
    lab.block()
    assert not nodes.client.words.any() and not nodes.server.words.any() and len(lights) == 1
    assert nodes.client.words.shape == (1, BLOCK) and nodes.server.words.shape == (2, BLOCK)
    # Light anew counts from its own first block.
    again = lab.block([9])
    assert again is not optics and again.told[0][1] == [9]
    assert again.setup == optics.setup
    assert again.rng.random() != optics.rng.random(), "noise of its own"


def angles(seed):
    """Codes of a client's frame, (2, PERIOD), and the angles that the mesh samples of it."""
    codes = np.random.default_rng(seed).integers(-4000, 4000, (2, PERIOD))
    (row,) = np.nonzero(LAYOUT.slots() == Slot.ROW)
    return codes, codes[:, 4 * row + 2]


def test_the_mesh_turns_when_a_frame_of_the_client_is_complete(lights, monkeypatch):
    meshes = []
    monkeypatch.setattr(live, "Mesh", lambda *given: meshes.append(given) or len(meshes))
    electrodes = (Arm(half_wave=0.8, gain=0.9), Arm(half_wave=0.7))
    table = Table(GAIN, 24.0, Impairments(angle_error=0.01), electrodes=electrodes, seed=4)
    lab = Lab(table)
    stream = np.zeros((2, 6 * BLOCK), np.int64)
    begins = [100, 100 + PERIOD, 100 + 2 * PERIOD, 100 + 4 * PERIOD]
    frames = [angles(seed) for seed in (1, 1, 2, 3)]
    for at, (codes, _) in zip(begins, frames, strict=True):
        stream[:, at : at + PERIOD] = codes
    turned = []
    for k in range(6):
        part = slice(k * BLOCK, (k + 1) * BLOCK)
        here = [at - k * BLOCK for at in begins if k * BLOCK <= at < (k + 1) * BLOCK]
        optics = lab.block([0], here, stream[:, part])
        turned.append(optics.mesh)
    # Straight at first; then with each frame that has other angles, in the block of its end.
    ends = [(begins[n] + PERIOD - 1) // BLOCK for n in (0, 2, 3)]
    assert turned == [1 + sum(end <= k for end in ends) for k in range(6)]
    assert len(meshes) == 4 and all(not part.any() for part in meshes[0])
    assert meshes[0][0].shape == (2, 30)
    chip = 0.01 * np.random.default_rng([4, 1]).standard_normal((2, 2, CLIENT.drive.row_capacity))
    for given, n in zip(meshes[1:], (0, 2, 3), strict=True):
        due = at_electrodes(to_float(frames[n][1], SERVER.drive.dac), electrodes)
        for one, errors in zip(given, chip[:, :, :30], strict=True):
            np.testing.assert_array_equal(one, due + errors)


def test_new_light_has_a_straight_mesh_and_forgets_what_the_client_sent(lights):
    lab = Lab()
    codes = np.tile(angles(1)[0], (1, 3))[:, :BLOCK]
    first = lab.block([0], [BLOCK - 20], codes)
    straight = first.mesh
    lab.nodes.client.watch = Settings(LAYOUT, 16)
    second = lab.block([0], (), codes)
    assert second is not first and second.setup.mode == 16
    assert second.mesh is not straight, "a mesh of its own"
    mesh = second.mesh
    lab.block((), (), codes)
    assert second.mesh is mesh, "the frame before belonged to other light"


def test_nodes_may_be_of_other_sizes():
    server, client = NodeSpec(role="server", window=4), NodeSpec(role="client", window=4)
    nodes = LiveNodes(Table(GAIN, 24.0), server, client)
    assert nodes.server.spec is server and nodes.client.spec is client
    nodes = LiveNodes(Table(GAIN, 24.0))
    assert (nodes.server.spec, nodes.client.spec) == (SERVER, CLIENT)


def test_nodes_have_the_samples_a_symbol_of_their_table(monkeypatch):
    monkeypatch.setattr(live, "Party", lambda spec: SimpleNamespace(spec=spec))
    for samples in (2, 4):
        nodes = LiveNodes(Table(GAIN, 24.0, samples_per_symbol=samples))
        for party in (nodes.server, nodes.client):
            assert party.spec == NodeSpec.chosen(party.spec.role, samples_per_symbol=samples)
    own = NodeSpec("server", capture=64)
    assert LiveNodes(Table(GAIN, 24.0), own).server.spec is own
