"""Drivers of streams without a simulator: a handle is anything with a value."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.lib import stream

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.cocotb_bench import CocotbBench, StreamSink, StreamSource
from shotveil.sim.engines.run import BenchError, ExtraOutput


def handles(*names):
    return SimpleNamespace(**{name: SimpleNamespace(value=0) for name in names})


@pytest.fixture
def given():
    dut = handles("i__payload", "i__valid", "i__ready")
    port = stream.Signature(8).create()
    return dut, lambda kind: kind(dut, "i", port, np.random.default_rng(1))


def test_a_source_offers_a_word_until_it_is_taken(given):
    dut, make = given
    source = make(StreamSource)
    source.send(np.array([5, 6]))
    for clock, (ready, word) in enumerate([(0, 5), (0, 5), (1, 5), (1, 6)]):
        source.drive()
        assert (dut.i__valid.value, dut.i__payload.value) == (1, word)
        dut.i__ready.value = ready
        source.sample(clock)
    assert source.done and source.clocks == [2, 3]
    source.drive()
    assert dut.i__valid.value == 0
    with pytest.raises(RangeError, match="outside"):
        source.send(np.array([256]))


def test_a_source_pauses(given):
    dut, make = given
    source = make(StreamSource)
    source.stall = 0.5
    source.send(np.arange(100))
    dut.i__ready.value = 1
    clock = 0
    while not source.done:
        source.drive()
        source.sample(clock)
        clock += 1
    assert 150 < clock < 280


@pytest.mark.parametrize(
    ("valid", "word", "message"), [(0, 7, "withdrew a word"), (1, 8, "changed a word")]
)
def test_a_sink_watches_the_rules(given, valid, word, message):
    dut, make = given
    sink = make(StreamSink)
    sink.stall = 1.0
    dut.i__valid.value, dut.i__payload.value = 1, 7
    sink.drive()
    sink.sample(0)
    assert not sink.words
    dut.i__valid.value, dut.i__payload.value = valid, word
    with pytest.raises(BenchError, match=message):
        sink.sample(1)


def test_more_than_is_due_is_an_error(given):
    _, make = given
    sink = make(StreamSink)
    sink.words, sink.clocks = [1, 2, 3], [0, 1, 2]
    bench = SimpleNamespace(_endless=frozenset({"i"}), _start=None)
    CocotbBench._bound(bench, sink, 2)
    assert sink.words == [1, 2]
    with pytest.raises(ExtraOutput, match="more than the 1"):
        CocotbBench._bound(SimpleNamespace(_endless=frozenset(), _start=None), sink, 1)
