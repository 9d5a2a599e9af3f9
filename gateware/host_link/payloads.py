"""Payloads of the streams between the blocks of the host link."""

from __future__ import annotations

import dataclasses

from amaranth.lib import data, enum

from shotveil.models.host_link.endpoint import Counters
from shotveil.models.host_link.packet import MAX_WORDS

# Widths of the counters of packets, by name.
COUNTERS = {field.name: field.metadata["width"] for field in dataclasses.fields(Counters)}
COUNT = MAX_WORDS.bit_length()  # bits that hold 0 … MAX_WORDS


class Fault(enum.Enum, shape=2):  # type: ignore[call-arg]
    """The fault of a frame, which is known at its end."""

    NONE = 0
    FRAME = 1
    CRC = 2


def token() -> data.StructLayout:
    """A byte of a frame or, if `end` is high, no byte but the end of the frame."""
    return data.StructLayout({"byte": 8, "end": 1})


def judged() -> data.StructLayout:
    """Like `token`, with the frame's fault at its end."""
    return data.StructLayout({"byte": 8, "end": 1, "fault": Fault})


def request() -> data.StructLayout:
    """Header of a request, and the number of words that came with it."""
    return data.StructLayout({"seq": 8, "op": 8, "target": 16, "count": 16, "words": COUNT})


def response() -> data.StructLayout:
    """Header of a response without its constant parts; `op` is the request's lowest 7 bits."""
    return data.StructLayout({"seq": 8, "op": 7, "status": 3, "credit": 16, "count": COUNT})
