"""What the blocks of a node promise in clocks."""

import numpy as np
import pytest

from gateware.node.capture import Capture
from gateware.node.reading import Reading
from gateware.node.sequencer import Sequencer
from models.checks import RangeError
from models.node import replay, sequencer, trigger
from sim.amaranth_bench import AmaranthBench
from sim.bench import Run
from sim.node import BLOCKS, DRAIN, SMALL


def play(name, n, due, settings=None, **ones):
    """Run a block for n clocks with inputs that are 0 but for the clocks named."""
    component = BLOCKS[name].component()
    inputs = {field: np.zeros(n, np.int64) for field, _ in component.i.payload.shape()}
    for field, clocks in ones.items():
        inputs[field][clocks] = 1
    run = Run(settings or {}, {"i": inputs}, {"o": n, **due}, linger=0)
    (result,) = AmaranthBench(component).run(run)
    return result


def test_sequencer():
    """`run` rises two clocks behind `start` and falls two behind the last frame's start; the output
    goes off `drain` clocks behind the frame."""
    n, begun, ended = 120, 20, 60
    busy = np.arange(begun + 1, ended)
    result = play("sequencer", n, {}, {"grant": 1, "lead_in": 0, "watchdog": 1},
                  arm=np.arange(5, n), start=[10], started=[begun], busy=busy)  # fmt: skip
    out = result.outputs["o"]
    assert np.nonzero(out["run"])[0].tolist() == list(range(12, begun + 2))
    assert np.nonzero(out["arm_drive"])[0].tolist() == list(range(11, ended + DRAIN + 1))
    assert np.nonzero(out["flush"])[0].tolist() == [ended + DRAIN + 1]
    assert out["state"][-1] == sequencer.State.DONE
    with pytest.raises(RangeError, match="drain = 0"):
        Sequencer(0)


def test_trigger():
    result = play("trigger", 60, {}, {"triggered": 1, "delay": 13}, trigger=np.arange(20, 25))
    low = np.nonzero(result.outputs["o"]["hold"] == 0)[0]
    assert low[0] == 20 + trigger.LATENCY + 13


def test_capture():
    depth = SMALL.capture
    result = play("capture", 2 * depth + 20, {"words": depth}, {"on_frame": 0}, start=[3])
    assert result.first["words"] - result.first["o"] == 3 + depth - 1 + Capture.latency
    assert result.last["words"] - result.first["words"] == depth - 1


def test_replay():
    """A row's symbols follow each other faster than the receiver asks for them."""
    delay = replay.latency(SMALL.digitiser)
    settings = {"lead_in": 0, "row": 48, "period": 700, "loop_delay": 0}
    result = play("replay", 900, {"q": 48}, settings, begin=[3], sent=[100],
                  taken=100 + 4 * np.arange(48), received=[100 + delay])  # fmt: skip
    assert result.first["q"] - result.first["o"] - (100 + delay) <= 8
    assert result.last["q"] - result.first["q"] <= 3 * 47


@pytest.mark.parametrize("width", [32, 33, 64])
def test_reading_cuts_words(width):
    entries = np.random.default_rng(2).integers(0, 1 << min(width, 62), 20)
    words = 1 if width <= 32 else 2
    run = Run({"level": 3}, {"i": entries}, {"o": 20 * words}, stall=0.3)
    (result,) = AmaranthBench(Reading(width, 4)).run(run)
    expected = [entry >> 32 * k & 0xFFFFFFFF for entry in entries for k in range(words)]
    assert result.outputs["o"].tolist() == expected
    assert result.status["available"] == 3 * words
