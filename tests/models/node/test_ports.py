"""The numbers of ports are part of the protocol: a host of another day uses the same."""

from shotveil.models.node.ports import ReadPort, WritePort


def test_numbers():
    assert {port.name: int(port) for port in WritePort} == {
        "ROWS": 0, "PULSE": 1, "ANGLES": 2, "FILTER": 3,
    }  # fmt: skip
    assert {port.name: int(port) for port in ReadPort} == {
        "INFERENCE": 0, "SESSION": 1, "MODES": 2, "FRAMES": 3, "SYMBOLS": 4, "PHASES": 5,
        "CAPTURE": 6,
    }  # fmt: skip
