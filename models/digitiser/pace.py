"""Whether a receiver keeps up with a frame's symbols. Model of the waits in `gateware.digitiser`.

A symbol arrives every 4 clocks. It waits in a FIFO until the phase block takes it, which takes a
symbol every `PASS` clocks but stands still for `MEASURE` clocks after a pilot (phase-diverse) or
after a frame's last pilot (homodyne). Then it waits in the phase block's queue for its sums, which
take 4 clocks a symbol: the sums never catch up within a frame, so every wait adds to the next.
"""

from __future__ import annotations

import functools

from shotveil.models.signal.frame import FrameLayout, Slot

SYMBOL = 4  # clocks from one symbol to the next, and for the sums of one
PASS = 2  # clocks from one symbol to the next through a stage
FRAMES = 3  # what has not been caught up in as many frames piles up


@functools.lru_cache(maxsize=64)
def longest_wait(quadratures: int, iterations: int, fifo: int, layout: FrameLayout) -> int:
    """Return the most symbols that wait at once for the phase block, in frames without a pause.

    quadratures, iterations, fifo: Fields of `DigitiserSpec`, the last one as `symbol_fifo`. A
    result of `fifo` or more means that symbols are lost. The figure is an upper bound: symbols that
    are in the phase block's pipeline count as if they had its whole latency before them.
    """
    cordic = iterations + 8  # its latency, which a test compares with the gateware's
    latency = cordic if quadratures == 2 else 1
    measure = cordic + 3 + 3
    slots = layout.slots().tolist()
    final = max((at for at, slot in enumerate(slots) if slot == Slot.PILOT), default=-1)
    taken: list[int] = []  # clocks in which the phase block took each symbol
    summed: list[int] = []  # clocks in which each symbol left the queue
    ready = most = waits = entered = left = 0
    for number in range(FRAMES):
        for at, slot in enumerate(slots):
            if slot in (Slot.PREAMBLE, Slot.GUARD):
                continue
            arrived = SYMBOL * (number * len(slots) + at)
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
            summed.append(max(clock + latency, summed[-1] + SYMBOL if summed else 0))
            pauses = slot == Slot.PILOT and (quadratures == 2 or at == final)
            ready = clock + (measure if pauses else PASS)
    return most
