"""The program on a board's own Linux: it serves the node's host link on a TCP port.

`shotveil lab board red_pitaya` packs this file, with what it imports, into one that Python runs,
`node.pyz`. So nothing here may need a package beside Python's own, or a Python newer than 3.8.
"""

from __future__ import annotations

import argparse
import contextlib
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from shotveil.host.devices.bitstream import to_bit_bin
from shotveil.host.devices.mailbox import MailboxError, MappedView, NodeMailbox, reserved_buffer
from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.mailbox import BASE, WINDOW

PORT = 5025
MOST = 1 << 18  # bytes that wait here in each direction
AWAKE = 0.005  # seconds after the last byte in which the mailbox is looked at without a pause
STOP_SECONDS = 0.2  # after which a stop is noticed while nobody comes
PAUSE = 0.001  # seconds between two looks at it otherwise
MANAGER = Path("/sys/class/fpga_manager/fpga0/state")


class BoardServer:
    """Serves a mailbox to one client at a time; whoever comes meanwhile is told so by a close.

    `listen` is the address that it is reached at. There is no authentication: whoever connects has
    the node. Hence the default is the board itself, which a tunnel of SSH leads to.
    """

    def __init__(self, mailbox: NodeMailbox, listen: str = "127.0.0.1", port: int = PORT):
        self._mailbox, self._stopped = mailbox, False
        self._server = socket.create_server((listen, port))
        self.address: tuple[str, int] = self._server.getsockname()[:2]

    def stop(self) -> None:
        """Let `serve` end, from another thread."""
        self._stopped = True

    def serve(self, tell: Callable[[str], None] = print) -> None:
        """Serve clients until `stop`, or until the mailbox fails; then stop listening."""
        with self._server:
            while not self._stopped:
                if select.select([self._server], [], [], STOP_SECONDS)[0]:
                    self._serve_one(tell)

    def _serve_one(self, tell: Callable[[str], None]) -> None:
        client, peer = self._server.accept()
        name = f"{peer[0]}:{peer[1]}"
        tell(f"{name} has the node")
        before = self._mailbox.bad_words
        with client:
            self._mailbox.flush()
            self._carry(client)
        tell(f"{name} has left")
        if self._mailbox.bad_words != before:
            tell("the node met errors while it read memory; the host sent again what they hit")

    def _carry(self, client: socket.socket) -> None:
        """Carry bytes between a client and the node until the client leaves."""
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        down, up = bytearray(), bytearray()
        moved = time.monotonic()
        while not self._stopped:
            listening = [self._server, *([client] if len(down) < MOST else [])]
            pause = 0.0 if time.monotonic() - moved < AWAKE else PAUSE
            try:
                readable, writable, _ = select.select(listening, [client] if up else [], [], pause)
                # The client first: if it has left, whoever comes now is the next one.
                if client in readable:
                    data = client.recv(MOST)
                    if not data:
                        return
                    down += data
                elif self._server in readable:
                    self._server.accept()[0].close()
                if writable:
                    del up[: client.send(up)]
            except BlockingIOError:
                continue
            except OSError:  # the client is gone
                return
            taken = self._mailbox.take() if len(up) < MOST else b""
            up += taken
            given = self._mailbox.put(bytes(down)) if down else 0
            del down[:given]
            if taken or given or readable:
                moved = time.monotonic()


def opened(file: str, base: int, ring: bool) -> tuple[NodeMailbox, str]:
    """The node's mailbox in the processor's addresses, and a phrase about its way of bytes.

    Raises `MailboxError` where there is none, before anything is touched that could hang Linux.
    """
    # A read of logic that was not loaded, or has no clock, is never answered: Linux would stand
    # still with it.
    state = MANAGER.read_text().strip() if MANAGER.is_file() else "absent"
    if file == "/dev/mem" and state != "operating":
        raise MailboxError(
            f"the FPGA is {state}, not operating: load the node's bitstream first, as a read of "
            "logic that is not there would hang this Linux"
        )
    registers = MappedView(file, base, WINDOW)
    found = None if ring else reserved_buffer()
    if found is None:
        return NodeMailbox(registers), "bytes go through the mailbox's ring"
    address, size = found
    mailbox = NodeMailbox(registers, MappedView("/dev/mem", address, size), address, size)
    place = mailbox.rows_place
    rows = f"rows that stay lie at {place:#x}" if place else "there is no room for rows that stay"
    return mailbox, f"bytes go through {size >> 10} KiB of memory at {address:#x}, {rows}"


def _number(text: str) -> int:
    return int(text, 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="node.pyz", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the node until the program is ended")
    serve.add_argument("--port", type=int, default=PORT, help="TCP port (default: 5025)")
    serve.add_argument(
        "--listen",
        default="127.0.0.1",
        help="address to be reached at; any other than the default lets everybody who can reach "
        "it use the node",
    )
    check = commands.add_parser("check", help="say whether the node's mailbox answers")
    for one in (serve, check):
        one.add_argument(
            "--file", default="/dev/mem", help="file that is mapped: /dev/mem or a UIO"
        )
        one.add_argument(
            "--base", type=_number, default=BASE, help="offset of the mailbox in it (0 for a UIO)"
        )
        one.add_argument("--ring", action="store_true", help="leave the memory's buffer alone")
    swap = commands.add_parser("bit2bin", help="make the file that Linux loads from a .bit")
    swap.add_argument("bit", type=Path)
    swap.add_argument("bin", type=Path)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "bit2bin":
            made = to_bit_bin(given.bit.read_bytes())
            given.bin.write_bytes(made)
            print(f"{given.bin}: {len(made)} bytes")
            return 0
        mailbox, where = opened(given.file, given.base, given.ring)
        if given.command == "check":
            print(f"the node's mailbox answers at {given.base:#x}; {where}")
            return 0
        server = BoardServer(mailbox, given.listen, given.port)
        print(f"the node is served at {server.address[0]}:{server.address[1]}; {where}", flush=True)
        if not server.address[0].startswith("127."):
            print("anybody who reaches this address has the node", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve(lambda line: print(line, flush=True))
        return 0
    except (MailboxError, RangeError, OSError) as error:
        print(f"node.pyz: {error}", file=sys.stderr)
        return 1
