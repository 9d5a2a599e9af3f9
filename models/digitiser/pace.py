"""Whether a receiver keeps up with a frame's symbols. Model of the waits in `gateware.digitiser`.

A symbol arrives every 4 clocks, or every 2. It waits in a FIFO until the phase block takes it,
which takes a symbol every `PASS` clocks but stands still for some clocks after a pilot
(phase-diverse) or after a frame's last pilot (homodyne). Then it waits in the phase block's queue
for its sums, which take as long as a symbol lasts: the sums never catch up within a frame, so every
wait adds to the next. Where symbols last 2 clocks, those that measure the offset also hold up the
ones behind them.
"""

from __future__ import annotations

import functools

from shotveil.models.signal.frame import FrameLayout, Slot

PASS = {4: 2, 2: 1}  # clocks from one symbol to the next through a stage, by clocks of a symbol
MEASURE = 3  # clocks from a symbol that measures the offset to the next
FRAMES = 6  # what has not been caught up in as many frames piles up


@functools.lru_cache(maxsize=64)
def longest_wait(
    quadratures: int,
    iterations: int,
    fifo: int,
    layout: FrameLayout,
    symbol: int = 4,
    every: int = 0,
) -> int:
    """Return the most symbols that wait at once for the phase block, in frames without a pause.

    quadratures, iterations, fifo: Fields of `DigitiserSpec`, the last one as `symbol_fifo`.
    symbol: Clocks of a symbol. every: In a vacuum record, one symbol of so many measures the
    offset; 0 for another record. A result of `fifo` or more means that symbols are lost. The figure
    is an upper bound: symbols that are in the phase block's pipeline count as if they had its whole
    latency before them.
    """
    cordic = iterations + 8  # its latency, which a test compares with the gateware's
    latency = cordic if quadratures == 2 else 1
    measure = cordic + 3 + 3
    slots = layout.slots().tolist()
    final = max((at for at, slot in enumerate(slots) if slot == Slot.PILOT), default=-1)
    taken: list[int] = []  # clocks in which the phase block took each symbol
    summed: list[int] = []  # clocks in which each symbol left the queue
    ready = most = waits = entered = left = 0
    late: list[int] = []  # clocks by which each frame's last symbol was behind
    for number in range(FRAMES):
        for at, slot in enumerate(slots):
            if slot in (Slot.PREAMBLE, Slot.GUARD):
                continue
            arrived = symbol * (number * len(slots) + at)
            clock = max(arrived, ready)
            while True:  # until the queue has room for all that the pipeline may hold
                while entered < len(taken) and taken[entered] + latency <= clock:
                    entered += 1
                while left < len(summed) and summed[left] <= clock:
                    left += 1
                if entered - left < fifo - latency - 5:
                    break
                clock = summed[left]
            while waits < len(taken) and taken[waits] <= arrived:
                waits += 1
            most = max(most, len(taken) - waits + 1)
            taken.append(clock)
            summed.append(max(clock + latency, summed[-1] + symbol if summed else 0))
            pauses = slot == Slot.PILOT and (quadratures == 2 or at == final)
            holds = every and len(taken) % every == 0
            ready = clock + (measure if pauses else MEASURE if holds else PASS[symbol])
        late.append(clock - arrived)
    # Symbols may also pile up so slowly that it only shows as a growth from frame to frame.
    grows = late[-1] > late[-2] > late[-3]
    return max(most, fifo) if grows else most
