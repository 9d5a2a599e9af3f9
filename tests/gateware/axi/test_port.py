"""The names and widths that a bench and a processor expect."""

from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.port import Axi, AxiRead, Resp


def test_channels_have_the_widths_of_axi4():
    port = Axi(32, 12)
    assert {n: m.shape for n, m in port.members.items()} == {
        **{f"{c}{f}": w for c in ("aw", "ar") for f, w in
           (("id", 12), ("addr", 32), ("len", 8), ("size", 3), ("burst", 2), ("valid", 1),
            ("ready", 1))},
        "wdata": 32, "wstrb": 4, "wlast": 1, "wvalid": 1, "wready": 1,
        "bid": 12, "bresp": 2, "bvalid": 1, "bready": 1,
        "rid": 12, "rdata": 32, "rresp": 2, "rlast": 1, "rvalid": 1, "rready": 1,
    }  # fmt: skip
    given = {n for n, m in port.members.items() if m.flow is In}
    assert given == {"awready", "wready", "bid", "bresp", "bvalid", "arready", "rid", "rdata",
                     "rresp", "rlast", "rvalid"}  # fmt: skip


def test_a_reader_has_no_writes():
    names = set(AxiRead(64, 6).members)
    assert names == {n for n in Axi(64, 6).members if n[0] in "ar" and not n.startswith("aw")}
    assert AxiRead(64, 6).members["rready"].flow is Out and Resp.SLVERR & 2
