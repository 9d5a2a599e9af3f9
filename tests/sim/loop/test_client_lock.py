"""The client's phase lock on the bit-true models: closed to the bit, or refused."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import phase_lock
from shotveil.models.digitiser.timing import PATIENCE
from shotveil.models.link.encoding import directions
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network
from shotveil.sim.loop import client_lock
from shotveil.sim.loop.client_lock import index_of, margin, receive
from shotveil.sim.loop.design import QUESTIONS, answer
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import realistic

GAIN, F2 = 1.3, 2.4
SHORT = Layer(np.random.default_rng(1).normal(size=(12, 16)).astype(np.float32))


@pytest.fixture(scope="module")
def part():
    """The first rows of a trained layer, as a network of one layer."""
    weights = load_network("mnist-paper").layers[0].weights
    return Network("part", (Layer(weights[:100]),))


@pytest.fixture(scope="module")
def image():
    return load_mnist(None, "test")[0][:1]


@pytest.fixture
def attempts(monkeypatch):
    """How often the pilots are run."""
    seen, run = [], client_lock._run
    monkeypatch.setattr(client_lock, "_run", lambda *given: seen.append(given) or run(*given))
    return seen


class Batch:
    """A dozen short rows on their way to the client, whose phase shifter takes `settle` frames."""

    def __init__(self, settle=1):
        self.settings = realistic(GAIN, F2)
        loop = Loop(Network("short", (SHORT,)), self.settings)
        light = loop.layers[0]
        xi, _ = directions(np.abs(np.random.default_rng(2).normal(size=(1, 16))))
        self.optics, self.tapped, _ = loop._light_of(0, xi[0], np.random.default_rng(3))
        self.optics.setup = replace(self.optics.setup, settle=settle)
        self.arrivals = [start + light.setup.to_client for start in light.starts]
        self.client, self.period = light.client, light.setup.period
        self.lag = settle + 2

    def receive(self, offset=None):
        return receive(
            self.optics, self.tapped, self.arrivals, self.client, self.settings.lock, offset
        )

    def darken(self, first, count):
        """No light while frames arrive."""
        at = self.arrivals[first]
        self.tapped = self.tapped.copy()
        self.tapped[at : at + count * self.period] = 0

    def check(self, found):
        """That codes are those of the receiver's own phases, and words those under the codes."""
        phases, spec = found.received.phases, self.settings.client
        first = len(self.arrivals) - len(phases.angle)
        state, code = phase_lock.PhaseLockState(), 0
        expected = np.zeros(len(self.arrivals) + self.lag, np.int64)
        for k, (angle, bad) in enumerate(zip(phases.angle.tolist(), phases.bad, strict=True)):
            taken = phase_lock.step(spec, self.settings.lock, state, angle, bad)
            code, locked = taken or (code, False)
            expected[self.lag + first + k] = code
        np.testing.assert_array_equal(found.codes, expected[: len(self.arrivals)])
        turn = 2 * np.pi / self.settings.lock.span
        ends = self.arrivals[-1] + self.period + margin(spec)
        held = np.repeat(found.codes, self.period)
        shift = np.concatenate([np.zeros(self.arrivals[0]), held, np.full(ends, held[-1])])[:ends]
        words = self.optics.homodyne()(self.tapped[:ends], shift * turn)
        np.testing.assert_array_equal(found.words, words)
        return first, locked


def test_the_phase_lock_is_closed_to_the_bit(part, image):
    """The shifter codes that each frame met are those that the receiver's own phases give."""
    settings = realistic(GAIN, F2)
    loop = Loop(part, settings)
    xi, _ = directions(image)
    client = loop.play(0, xi[0], loop.records(20), np.random.default_rng(1)).client
    phases = client.received.phases
    codes, locked = phase_lock.model(settings.client, settings.lock, phases.angle, phases.bad)
    lag = 3
    first = len(client.codes) - len(codes)
    np.testing.assert_array_equal(client.codes[first + lag :], codes[:-lag])
    assert not client.codes[: first + lag].any()
    # The pilots' own noise leaves the window of 10° now and then.
    assert locked.mean() > 0.5 and client.locked == locked[-1]


def test_the_client_comes_to_its_timing_without_having_found_it_on_the_way(
    part, image, monkeypatch
):
    """What the receiver finds makes up for it, in the end to the bit."""
    loop = Loop(part, realistic(GAIN, F2))
    xi, _ = directions(image)
    records = loop.records(20)
    seen = [loop.play(0, xi[0], records, np.random.default_rng(1))]
    monkeypatch.setattr(client_lock._Search, "_frame", lambda *_: None)
    seen.append(loop.play(0, xi[0], records, np.random.default_rng(1)))
    np.testing.assert_array_equal(seen[0].values, seen[1].values)
    np.testing.assert_array_equal(seen[0].client.words, seen[1].client.words)
    assert seen[0].client.received.frames == seen[1].client.received.frames


def test_timing_between_two_steps_of_its_fraction_is_found_at_once(monkeypatch):
    """At 20 dB the client's timing wavers: it has to be found as the light comes."""
    attempts = []
    run = client_lock._run
    monkeypatch.setattr(client_lock, "_run", lambda *given: attempts.append(given) or run(*given))
    question = replace(QUESTIONS["extinction"], values=(20,))
    found = answer(question, load_network("mnist-paper"), 1.3, 2.4)
    assert len(attempts) == 1
    assert 1e-3 < found.excess[0] < 1e-2


