"""The description of an adversary, and the list of all adversaries.

To add an adversary, define it in a new file of this package. It is then offered by
`shotveil attack`, in real sessions (`shotveil link --attack`, `shotveil serve --attack`) and, if it
acts on samples, in the loop of two nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from shotveil.models.adversaries.channels import Fibre
from shotveil.models.adversaries.clients import DishonestClient
from shotveil.models.adversaries.components import ComponentClient
from shotveil.models.adversaries.guessing import GuessingServer
from shotveil.models.adversaries.interference import Interference, OnTheFibre, WithItsOptics
from shotveil.models.adversaries.servers import CuriousServer
from shotveil.models.adversaries.slots import SlotClient
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.registry import members
from shotveil.models.waveform.intruders import Intruder

ROOM = "shotveil.models.adversaries"
SEATS = ("fibre", "client", "server")
B = TypeVar("B")


@dataclass(frozen=True)
class Strength:
    """The strength of an adversary: its `meaning` with the unit, and its `usual` value.

    in_loop: a value that a loop of two nodes notices within some batches; None if the adversary
        cannot act there.
    above, at_least, at_most, integer: the allowed range.
    """

    meaning: str
    usual: float
    in_loop: float | None = None
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    integer: bool = False

    def check(self, value: float) -> None:
        """Raise `RangeError` unless `value` is an allowed strength."""
        require(
            f"strength ({self.meaning})", value, above=self.above, at_least=self.at_least,
            at_most=self.at_most, integer=self.integer,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Adversary(Generic[B]):
    """A party that does not keep to the protocol. Its class tells which seat it takes.

    says: a phrase for people, with the adversary as its subject.
    strength: None if there is no strength to choose.
    covered_by: name of the bound on what it learns; "" if there is none.
    make: function from a strength to the adversary's behaviour, symbol by symbol.
    """

    seat: ClassVar[str]
    in_sessions: ClassVar[bool] = True  # it can act in a real session, not only in a simulated one

    name: str
    says: str
    strength: Strength | None
    covered_by: str
    make: Callable[[float], B]

    def of(self, strength: float | None = None) -> B:
        """Its behaviour at a `strength`; None means the usual one. Raises `RangeError`."""
        return self.make(self.strong(strength))

    def strong(self, strength: float | None = None) -> float:
        """The strength to use; None means the usual one.

        Raises `RangeError` for a strength out of range, or if there is none to choose.
        """
        if self.strength is None:
            if strength is not None:
                raise RangeError(f"strength = {strength:g}; allowed with {self.name}: none")
            return 0.0
        value = self.strength.usual if strength is None else strength
        self.strength.check(value)
        return value


@dataclass(frozen=True, kw_only=True)
class LinkAdversary(Adversary[B]):
    """An adversary that acts within a link, on its light or with its optics."""

    def interference(self, strength: float | None = None) -> Interference:
        """What the adversary does within a link. Raises `RangeError` for a bad strength."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FibreAdversary(LinkAdversary[Fibre]):
    """An adversary on the fibre.

    sampled: function from a strength to its behaviour sample by sample; None if it has none.
    """

    seat = "fibre"

    sampled: Callable[[float], Intruder] | None = None

    def interference(self, strength: float | None = None) -> Interference:
        return OnTheFibre(self.of(strength))


@dataclass(frozen=True, kw_only=True)
class ClientAdversary(LinkAdversary[DishonestClient]):
    """A data owner that wants to learn the weights."""

    seat = "client"

    def interference(self, strength: float | None = None) -> Interference:
        return WithItsOptics(self.of(strength))


@dataclass(frozen=True, kw_only=True)
class ServerAdversary(Adversary[CuriousServer]):
    """A model owner that wants to learn the data."""

    seat = "server"


@dataclass(frozen=True, kw_only=True)
class ComponentAdversary(Adversary[ComponentClient]):
    """A data owner with optics for every principal component of the weights."""

    seat = "client"
    in_sessions = False


@dataclass(frozen=True, kw_only=True)
class SlotAdversary(Adversary[SlotClient]):
    """A data owner that treats slots in different ways, by what it reads of them."""

    seat = "client"
    in_sessions = False


@dataclass(frozen=True, kw_only=True)
class GuessingAdversary(Adversary[GuessingServer]):
    """A model owner that guesses which of the data that it knows the client has."""

    seat = "server"
    in_sessions = False


@dataclass(frozen=True, kw_only=True)
class PlainUse:
    """What a data owner learns of a network whose light and readings are those of an honest one.

    No party can notice it, and no light is simulated for it, so it is no `Adversary` of a link or a
    session. The strength is a number of inferences; the other fields are as in `Adversary`.
    """

    seat: ClassVar[str] = "client"

    name: str
    says: str
    strength: Strength
    covered_by: str

    def strong(self, strength: float | None = None) -> int:
        """The number of inferences; None means the usual one. Raises `RangeError`."""
        value = self.strength.usual if strength is None else strength
        self.strength.check(value)
        return int(value)


A = TypeVar("A", bound=Adversary)


def adversaries(kind: type[A]) -> dict[str, A]:
    """All adversaries of a kind, by name: those on the fibre first, then clients, then servers."""
    found = [one for one in members(ROOM, Adversary).values() if isinstance(one, kind)]
    return {one.name: one for one in sorted(found, key=lambda one: SEATS.index(one.seat))}


def adversary(name: str, kind: type[A]) -> A:
    """The adversary of that kind and name. Raises `RangeError` if there is none."""
    found = adversaries(kind)
    if name not in found:
        raise RangeError(f"attack = {name!r} is none of {', '.join(found)}")
    return found[name]


def plain_uses() -> dict[str, PlainUse]:
    """All that a client learns by plain use of a network, by name."""
    return members(ROOM, PlainUse)
