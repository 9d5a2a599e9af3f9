"""The bus of the registers: its members, their widths, and who drives them."""

from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link.register_bus import RegisterBus
from shotveil.models.host_link.packet import ADDRESS_BITS, WORD


def test_members_as_the_master_sees_them():
    members = RegisterBus().members
    assert {name: (member.flow, member.shape) for name, member in members.items()} == {
        "address": (Out, ADDRESS_BITS),
        "w_data": (Out, WORD),
        "w_strobe": (Out, 1),
        "r_strobe": (Out, 1),
        "r_data": (In, WORD),
        "r_valid": (In, 1),
    }
    assert (ADDRESS_BITS, WORD) == (12, 32)
    assert RegisterBus().flip().members["r_data"].flow == Out
