"""A proof: a bench around a block, and the mistakes that it must find."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType

from amaranth.lib import wiring

from shotveil.models.common.checks import RangeError


@dataclass(frozen=True)
class Bug:
    """A mistake to plant in a block: the text `good` of its source becomes `bad`."""

    what: str
    good: str
    bad: str

    def planted(self, block: str) -> ModuleType:
        """The module named `block` with this mistake. Raises `RangeError` unless it fits once."""
        original = importlib.import_module(block)
        source = inspect.getsource(original)
        if (n := source.count(self.good)) != 1:
            raise RangeError(f"{self.good!r} occurs {n} times in {block}; allowed: once")
        mutant = ModuleType(f"{block}_mutant")
        mutant.__file__ = original.__file__
        # Where a class is made, its module is looked up by name.
        sys.modules[mutant.__name__] = mutant
        exec(compile(source.replace(self.good, self.bad), mutant.__name__, "exec"), mutant.__dict__)
        return mutant


@dataclass(frozen=True)
class Proof:
    """A bench around a block of the module `block`, proved by k-induction over `depth` steps.

    * `bench`: makes the bench from the block's module, the real one or one with a bug.
    * `peek`: inputs of the bench that show internal signals, by their path from the bench.
      Invariants of these make the property inductive; they are asserted like the rest.
    * `reach`: number of steps within which every `Cover` must be reached and every bug found.
    """

    block: str
    bench: Callable[[ModuleType], wiring.Component]
    depth: int
    reach: int
    bugs: tuple[Bug, ...]
    peek: Mapping[str, str] = field(default_factory=dict)

    def component(self, bug: Bug | None = None) -> wiring.Component:
        """The bench around the block, or around the block with a bug."""
        return self.bench(bug.planted(self.block) if bug else importlib.import_module(self.block))