@pytest.mark.parametrize("settle", [1, 2, 3])
def test_a_frames_phase_moves_the_shifter_for_a_later_one(settle, attempts):
    """Two frames behind those that the shifter takes; nothing moves before."""
    batch = Batch(settle)
    found = batch.receive()
    first, _ = batch.check(found)
    assert first == 1 and len(attempts) == 1, "the first frame only starts the receiver"
    assert not found.codes[: 1 + batch.lag].any() and found.codes[1 + batch.lag] != 0
    assert len(found.codes) == len(batch.arrivals) and margin(batch.settings.client) == 250


def test_light_behind_the_last_frame_is_not_looked_at():
    batch = Batch()
    found = batch.receive()
    assert found.words.shape == (1, batch.arrivals[-1] + batch.period + 250)
    batch.tapped = batch.tapped[: found.words.shape[1]]
    again = batch.receive()
    np.testing.assert_array_equal(found.words, again.words)
    assert found.received.frames == again.received.frames


def test_what_lies_behind_the_last_frame_is_seen_under_its_code():
    batch = Batch()
    batch.tapped = batch.tapped.copy()
    batch.tapped[batch.arrivals[-1] + batch.period :] += 30.0
    found = batch.receive()
    assert batch.check(found)[0] == 1 and found.codes[-1] != 0


def test_the_loop_says_whether_it_ended_locked(attempts):
    """Within a window that no noise leaves, and not within one that all does."""
    for window, locked in ((30_000, True), (1, False)):
        batch = Batch()
        batch.settings = replace(batch.settings, lock=replace(batch.settings.lock, window=window))
        found = batch.receive()
        assert batch.check(found) == (1, locked) and found.locked is locked
    assert len(attempts) == 2


@pytest.mark.parametrize("offset", [(40 << 8,), (0,)])
def test_a_known_offset_is_taken_from_the_first_sample_on(offset, attempts):
    batch = Batch()
    found, plain = batch.receive(offset), batch.receive()
    batch.check(found)
    assert len(attempts) == 2
    assert not np.array_equal(found.received.inference, plain.received.inference)


@pytest.mark.parametrize("count", [1, PATIENCE])
def test_lost_frames_move_nothing_and_are_gone_by_the_clock(count, attempts):
    batch = Batch()
    batch.darken(40, count)
    found = batch.receive()
    first, _ = batch.check(found)
    lost = [first + k for k, frame in enumerate(found.received.frames) if frame.lost]
    assert lost == list(range(40, 40 + count)) and len(attempts) == 1
    # The codes of frames that nothing moved are those of the frame before.
    at = 40 + batch.lag
    assert set(found.codes[at : at + count]) == {found.codes[at - 1]}


def test_where_patience_ends_frames_do_not_follow():
    batch = Batch()
    batch.darken(40, PATIENCE + 1)
    with pytest.raises(RangeError, match="client's receiver found no frame, or not all that foll"):
        batch.receive()


def test_without_light_there_is_no_frame(attempts):
    batch = Batch()
    batch.tapped = np.zeros_like(batch.tapped)
    with pytest.raises(RangeError, match="client's receiver found no frame"):
        batch.receive()
    assert len(attempts) == 1


def test_frames_that_begin_late_count_from_the_first_that_is_there():
    batch = Batch()
    batch.darken(0, 10)
    found = batch.receive()
    first, _ = batch.check(found)
    assert 10 < first < 13 and not found.codes[: first + batch.lag].any()
    assert found.received.frames[0].start > batch.arrivals[first]


def test_codes_that_are_not_the_receivers_are_a_disagreement(monkeypatch):
    batch, codes = Batch(), client_lock._codes

    def off(*given):
        after, locked = codes(*given)
        after[5] += 1
        return after, locked

    monkeypatch.setattr(client_lock, "_codes", off)
    frames = len(batch.arrivals)
    with pytest.raises(RangeError, match=f"receiver disagree over {frames} frames"):
        batch.receive()


def test_it_tries_as_often_as_there_are_frames(attempts, monkeypatch):
    """Where the timing is another one each time."""
    batch, seen = Batch(), iter(range(10**6))
    run = client_lock._run

    def wavering(*given):
        words, codes, used = run(*given)
        return words, codes, [replace(frame, start=next(seen)) for frame in used]

    monkeypatch.setattr(client_lock, "_run", wavering)
    batch.arrivals = batch.arrivals[:9]
    with pytest.raises(RangeError, match="disagree over 9 frames"):
        batch.receive()
    assert len(attempts) == 9
    # Each time with what the receiver found, behind the first frame of all.
    for given in attempts[1:]:
        assert len(given[-1]) == 9 and given[-1][1].start > batch.arrivals[1]


@pytest.mark.parametrize(
    ("starts", "first"),
    [
        ([164, 264, 364], 0), ([264, 364], 1), ([140, 240, 340], 0), ([364], 2), ([213, 1, 1], 0),
        ([], None), ([164, 264], None), ([264, 364, 464], None), ([264], None),
    ],
)  # fmt: skip
def test_which_frame_is_the_first_that_was_received(starts, first):
    frames = [SimpleNamespace(start=start) for start in starts]
    assert index_of(frames, [100, 200, 300], 64) == first
