"""Threads that go on together: nothing is lost or mixed up, and nobody waits for ever."""

import threading
from types import SimpleNamespace

import pytest

from shotveil.sim.engines import gang as module
from shotveil.sim.engines.gang import Deadlock, Gang


class Log:
    """Stands for copies of a design: notes which lanes ran for how many clocks."""

    def __init__(self):
        self.ran = []

    def reset(self, lane):
        self.ran.append(("reset", lane))

    def play(self, clocks, lanes):
        self.ran.append((clocks, sorted(lanes)))
        for lane in lanes.values():
            assert lane.at + clocks <= 100


def together(*works):
    """Run functions in a thread each; return what went wrong in them."""
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a thread waits for ever"
    return errors


def stepping(seat, *lengths):
    def work():
        seat.enter()
        handle = seat.create()
        for clocks in lengths:
            seat.step(handle, clocks, bytearray, None, None)
        seat.leave()

    return work


@pytest.fixture
def arrays(monkeypatch):
    """Steps without arrays."""
    monkeypatch.setattr(
        module, "lane_of",
        lambda streams, lines, values, clock, at: SimpleNamespace(clock=clock, at=at),
    )  # fmt: skip


def test_steps_of_one_length_are_played_together(arrays):
    gang, log = Gang(), Log()
    seats = [gang.seat(log, lane) for lane in range(4)]
    for seat in seats:
        seat.expect()
    assert not together(*(stepping(seat, 10, 0, 20) for seat in seats))
    steps = [ran for ran in log.ran if ran[0] != "reset"]
    assert steps == [(10, [0, 1, 2, 3]), (20, [0, 1, 2, 3])]
    assert [seat.clock for seat in seats] == [30] * 4


def test_steps_of_other_lengths_are_played_in_parts(arrays):
    gang, log = Gang(), Log()
    one, two = gang.seat(log, 0), gang.seat(log, 1)
    one.expect(), two.expect()
    assert not together(stepping(one, 70), stepping(two, 30, 30, 30))
    steps = [ran for ran in log.ran if ran[0] != "reset"]
    assert steps == [(30, [0, 1]), (30, [0, 1]), (10, [0, 1]), (20, [1])]
    assert (one.clock, two.clock) == (70, 90)


def test_two_designs_take_turns_and_a_thread_rests_until_another_has_worked(arrays):
    gang, servers, clients = Gang(), Log(), Log()
    server, client = gang.seat(servers, 0), gang.seat(clients, 0)
    server.expect(), client.expect()
    done = []

    def serve():
        server.enter()
        for _ in range(3):
            server.step(1, 10, None, None, None)
            done.append("light")
        server.rest(lambda: "read" in done)
        done.append("end")
        server.leave()

    def receive():
        client.enter()
        client.rest(lambda: len(done) >= 2)
        done.append("read")
        client.leave()

    assert not together(serve, receive)
    assert done == ["light", "light", "read", "light", "end"] or done == [
        "light", "light", "light", "read", "end",
    ]  # fmt: skip
    assert servers.ran == [(10, [0])] * 3 and not clients.ran


def test_threads_that_wait_for_each_other_are_told(arrays):
    gang, log = Gang(), Log()
    seats = [gang.seat(log, lane) for lane in range(2)]
    for seat in seats:
        seat.expect()

    def rest(seat):
        def work():
            seat.enter()
            try:
                seat.rest(lambda: False)
            finally:
                seat.leave()

        return work

    errors = together(*(rest(seat) for seat in seats))
    assert [type(error) for error in errors] == [Deadlock, Deadlock]


def test_only_one_thread_works_at_a_time(arrays):
    gang, log = Gang(), Log()
    seats = [gang.seat(log, lane) for lane in range(8)]
    for seat in seats:
        seat.expect()
    working = []

    def busy(seat):
        def work():
            seat.enter()
            for _ in range(20):
                working.append(seat)
                assert len(working) == 1
                sum(range(2000))
                working.remove(seat)
                seat.step(1, 5, None, None, None)
            seat.leave()

        return work

    assert not together(*(busy(seat) for seat in seats))
    assert log.ran == [(5, list(range(8)))] * 20


def test_the_gang_waits_for_a_thread_that_is_expected(arrays):
    gang, log = Gang(), Log()
    early, late = gang.seat(log, 0), gang.seat(log, 1)
    early.expect(), late.expect()
    begun = threading.Event()

    def slow():
        assert begun.wait(10)
        stepping(late, 10)()

    def quick():
        early.enter()
        begun.set()
        early.step(1, 10, None, None, None)
        early.leave()

    assert not together(quick, slow)
    assert (10, [0, 1]) in log.ran and (10, [0]) not in log.ran
