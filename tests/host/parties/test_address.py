"""Addresses that gRPC would take and misread are refused, and an unreachable one says why."""

import socket

import pytest

from shotveil.host.parties.address import require_address, why_not_free, why_unreachable
from shotveil.models.common.checks import RangeError


@pytest.mark.parametrize(
    "address, expected",
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("lab-3.example.org:1", ("lab-3.example.org", 1)),
        ("server_1:1", ("server_1", 1)),
    ],
)
def test_reads_host_and_port(address, expected):
    assert require_address(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        ":5",
        "host",
        "host:",
        "http://x:1",
        "::1:5",
        "a b:1",
        "x:-1",
        "x:1:2",
        "x:１",
        "-x:1",
        "",
        "\x1b:1",
    ],
)
def test_refuses_another_form(address):
    with pytest.raises(RangeError, match="has another form; allowed: HOST:PORT"):
        require_address(address)


def test_refuses_a_port_that_grpc_would_wrap():
    with pytest.raises(RangeError, match=r"127\.0\.0\.1:99999 has port 99999; allowed: 0 to 65535"):
        require_address("127.0.0.1:99999")


def test_a_closed_port_and_an_open_one_are_told_apart():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        assert "a program listens there" in why_unreachable(address)
        assert why_not_free(address) == "Address already in use"
    assert why_unreachable(address) == "TCP says: Connection refused"
