"""How fast a host link brings rows to a node, and frames that are no faster.

Rows reach the server's node while frames play, and receivers need frames of a constant period. A
node's buffer holds several short rows, but little more than one of the longest. Where these take
longer on the link than as light, the guard between frames is lengthened.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from shotveil.models.common.checks import require
from shotveil.models.host_link.packet import MAX_WORDS, Op, Request, Response, Status, to_frame
from shotveil.models.node.ports import WritePort
from shotveil.models.signal.frame import FrameLayout

FILLER = 0x01010101  # a word without zero bytes, for which byte stuffing costs least
IDLE = 0.12  # clocks for each that carries a byte, in which the host waits for news of room


def paced(layout: FrameLayout, samples: int) -> FrameLayout:
    """Return a frame that a link of a byte a clock can follow, with a longer guard if it must.

    samples: Samples of a symbol, one a clock.

    >>> paced(FrameLayout(row=392), 4) == FrameLayout(row=392)
    True
    >>> paced(FrameLayout(row=3073), 4).guard > FrameLayout(row=3073).guard
    True
    """
    clocks = sent_bytes(layout.row)
    if clocks <= samples * layout.length:
        return layout
    short = math.ceil(clocks * (1 + IDLE) / samples) - layout.length
    return replace(layout, guard=layout.guard + short)


def sent_bytes(words: int, port: WritePort = WritePort.ROWS) -> int:
    """The number of bytes on the wire that carry `words` words to a node, requests included."""

    def request(count: int) -> int:
        return len(to_frame(Request(0, Op.SEND, port, count, (FILLER,) * count).body()))

    return _packets(words, request)


def received_bytes(words: int) -> int:
    """The number of bytes on the wire that carry `words` words from a node."""

    def response(count: int) -> int:
        return len(to_frame(Response(0, Op.RECEIVE, Status.OK, 0, (FILLER,) * count).body()))

    return _packets(words, response)


def _packets(words: int, size: Callable[[int], int]) -> int:
    require("words", words, at_least=0, integer=True)
    whole, rest = divmod(words, MAX_WORDS)
    return whole * size(MAX_WORDS) + (size(rest) if rest else 0)
