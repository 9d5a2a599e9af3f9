"""Who waits for whom, and which samples meet which: two nodes and optics that only count."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("shotveil.sim.loop.node_device")

from shotveil.sim.loop.lockstep import AFTERGLOW, AHEAD, ALONE, Lockstep

FAR, NEAR, PERIOD, TO_SERVER = 40, 16, 10, 30


class Optics:
    """Light is the number of the sample; words are its negative."""

    setup = SimpleNamespace(period=PERIOD, to_server=TO_SERVER)

    def __init__(self):
        self.starts, self.detected, self.shifters = [], [], []

    def pass_on(self, codes, starts):
        self.starts += starts
        return codes[0].astype(complex), -codes

    def detect(self, tapped, starts, shifter):
        self.detected.append((tapped.real.astype(int).tolist(), starts))
        self.shifters.append(shifter)
        return tapped.real[None].astype(np.int64)


def block(first, n, frames=()):
    """What the server's node gave in n clocks from `first` on."""
    frame = np.zeros(n, np.int64)
    frame[[k - first for k in frames]] = 1
    return {"codes": np.arange(first, first + n) * np.ones((2, 1), int), "frame": frame}


def client(n, value=0):
    return {"shifter": np.full(n, value)}


@pytest.fixture
def both():
    """A lockstep whose parties have both started."""
    optics = Optics()
    made = Lockstep(optics, FAR, NEAR)
    for party in ("server", "client"):
        threading.Thread(target=made.start, args=(party, 5)).start()
    while not (made.started("server") and made.started("client")):
        pass
    return made, optics


def test_before_light_both_run_freely_in_short_dark_blocks():
    made = Lockstep(Optics(), FAR, NEAR)
    words, line = made.surroundings("server")(block(0, ALONE))
    assert words.shape == (2, ALONE) and line.shape == (ALONE,) and not words.any()
    words, line = made.surroundings("client")(client(ALONE))
    assert words.shape == (1, ALONE) and not words.any() and not line.any()


def test_a_party_starts_when_the_other_does_or_not_at_all():
    made = Lockstep(Optics(), FAR, NEAR)
    assert not made.started("server")
    assert made.start("server", 0.01) is False and made.started("server")
    assert made.start("client", 0.01) is True
    alone = Lockstep(Optics(), FAR, NEAR)
    alone.leave("client")
    assert alone.start("server", 60) is False


def test_a_party_outlasts_the_other_or_says_that_it_does_not_leave():
    made = Lockstep(Optics(), FAR, NEAR)
    assert not made.outlast("server", 0.01)
    threading.Timer(0.05, made.leave, ["client"]).start()
    assert made.outlast("server", 20)
    assert made.outlast("server", 0)


def test_light_begins_with_the_first_frame_and_words_come_a_block_later(both):
    made, optics = both
    serve = made.surroundings("server")
    assert not serve(block(0, 20))[0].any() and not optics.starts
    words, line = serve(block(100, 20, [105, 115]))  # 15 samples of light
    assert optics.starts == [0, 10] and words.shape == (2, FAR) and line.shape == (FAR,)
    # What was sent from clock 105 on is heard one block of 40 after it was.
    assert words[0].tolist() == [0] * 25 + [-k for k in range(105, 120)]
    words, _ = serve(block(120, FAR, [130]))
    assert words[0].tolist() == [-k for k in range(120, 160)] and optics.starts[-1] == 15 + 10
    assert made.late == [5]  # the third frame, 15 samples after the second and not 10


def test_the_client_goes_on_where_the_light_is_and_its_drive_is_triggered(both):
    made, optics = both
    made.surroundings("server")(block(100, 40, [100, 120]))
    hear = made.surroundings("client")
    words, line = hear(client(ALONE, 7))
    assert words[0].tolist() == list(range(100, 116)) and np.flatnonzero(line).tolist() == [0]
    words, line = hear(client(NEAR, 9))
    assert words[0].tolist() == list(range(116, 132)) and np.flatnonzero(line).tolist() == [4]
    assert [starts for _, starts in optics.detected] == [[0, 20], []]
    # The shifter of its long dark block is no matter, the one of a block of light is.
    assert [int(s[0]) for s in optics.shifters] == [0, 9]
    assert all(len(s) == NEAR for s in optics.shifters)


def test_the_server_waits_for_a_client_that_is_behind_and_not_for_one_that_left(both):
    made, _ = both
    serve = made.surroundings("server")
    for k in range(AHEAD):
        serve(block(100 + FAR * k, FAR, [100] if not k else []))
    waiting = threading.Thread(target=serve, args=(block(200, FAR),), daemon=True)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    made.leave("client")
    waiting.join(5)
    assert not waiting.is_alive()


def test_it_is_dark_again_some_frames_behind_the_last_one(both):
    made, optics = both
    serve, hear = made.surroundings("server"), made.surroundings("client")
    until, clock = TO_SERVER + AFTERGLOW * PERIOD, 0
    while clock <= until:
        assert not made.dark
        words, _ = serve(block(1000 + clock, FAR, [1000] if not clock else []))
        assert words.shape == (2, FAR)
        clock += FAR
        while not made._ended and len(made._tapped) >= NEAR:
            hear(client(NEAR))
    words, line = serve(block(5000, FAR))
    assert words.shape == (2, ALONE) and not words.any() and not line.any()
    while not made.dark:
        hear(client(NEAR))
    words, _ = hear(client(NEAR))
    assert words.shape == (1, ALONE) and not words.any()
    seen = [k for part, _ in optics.detected for k in part]
    assert seen == list(range(1000, 1000 + len(seen))) and len(seen) >= until


def test_a_server_that_leaves_ends_the_light(both):
    made, _ = both
    made.surroundings("server")(block(100, 20, [100]))
    assert not made.dark
    made.leave("server")
    assert not made.dark  # a block of light is left
    made.surroundings("client")(client(NEAR))
    assert made.dark
    assert made.surroundings("server")(block(120, 20, [121]))[0].shape == (2, ALONE)
