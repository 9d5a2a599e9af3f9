"""Stimuli for the blocks of a node, with what their models say must come out.

The promises of these blocks are about time, so the benches set their plain ports in each clock:
`Clocked` turns the ports into streams, and stops the block's clock while a stream pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import EnableInserter, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.node.capture import Capture
from shotveil.gateware.node.replay import Replay
from shotveil.gateware.node.row_memory import BlockMemory
from shotveil.gateware.node.row_store import RowStore
from shotveil.gateware.node.sequencer import Sequencer
from shotveil.gateware.node.trigger import Trigger
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node import capture, replay, row_store, sequencer, trigger
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

DRAIN = 20
SMALL = NodeSpec(
    drive=DriveSpec(row_capacity=64),
    digitiser=DigitiserSpec(modes=64, row_capacity=512),
    capture=64,
    replay=256,
)


class Clocked(wiring.Component):
    """A component whose plain ports have become streams.

    `i` carries all inputs but `settings`, and `o` all outputs but `status`, one word a clock. The
    component's own streams stay as they are. Its clock stops while `i` or `o` pauses.
    """

    def __init__(
        self,
        inner: wiring.Component,
        settings: Collection[str] = (),
        status: Collection[str] = (),
    ):
        self._inner = inner
        members: dict[str, Any] = {}
        given: dict[str, Any] = {}
        taken: dict[str, Any] = {}
        self._plain, self._streams = {*settings, *status}, []
        for name, member in inner.signature.members.items():
            if not member.is_port:
                self._streams.append(name)
                members[name] = member
            elif name in self._plain:
                members[name] = member
            else:
                (given if member.flow is In else taken)[name] = member.shape
        self._given, self._taken = given, taken
        if not taken:
            self._taken, taken = {}, {"beat": 1}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(given))),
                "o": Out(stream.Signature(data.StructLayout(taken))),
                **members,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inner = self._inner
        go = Signal()
        m.submodules.inner = EnableInserter(go)(inner)
        m.d.comb += [
            go.eq(self.i.valid & self.o.ready),
            self.i.ready.eq(self.o.ready),
            self.o.valid.eq(self.i.valid),
            *(Value.cast(getattr(inner, n)).eq(Value.cast(self.i.p[n])) for n in self._given),
            *(Value.cast(self.o.p[n]).eq(Value.cast(getattr(inner, n))) for n in self._taken),
        ]
        if not self._taken:
            m.d.comb += self.o.p.beat.eq(1)
        for name in self._plain:
            ours, theirs = getattr(self, name), getattr(inner, name)
            incoming = inner.signature.members[name].flow is In
            m.d.comb += theirs.eq(ours) if incoming else ours.eq(theirs)
        for name in self._streams:
            ours, theirs = getattr(self, name), getattr(inner, name)
            m.d.comb += [
                ours.payload.eq(theirs.payload),
                ours.valid.eq(theirs.valid & go),
                theirs.ready.eq(ours.ready & go),
            ]
        return m


@dataclass(frozen=True)
class NodeBlock:
    """A block for the benches; `cases(size, rng)` gives runs whose length grows with `size`."""

    component: Callable[[], wiring.Component]
    cases: Callable[[int, np.random.Generator], list[Case]]
    gut: type[wiring.Component]


def pulses(n: int, rate: float, rng: np.random.Generator) -> IntArray:
    """Zeros and, at random, a share `rate` of ones."""
    return (rng.random(n) < rate).astype(np.int64)


def frames_of(sequence: sequencer.SequencerModel, i: dict[str, IntArray], setup: dict[str, int],
              rng: np.random.Generator) -> list[sequencer.Outputs]:  # fmt: skip
    """Outputs of the sequencer's model, in front of a drive that starts frames as `run` says.

    It fills in `started` and `busy` of the inputs. No frame starts at the very end, since counts
    come late.
    """
    outputs = []
    run, wait, left = [0, 0, 0], 0, 0
    for k in range(len(i["arm"])):
        late = k >= len(i["arm"]) - 2
        begins = run[-1] and wait == 0 and rng.random() < 0.5 and not late
        i["started"][k] = int(begins)
        i["busy"][k] = int(left > 0)
        left = int(rng.integers(5, 30)) if begins else max(left - 1, 0)
        wait = sequencer.MARGIN if begins else max(wait - 1, 0)
        given = {name: int(values[k]) for name, values in i.items()}
        out = sequence.step(sequencer.Inputs(**given, **setup))
        run = [out.run, *run[:2]]
        outputs.append(out)
    return outputs


def sequencer_cases(size: int, rng: np.random.Generator) -> list[Case]:
    """Batches that end by themselves, and halts of every kind."""
    cases = []
    state = sequencer.SequencerModel(DRAIN)
    for number, (grant, lead_in) in enumerate([(3, 2), (0, 0), (5, 0), (1 << 23, 1), (7, 3)]):
        n = 400 + size
        rare = 0.004 if number > 2 else 0.0
        names = ("stop", "clear", "link_fault", "tripped", "starved")
        i = {name: pulses(n, rare / 3, rng) for name in names}
        i["start"] = pulses(n, 0.05, rng)
        i["alive"] = pulses(n, 0.02, rng)
        i["away"] = np.repeat(pulses(n // 15 + 1, 0.5, rng), 15)[:n]
        i["arm"] = np.repeat(pulses(n // 40 + 1, 0.85, rng), 40)[:n]
        i["arm"][:2] = 0
        i["started"], i["busy"] = np.zeros(n, np.int64), np.zeros(n, np.int64)
        setup = {"grant": grant, "lead_in": lead_in, "watchdog": 0 if number == 4 else 1}
        outputs = frames_of(state, i, setup, rng)
        shown = ("run", "blank", "arm_drive", "returning", "flush", "state", "fault", "left")
        expected = {name: np.array([getattr(out, name) for out in outputs]) for name in shown}
        run = Run(setup, {"i": i}, {"o": n}, linger=0)
        status = {"rows": state.rows, "frames": state.frames}
        cases.append(Case(run, {"o": expected}, status))
    return cases


def trigger_cases(size: int, rng: np.random.Generator) -> list[Case]:
    """Edges that start a frame, edges that start none, and more edges than the trigger can hold."""
    cases = []
    for triggered, delay in ((1, 0), (0, 0), (1, 70), (0, 5), (1, 1000)):
        n = 300 + size + (1000 if delay == 1000 else 0)
        level = np.repeat(pulses(n // 3 + 1, 0.3, rng), 3)[:n]
        level[:8] = level[-8:] = 0
        started = pulses(n, 0.1, rng)
        expected = {"hold": trigger.model(level, started, triggered, delay)}
        run = Run(
            {"triggered": triggered, "delay": delay},
            {"i": {"trigger": level, "started": started}},
            {"o": n},
            linger=0,
        )
        cases.append(Case(run, {"o": expected}))
    return cases


def capture_cases(size: int, rng: np.random.Generator) -> list[Case]:
    """Records that start at once or with a frame, and one that the next one cuts short."""
    cases = []
    spec = SMALL
    for on_frame, start, frame in ((0, 10, 30), (1, 10, 33), (1, 5, 6), (0, 0, 0)):
        n = spec.capture + 60 + 3 * spec.capture
        codes = rng.integers(0, 1 << spec.digitiser.adc_bits, (2, n))
        strobe, mark = np.zeros(n, np.int64), np.zeros(n, np.int64)
        strobe[start] = 1
        mark[[0, frame]] = 1
        record = capture.model(codes, start, spec.capture, frame if on_frame else None)
        packed = codes[0] | codes[1] << spec.digitiser.adc_bits
        run = Run(
            {"on_frame": on_frame},
            {"i": {"i": packed, "start": strobe, "frame": mark}},
            {"o": n, "words": spec.capture},
            linger=0,
        )
        cases.append(Case(run, {"words": record}))
    return cases


def replay_cases(size: int, rng: np.random.Generator, spec: NodeSpec = SMALL) -> list[Case]:
    """Frames that come back, frames that do not, and frames that nobody sent."""
    cases = []
    for lead_in, loop_delay, row in ((2, 500, 48), (0, 3000, 17), (1, 0, 64)):
        period = 700
        count = 8 + size // 100
        sent = 200 + period * np.arange(count + lead_in)
        delay = loop_delay + replay.latency(spec.digitiser)
        lost = rng.random(len(sent)) < 0.25
        # A frame comes well inside the window or well outside; a stray one may come before any.
        received = (sent + delay + rng.integers(-240, 300, len(sent)))[~lost]
        received = np.sort(np.concatenate([received, [40]]))
        n = int(sent[-1] + delay + 2 * period)
        flights = replay.model(sent, received, lead_in, delay, period // 2, n)
        rows = rng.integers(-(1 << 15), 1 << 15, (count, 2, row))
        i = {name: np.zeros(n, np.int64) for name in
             ("begin", "taken", "symbol", "sent", "received", "clear")}  # fmt: skip
        i["begin"][3] = i["clear"][3] = 1
        i["sent"][sent], i["received"][received] = 1, 1
        for k, when in enumerate(sent[lead_in:]):
            # The row follows the preamble.
            at = when + spec.drive.samples_per_symbol * np.arange(row)
            i["taken"][at] = 1
            i["symbol"][at] = (rows[k, 0] & 0xFFFF) | (rows[k, 1] & 0xFFFF) << 16
        back = [rows[b - lead_in] for b in flights.belongs if b >= 0]
        q = np.concatenate(back, axis=1) if back else np.zeros((2, 0), np.int64)
        run = Run(
            {"lead_in": lead_in, "row": row, "period": period, "loop_delay": loop_delay},
            {"i": i},
            {"o": n, "q": q.shape[1]},
            linger=0,
        )
        status = {"matched": len(back), "missed": flights.missed}
        cases.append(Case(run, {"q": {"x": q[0], "p": q[1]}}, status))
    return cases


KEEPING = NodeSpec(  # a store of three banks
    drive=DriveSpec(row_capacity=64), digitiser=DigitiserSpec(modes=64, row_capacity=512),
    capture=64, replay=256, store=192,
)  # fmt: skip


class RowsInBlockRam(wiring.Component):
    """A row store with its memory of block RAM; `spoil` makes the memory's symbols unreadable.

    Another `memory` may take the place of block RAM.
    """

    def __init__(
        self, spec: NodeSpec = KEEPING, memory: Callable[[NodeSpec], Any] = BlockMemory
    ) -> None:
        self._memory, self._store = memory(spec), RowStore(spec)
        members = dict(self._store.signature.members.items())
        del members["memory"]
        super().__init__({**members, "spoil": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = store = self._store
        m.submodules.memory = memory = self._memory
        ours, theirs = store.memory, memory.port
        for name in ("keep", "piece"):
            wiring.connect(m, getattr(ours, name), getattr(theirs, name))
        m.d.comb += [
            theirs.flush.eq(ours.flush),
            ours.idle.eq(theirs.idle),
            ours.symbol.valid.eq(theirs.symbol.valid),
            ours.symbol.p.symbol.eq(theirs.symbol.p.symbol),
            ours.symbol.p.bad.eq(self.spoil),
            theirs.symbol.ready.eq(ours.symbol.ready),
        ]
        for name, member in self.signature.members.items():
            if not member.is_port:
                wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(store, name))
            elif name != "spoil":
                mine, its = getattr(self, name), getattr(store, name)
                m.d.comb += its.eq(mine) if member.flow is In else mine.eq(its)
        return m


def pairs_of(words: list[int]) -> dict[str, IntArray]:
    """The symbols that are packed in words, by quadrature."""
    packed = np.array(words, np.int64)
    return {"i": (packed << 48) >> 48, "q": (packed << 32) >> 48}


def packed(symbols: Any) -> IntArray:
    """Symbols by quadrature, as a stream gives them, as words."""
    return (symbols["i"] & 0xFFFF) | (symbols["q"] & 0xFFFF) << 16


class StoreScript:
    """Writes cases for a row store, one after the other, as the model says how they end."""

    def __init__(self, rng: np.random.Generator, spec: NodeSpec = KEEPING):
        self.rng, self.model = rng, row_store.RowStoreModel(spec.store)
        self.cases: list[Case] = []
        self._held: list[int] = []

    def _add(self, settings: dict[str, int], inputs: dict[str, Any], due: list[int]) -> Case:
        known = {"row": 1, "place": 0, "spoil": 0, **dict.fromkeys(
            ("rewind", "forget", "flush", "clear"), 0)}  # fmt: skip
        run = Run({**known, **settings}, inputs, {"o": len(due)}, linger=24)
        expected = pairs_of(due)
        state = self.model
        status = {name: int(getattr(state, name)) for name in
                  ("loaded", "waiting", "broken", "refused", "refused_slot")}  # fmt: skip
        self.cases.append(Case(run, {"o": expected}, {**status, "unreadable": 0}))
        return self.cases[-1]

    @property
    def held(self) -> IntArray:
        """The words that are loaded."""
        return np.array(self._held, np.int64)

    def pulse(self, name: str) -> None:
        """Hold `flush`, `clear` or `forget` for some clocks."""
        {"flush": self.model.drop, "clear": self.model.clear, "forget": self.model.forget}[name]()
        both = {"flush": 1} if name == "forget" else {}
        self._held = [] if name == "forget" else self._held
        self._add({name: 1, **both}, {}, [])

    def load(self, place: int, count: int) -> None:
        """Go back to a place, and load symbols from there on."""
        self.model.rewind(place)
        self._held = self._held[:place]
        self._add({"rewind": 1, "place": place}, {}, [])
        words = self.rng.integers(0, 1 << 32, count).tolist()
        self.model.load(words)
        self._held += words
        self._add({}, {"i": pairs_of(words)}, [])

    def play(self, row: int, slots: list[int]) -> Case:
        """Play the rows of slots, or the rows before the first that is refused."""
        due: list[int] = []
        for slot in slots:
            self.model.queue(slot, row)
        while words := self.model.play(row):
            due += words
        return self._add({"row": row}, {"slots": np.array(slots, np.int64)}, due)


def row_store_cases(size: int, rng: np.random.Generator, spec: NodeSpec = KEEPING) -> list[Case]:
    """Rows of every length from loads of every kind, refused slots, and what lets go of them."""
    script, capacity, longest = StoreScript(rng, spec), spec.store, spec.drive.row_capacity
    script.load(0, 150)
    script.play(30, [0, 120, 30, 120])
    script.load(150, capacity - 150)
    for row in (1, longest):
        script.play(row, [0, capacity - row, 0])
    for _ in range(6 + size // 200):
        held = script.model.loaded
        match int(rng.integers(5)):
            case 0:
                script.load(0, int(rng.integers(1, capacity + 1)))
            case 1:
                script.load(held, int(rng.integers(0, capacity - held + 1)))
            case 2:  # in place of others
                place = int(rng.integers(0, held + 1))
                script.load(place, int(rng.integers(0, capacity - place + 1)))
            case 3 if held:
                row = int(rng.integers(1, min(held, longest) + 1))
                slots = rng.integers(0, held - row + 1, 6).tolist()
                far = [held - row + 1, capacity + 5, 1 << 31][int(rng.integers(3))]
                script.play(row, [*slots[:3], far, *slots[3:]])
                for name in rng.permutation(["flush", "clear"]).tolist():
                    script.pulse(name)
            case 4 if held and rng.random() < 0.3:
                script.pulse("forget")
        if held := script.model.loaded:
            row = int(rng.integers(1, min(held, longest) + 1))
            script.play(row, rng.integers(0, held - row + 1, 8).tolist())
    return script.cases


class CaptureStream(wiring.Component):
    """The capture with its words in a stream of another name, since `Clocked` uses the name `o`."""

    def __init__(self) -> None:
        self._inner = Capture(SMALL)
        members = dict(self._inner.signature.members.items())
        members["words"] = members.pop("o")
        del members["available"]
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = inner = self._inner
        for name in ("i", "start", "on_frame", "frame"):
            m.d.comb += getattr(inner, name).eq(getattr(self, name))
        wiring.connect(m, inner.o, wiring.flipped(self.words))
        return m


BLOCKS: dict[str, NodeBlock] = {
    "sequencer": NodeBlock(
        lambda: Clocked(
            Sequencer(DRAIN), ("grant", "lead_in", "watchdog"), ("rows", "frames")
        ),
        sequencer_cases,
        Sequencer,
    ),
    "trigger": NodeBlock(
        lambda: Clocked(Trigger(), ("triggered", "delay")), trigger_cases, Trigger
    ),
    "replay": NodeBlock(
        lambda: Clocked(
            Replay(SMALL),
            ("lead_in", "row", "period", "loop_delay"),
            ("matched", "missed"),
        ),
        replay_cases,
        Replay,
    ),
    "row_store": NodeBlock(RowsInBlockRam, row_store_cases, RowStore),
    "capture": NodeBlock(
        lambda: Clocked(CaptureStream(), ("on_frame",)), capture_cases, Capture
    ),
}  # fmt: skip


def clocked(name: str) -> Clocked:
    """Return the component of a block whose plain ports have become streams."""
    block = BLOCKS[name].component()
    assert isinstance(block, Clocked)
    return block
