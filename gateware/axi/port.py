"""The signals of AXI, with the widths of AXI4.

A Zynq-7000 has AXI3 at its ports: lengths of four bits and sizes of two, which `boards.zynq` cuts
these to, so no burst may have more than `LONGEST` words. Lock, cache and quality of service are
left out where a slave ignores them.
"""

from __future__ import annotations

import enum

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

ADDRESS_BITS = 32
LONGEST = 16  # words of a burst of AXI3
BOUNDARY = 4096  # bytes; no burst crosses an address that is a multiple of it


class Burst(enum.IntEnum):
    """How the address moves from one word of a burst to the next."""

    FIXED = 0
    INCR = 1
    WRAP = 2


class Resp(enum.IntEnum):
    """Answers; both errors have bit 1 set, which the others have not."""

    OKAY = 0
    SLVERR = 2


def _request(prefix: str, ids: int) -> dict[str, wiring.Member]:
    fields = {"id": ids, "addr": ADDRESS_BITS, "len": 8, "size": 3, "burst": 2}
    return {
        **{f"{prefix}{name}": Out(width) for name, width in fields.items()},
        f"{prefix}valid": Out(1),
        f"{prefix}ready": In(1),
    }


class AxiRead(wiring.Signature):
    """Requests to read and their words, as the master sees them; identifiers of `ids` bits."""

    def __init__(self, data: int, ids: int):
        super().__init__(
            {
                **_request("ar", ids),
                "rid": In(ids),
                "rdata": In(data),
                "rresp": In(2),
                "rlast": In(1),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


class Axi(wiring.Signature):
    """All five channels, as the master sees them."""

    def __init__(self, data: int, ids: int):
        super().__init__(
            {
                **_request("aw", ids),
                "wdata": Out(data),
                "wstrb": Out(data // 8),
                "wlast": Out(1),
                "wvalid": Out(1),
                "wready": In(1),
                "bid": In(ids),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                **AxiRead(data, ids).members,
            }
        )
