"""Images in several processes: the same results, in the images' order, and errors that come out."""

import contextlib
import queue

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network
from shotveil.sim.loop import pool
from shotveil.sim.loop.pool import infer_in_crowds, infer_in_processes, models
from shotveil.sim.loop.session import Loop
from shotveil.sim.loop.settings import realistic


class FakeLoop:
    """Stands for a loop; `play` is what plays its layers."""

    play = "player"


@pytest.fixture
def here(monkeypatch):
    """What is asked for in this process."""
    asked = []
    monkeypatch.setattr(pool, "infer", lambda *given: asked.append(given) or "inferred")
    return asked


def test_models_play_what_the_loop_plays():
    assert models(FakeLoop()) == "player"


@pytest.mark.parametrize(("count", "processes"), [(5, 1), (1, 8), (0, 8)])
def test_one_process_or_one_image_is_done_here(here, count, processes):
    images, tell = np.zeros((count, 4)), print
    loop = FakeLoop()
    found = infer_in_processes(
        loop, images, "records", tell, player_of=lambda loop: (loop, "own"), processes=processes
    )
    assert found == "inferred"
    ((given, seen, records, progress, player),) = here
    assert given is loop and seen is images and records == "records" and progress is tell
    assert player == (loop, "own")


@pytest.mark.parametrize("processes", [0, -1, 1025, 1.5])
def test_processes_have_a_range(processes):
    with pytest.raises(RangeError, match="processes"):
        infer_in_processes(FakeLoop(), np.zeros((2, 4)), None, processes=processes)


def test_as_many_processes_as_processors_by_default(here, monkeypatch):
    for processors in (1, None):
        monkeypatch.setattr(pool.os, "cpu_count", lambda processors=processors: processors)
        assert infer_in_processes(FakeLoop(), np.zeros((3, 4)), None) == "inferred"


def test_what_a_process_cannot_do_is_an_error_here():
    with pytest.raises(AttributeError, match="'int' object has no attribute"):
        infer_in_processes(3, np.zeros((2, 4)), None, player_of=int, processes=2)


def test_two_processes_give_what_one_gives_in_the_images_order():
    layer = Layer(np.random.default_rng(1).normal(size=(8, 60)).astype(np.float32))
    loop = Loop(Network("part", (layer,)), realistic(1.3, 2.4))
    records, images = loop.records(20), np.random.default_rng(2).normal(size=(3, 60))
    done = []
    one, two = (infer_in_processes(loop, images, records, done.append, processes=n) for n in (1, 2))
    np.testing.assert_array_equal(one.outputs, two.outputs)
    np.testing.assert_array_equal(one.sums[0], two.sums[0])
    assert len(np.unique(one.outputs, axis=0)) == 3 and done == [1] * 6


def makers(loop, images):
    """Three players for whatever images, which are the loop's own."""

    @contextlib.contextmanager
    def maker():
        yield loop.play

    return [maker] * min(3, images)


def test_a_crowd_gives_what_one_image_at_a_time_gives():
    layer = Layer(np.random.default_rng(1).normal(size=(8, 60)).astype(np.float32))
    loop = Loop(Network("part", (layer,)), realistic(1.3, 2.4))
    records, images = loop.records(20), np.random.default_rng(2).normal(size=(7, 60))
    done = []
    crowd = infer_in_crowds(loop, images, records, done.append, makers_of=makers, processes=1)
    one = infer_in_processes(loop, images, records, processes=1)
    np.testing.assert_array_equal(crowd.outputs, one.outputs)
    np.testing.assert_array_equal(crowd.sums[0], one.sums[0])
    assert done == [1] * 7


def fails(loop, images):
    @contextlib.contextmanager
    def maker():
        yield lambda number, xi, records, rng: 1 / 0

    return [maker] * 2


def test_what_goes_wrong_in_a_crowd_is_an_error_here():
    layer = Layer(np.random.default_rng(1).normal(size=(8, 60)).astype(np.float32))
    loop = Loop(Network("part", (layer,)), realistic(1.3, 2.4))
    records, images = loop.records(20), np.random.default_rng(2).normal(size=(5, 60))
    done = []
    with pytest.raises(ZeroDivisionError):
        infer_in_crowds(loop, images, records, done.append, makers_of=fails, processes=1)
    assert not done
    with pytest.raises(TypeError, match="int"):  # in another process
        infer_in_crowds(loop, images, records, done.append, makers_of=int, processes=2)


@pytest.mark.parametrize("processes", [0, 1025, 1.5])
def test_processes_of_a_crowd_have_a_range(processes):
    with pytest.raises(RangeError, match="processes"):
        infer_in_crowds(FakeLoop(), np.zeros((2, 4)), None, makers_of=makers, processes=processes)


def test_a_process_of_the_pool_ends_with_the_one_that_asked(monkeypatch):
    began = []
    monkeypatch.setattr(pool, "leave_with_parent", lambda: began.append(True))
    given = queue.Queue()
    given.put((FakeLoop(), "records", models))
    monkeypatch.setattr(pool, "_work", None, raising=False)
    monkeypatch.setattr(pool, "threadpool_limits", lambda threads: None)
    monkeypatch.setattr(pool.gc, "freeze", lambda: None)
    pool._begin(given)
    assert began == [True]
