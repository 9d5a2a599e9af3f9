"""Workers end with the process that they work for, however that one ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shotveil.host.run.workers import leave_with_parent
from tests.alive import alive

# Two workers, one of which is busy, and their process numbers.
POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from shotveil.host.run.workers import leave_with_parent

if __name__ != "__mp_main__":  # in a worker it is
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, leave_with_parent) as pool:
        pool.submit(time.sleep, 600)
        pool.submit(time.sleep, 0.5).result()
        print(*pool._processes, flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_is_left_where_the_parent_is_killed(tmp_path, how):
    (tmp_path / "pool.py").write_text(POOL)
    parent = subprocess.Popen([sys.executable, tmp_path / "pool.py"], stdout=subprocess.PIPE)
    workers = [int(number) for number in parent.stdout.readline().split()]
    parent.stdout.close()
    assert len(workers) == 2 and all(map(alive, workers))
    parent.send_signal(how)
    parent.wait()
    end = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def test_outside_a_worker_it_is_refused():
    with pytest.raises(RuntimeError, match="not started by multiprocessing"):
        leave_with_parent()
