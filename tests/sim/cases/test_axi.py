"""What stands around the AXI blocks passes every port on."""

from shotveil.gateware.axi.link import AxiLink
from shotveil.gateware.node.chain import NodeCore
from shotveil.models.host_link.mailbox import BASE
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.cases.axi import LinkOfOneClock, NodeBehindAxi, PlainReader
from shotveil.sim.engines.run import Ports
from shotveil.sim.engines.verilog import emit


def test_the_link_has_its_own_ports_and_one_clock():
    assert set(LinkOfOneClock().signature.members) == set(AxiLink(BASE).signature.members)
    text = emit(LinkOfOneClock())
    assert "input clk;" in text and "axi_clk" not in text.split("endmodule")[-2]


def test_a_reader_fits_a_bench():
    ports = Ports.of(PlainReader())
    assert set(ports.inputs) == {"i"} and {"data", "bad", "valid", "idle"} <= set(ports.status)


def test_a_node_has_its_converters_and_the_link_both_axi_ports():
    for role in ("server", "client"):
        spec = NodeSpec(role=role)
        members = set(NodeBehindAxi(spec).signature.members)
        assert members == set(NodeCore(spec).signature.members) - {"link"} | {"registers", "memory"}
