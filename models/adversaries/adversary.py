"""What an adversary says of itself, and all the adversaries there are.

A file of this room that defines one adds it: to `shotveil attack`, to the seats of real sessions
(`shotveil link --attack`, `shotveil serve --attack`) and, where it acts on samples, to the loop of
two nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from shotveil.models.adversaries.channels import Fibre
from shotveil.models.adversaries.clients import DishonestClient
from shotveil.models.adversaries.interference import Interference, OnTheFibre, WithItsOptics
from shotveil.models.adversaries.servers import CuriousServer
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.registry import members
from shotveil.models.waveform.intruders import Intruder

ROOM = "shotveil.models.adversaries"
SEATS = ("fibre", "client", "server")
B = TypeVar("B")


@dataclass(frozen=True)
class Strength:
    """What an adversary's strength means, with its unit, and its usual value.

    in_loop: the value that a loop of two nodes notices within some batches, None where the
    adversary does not play there. above, at_least, at_most, integer: the allowed range.
    """

    meaning: str
    usual: float
    in_loop: float | None = None
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    integer: bool = False

    def check(self, value: float) -> None:
        """Raise `RangeError` unless an adversary can be that strong."""
        require(
            f"strength ({self.meaning})", value, above=self.above, at_least=self.at_least,
            at_most=self.at_most, integer=self.integer,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Adversary(Generic[B]):
    """A party that does not keep to the protocol. Which seat it takes, its class says.

    says: a phrase for people, of which the adversary is the subject. strength: None where there is
    none to choose. covered_by: name of the bound on what it learns, "" where there is none. make:
    its behaviour, symbol by symbol, for a strength.
    """

    seat: ClassVar[str]

    name: str
    says: str
    strength: Strength | None
    covered_by: str
    make: Callable[[float], B]

    def of(self, strength: float | None = None) -> B:
        """Its behaviour, as strong as usual if None. Raises `RangeError`."""
        return self.make(self.strong(strength))

    def strong(self, strength: float | None = None) -> float:
        """The strength that is meant: as usual if None. Raises `RangeError`."""
        if self.strength is None:
            if strength is not None:
                raise RangeError(f"strength = {strength:g}; allowed with {self.name}: none")
            return 0.0
        value = self.strength.usual if strength is None else strength
        self.strength.check(value)
        return value


@dataclass(frozen=True, kw_only=True)
class LinkAdversary(Adversary[B]):
    """An adversary that a link can hold, for its light and optics are there."""

    def interference(self, strength: float | None = None) -> Interference:
        """The adversary within a link; raises `RangeError`."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FibreAdversary(LinkAdversary[Fibre]):
    """Somebody on the fibre. sampled: what it does to frames of light, sample by sample."""

    seat = "fibre"

    sampled: Callable[[float], Intruder] | None = None

    def interference(self, strength: float | None = None) -> Interference:
        return OnTheFibre(self.of(strength))


@dataclass(frozen=True, kw_only=True)
class ClientAdversary(LinkAdversary[DishonestClient]):
    """A data owner after the weights."""

    seat = "client"

    def interference(self, strength: float | None = None) -> Interference:
        return WithItsOptics(self.of(strength))


@dataclass(frozen=True, kw_only=True)
class ServerAdversary(Adversary[CuriousServer]):
    """A model owner after the data."""

    seat = "server"


A = TypeVar("A", bound=Adversary)


def adversaries(kind: type[A]) -> dict[str, A]:
    """All adversaries of a kind by name: those on the fibre, then clients, then servers."""
    found = [one for one in members(ROOM, Adversary).values() if isinstance(one, kind)]
    return {one.name: one for one in sorted(found, key=lambda one: SEATS.index(one.seat))}


def adversary(name: str, kind: type[A]) -> A:
    """The adversary of that name; raises `RangeError` where none of this kind bears it."""
    found = adversaries(kind)
    if name not in found:
        raise RangeError(f"attack = {name!r} is none of {', '.join(found)}")
    return found[name]
