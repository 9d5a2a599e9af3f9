"""The bus by which the host link reaches the registers, one access at a time."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.host_link.packet import ADDRESS_BITS, WORD


class RegisterBus(wiring.Signature):
    """Words at word addresses, as the master sees them.

    * `w_strobe`: in this clock `w_data` is written at `address`.
    * `r_strobe`: in this clock the word at `address` is read; it appears at `r_data` in the one
      clock in which `r_valid` is high, `RegisterBank.latency` clocks later.
    * Never both strobes in one clock, and no strobe between a read and its answer. `address` and
      `w_data` mean nothing without a strobe.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "address": Out(ADDRESS_BITS),
                "w_data": Out(WORD),
                "w_strobe": Out(1),
                "r_strobe": Out(1),
                "r_data": In(WORD),
                "r_valid": In(1),
            }
        )
