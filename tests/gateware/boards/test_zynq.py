"""The processor's cell: ports with the widths of AXI3, nothing left open that has to be tied."""

import re

import pytest
from amaranth.back import verilog
from amaranth.hdl import ClockDomain, Module
from amaranth.lib.wiring import connect

from shotveil.gateware.boards import zynq
from shotveil.models.node.spec import LARGEST_STORE, NodeSpec

# Ports and widths of UG585's M_AXI_GP and S_AXI_HP; inputs of the cell among them.
AXI3 = {"ADDR": 32, "LEN": 4, "SIZE": 2, "BURST": 2, "RESP": 2, "LOCK": 2, "CACHE": 4, "PROT": 3,
        "QOS": 4, "VALID": 1, "READY": 1, "LAST": 1}  # fmt: skip
OF_PORT = {
    "MAXIGP0": {"ID": 12, "DATA": 32, "STRB": 4},
    "SAXIHP0": {"ID": 6, "DATA": 64, "STRB": 8},
    "SAXIHP1": {"ID": 6, "DATA": 64, "STRB": 8},
}
INPUTS = {
    "MAXIGP0": {"AWREADY", "WREADY", "BID", "BRESP", "BVALID", "ARREADY", "RID", "RDATA", "RRESP",
                "RLAST", "RVALID", "ACLK"},
    "SAXIHP0": {"AWID", "AWADDR", "AWLEN", "AWSIZE", "AWBURST", "AWLOCK", "AWCACHE", "AWPROT",
                "AWQOS", "AWVALID", "WID", "WDATA", "WSTRB", "WLAST", "WVALID", "BREADY", "ARID",
                "ARADDR", "ARLEN", "ARSIZE", "ARBURST", "ARLOCK", "ARCACHE", "ARPROT", "ARQOS",
                "ARVALID", "RREADY", "ACLK", "RDISSUECAP1EN", "WRISSUECAP1EN"},
}  # fmt: skip
INPUTS["SAXIHP1"] = INPUTS["SAXIHP0"]


@pytest.fixture(scope="module")
def text():
    """The Verilog of a link whose bytes come back."""
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    m.submodules.processor = link = zynq.ProcessorLink(NodeSpec(store=LARGEST_STORE))
    m.submodules.rows = link.row_memory
    connect(m, link.o, link.i)
    return verilog.convert(m, ports=[], emit_src=False)


def ports(text):
    cell = re.search(r"PS7\b[^;]*?\((.*?)\n  \);", text, re.S).group(1)
    return dict(re.findall(r"\.(\w+)\(((?:[^()]|\([^()]*\))*)\)", cell))


def width(text, given):
    if constant := re.match(r"(\d+)'", given):
        return int(constant[1])
    if part := re.search(r"\[(\d+):(\d+)\]$", given):
        return int(part[1]) - int(part[2]) + 1
    if concatenated := re.match(r"\{(.*)\}", given):
        return sum(width(text, part.strip()) for part in concatenated[1].split(","))
    found = re.search(rf"wire (?:\[(\d+):0\] )?{re.escape(given.strip())} ?;", text)
    return int(found[1] or 0) + 1


def test_every_input_of_the_ports_in_use_is_driven(text):
    found = set(ports(text))
    for port, names in INPUTS.items():
        assert {f"{port}{name}" for name in names} <= found


def test_widths_are_those_of_the_cell(text):
    checked = 0
    for name, given in ports(text).items():
        port = name[:7]
        if port not in OF_PORT:
            continue
        field = name[7:]
        kinds = {**AXI3, **OF_PORT[port]}
        kind = next((k for k in sorted(kinds, key=len, reverse=True) if field.endswith(k)), None)
        if kind is None or field in ("ACLK", "RDISSUECAP1EN", "WRISSUECAP1EN"):
            continue
        assert width(text, given) == kinds[kind], (name, given)
        checked += 1
    assert checked > 60


def test_constraints_name_the_cell_and_both_clocks():
    lines = zynq.constraints("processor", "adc").strip().split("\n")
    assert lines[0] == "create_clock -name axi -period 8.000 [get_pins {processor/ps7/FCLKCLK[0]}]"
    assert [line.split()[0] for line in lines[1:]] == ["set_max_delay"] * 2
    assert all("axi" in line and "adc" in line for line in lines[1:])


def test_a_node_that_keeps_no_rows_has_no_second_port():
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    m.submodules.processor = link = zynq.ProcessorLink(NodeSpec(role="client"))
    connect(m, link.o, link.i)
    text = verilog.convert(m, ports=[], emit_src=False)
    assert "SAXIHP0ACLK" in text and "SAXIHP1" not in text and link.row_memory is None
