"""The description of a board, and the list of all boards.

To add a board, define a `Board` in a new file of this package. An installed package can add one
through an entry point of the group `shotveil.boards`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io, wiring

from shotveil.gateware.host_link.uart import Uart
from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import members, plugins
from shotveil.models.node.spec import ROLES, NodeSpec, Role

ROOM, GROUP = "shotveil.gateware.boards", "shotveil.boards"


@dataclass(frozen=True)
class BoardLink:
    """A link from a board to its host.

    says: one phrase for people.
    connect: function of a module, a platform and the node's spec that adds the link to the module
        and returns it: a component with streams of bytes `i` and `o`, in the node's clock.
    clocks_hz: frequencies of the link's own clocks, which a build has to meet.
    constraints: lines for the constraints file of a board that Vivado builds.
    linux: whether the link ends in a program on the board's own Linux, which a build adds.
    store: row symbols that a server's node keeps in memory behind the link, see `NodeSpec.store`.
    """

    name: str
    says: str
    connect: Callable[[Module, Any, NodeSpec], wiring.Component]
    clocks_hz: tuple[float, ...] = ()
    constraints: str = ""
    linux: bool = False
    store: int = 0


@dataclass(frozen=True)
class Limits:
    """The most that a design may take of a device: lookup tables, block RAMs, multipliers."""

    lut: int
    bram: float
    dsp: int

    def beyond(self, lut: int, bram: float, dsp: int) -> list[str]:
        """A phrase for each resource that is over its limit."""
        taken = (("LUT", lut, self.lut), ("BRAM", bram, self.bram), ("DSP", dsp, self.dsp))
        return [f"{got:g} {name} of {most:g}" for name, got, most in taken if got > most]


@dataclass(frozen=True)
class Trellis:
    """Open tools write the bitstream for an ECP5.

    sign_off: nextpnr's options for the device with which timing is checked.
    part: nextpnr's options for the device on the board, which has the same fabric.
    seeds: seeds of the placement, which are tried in turn.
    patience: the most seconds that one seed may take.
    """

    sign_off: tuple[str, ...]
    part: tuple[str, ...]
    seeds: tuple[int, ...] = tuple(range(1, 9))
    patience: float = 1500.0


@dataclass(frozen=True)
class Vivado:
    """The vendor's tool writes the bitstream, from a project that a build writes and checks.

    constraints: lines for the constraints file, in addition to those of the platform.
    """

    constraints: str = ""


@dataclass(frozen=True)
class Board:
    """A board that a node runs on.

    name: the name on the command line and in paths. says: the board's full name.
    platform: makes the Amaranth platform, with the converters among its resources.
    top: makes the design of a node with a host link. tools: the tools that build it.
    links: the host links; the first is the default.
    converters, clock: descriptions for people of the converters, and of where the clock is from.
    limits: the most that a node may take of the device. loopback: whether there is a build without
        converters. roles: the parties whose node fits.
    node: what its nodes are given in `NodeSpec.chosen`, where that differs from the usual: the
        clock `clock_hz`, the bits of converters, the sizes of memories.
    store: row symbols that a server's node keeps in block RAM, if its link has no memory for them.
    """

    name: str
    says: str
    platform: Callable[[], Any]
    top: Callable[[NodeSpec, BoardLink], Elaboratable]
    tools: Trellis | Vivado
    links: tuple[BoardLink, ...]
    converters: str
    clock: str
    limits: Limits
    loopback: bool = True
    roles: tuple[Role, ...] = ROLES
    node: Mapping[str, int] = field(default_factory=dict)
    store: int = 0

    def link(self, name: str = "") -> BoardLink:
        """The host link of that name, or the default one. Raises `RangeError` if there is none."""
        for link in self.links:
            if name in ("", link.name):
                return link
        offered = ", ".join(link.name for link in self.links)
        raise RangeError(f"link = {name!r} is none of {offered}, which {self.name} offers")

    @property
    def clock_hz(self) -> int:
        """The clock of converters and node."""
        return NodeSpec.chosen(self.roles[0], **self.node).clock_hz

    def spec(
        self,
        role: Role,
        loopback: bool = False,
        samples_per_symbol: int = 4,
        link: str = "",
        store: int | None = None,
    ) -> NodeSpec:
        """The node that is built for the board with one of its links.

        A server's node keeps `store` row symbols; None takes as many as the board is made for.
        """
        if store is None:
            store = self.link(link).store or self.store
        store = store if role == "server" else 0
        more = {"samples_per_symbol": samples_per_symbol, "store": store, **self.node}
        return NodeSpec.chosen(role, loopback=loopback, **more)

    def design(self, spec: NodeSpec, link: str = "") -> Elaboratable:
        """A node on the board. Raises `RangeError` for a role or a build it does not offer."""
        if spec.role not in self.roles:
            raise RangeError(f"role = {spec.role!r} is none of {', '.join(self.roles)}, which "
                             f"{self.name} offers")  # fmt: skip
        if spec.clock_hz != self.clock_hz:
            raise RangeError(
                f"clock_hz = {spec.clock_hz}; allowed with {self.name}: {self.clock_hz}"
            )
        if spec.loopback and not self.loopback:
            raise RangeError(f"loopback = True; allowed with {self.name}: False")
        return self.top(spec, self.link(link))

    def clocks_hz(self, link: str = "") -> tuple[float, ...]:
        """The frequencies that a build with a link has to meet."""
        return self.clock_hz, *self.link(link).clocks_hz


def serial_port(m: Module, platform: Any, spec: NodeSpec) -> Uart:
    """Connect a UART to the pins of the resource `uart`, at the usual rate."""
    m.submodules.link = uart = Uart(spec.clock_hz)
    pins = platform.request("uart", 0, dir={"rx": "-", "tx": "-"})
    m.submodules.rx = rx = io.Buffer("i", pins.rx)
    m.submodules.tx = tx = io.Buffer("o", pins.tx)
    m.d.comb += [uart.rx.eq(rx.i), tx.o.eq(uart.tx)]
    return uart


def boards() -> dict[str, Board]:
    """All boards by name, from this package and from other installed packages.

    Raises `RangeError` if two boards have the same name, or if an entry point is not a `Board`.
    """
    found = members(ROOM, Board)
    for name, point in plugins(GROUP).items():
        board = point.load()
        if not isinstance(board, Board) or board.name != name:
            raise RangeError(f"{GROUP} {name!r} is {point.value}; allowed: a Board of that name")
        if name in found:
            raise RangeError(f"Board {name!r} is defined twice, again in {point.value}")
        found[name] = board
    return found
