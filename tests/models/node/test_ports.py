"""The numbers of ports are part of the protocol: a host of another day uses the same."""

from shotveil.models.node.ports import ReadPort, WritePort, write_ports
from shotveil.models.node.spec import NodeSpec


def test_numbers():
    assert {port.name: int(port) for port in WritePort} == {
        "ROWS": 0, "PULSE": 1, "ANGLES": 2, "FILTER": 3, "STORE": 4, "SLOTS": 5,
    }  # fmt: skip
    assert {port.name: int(port) for port in ReadPort} == {
        "INFERENCE": 0, "SESSION": 1, "MODES": 2, "FRAMES": 3, "SYMBOLS": 4, "PHASES": 5,
        "CAPTURE": 6,
    }  # fmt: skip


def test_only_a_node_with_a_store_has_its_ports():
    assert write_ports(NodeSpec(store=4096)) == tuple(WritePort)
    assert write_ports(NodeSpec("client")) == write_ports(NodeSpec()) == tuple(WritePort)[:4]
