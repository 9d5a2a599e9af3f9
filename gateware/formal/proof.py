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


def _copied(block: str, source: str | None = None) -> ModuleType:
    """A second module of the source of `block`, or of another source."""
    original = importlib.import_module(block)
    copy = ModuleType(f"{block}_mutant")
    copy.__file__ = original.__file__
    # Where a class is made, its module is looked up by name.
    sys.modules[copy.__name__] = copy
    text = inspect.getsource(original) if source is None else source
    exec(compile(text, copy.__name__, "exec"), copy.__dict__)
    return copy


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
        return _copied(block, source.replace(self.good, self.bad))


@dataclass(frozen=True)
class Proof:
    """A bench around a block of the module `block`, proved by k-induction over `depth` steps.

    * `bench`: makes the bench from the block's module, the real one or one with a bug.
    * `peek`: inputs of the bench that show internal signals, by their path from the bench.
      Invariants of these make the property inductive; they are asserted like the rest.
    * `reach`: number of steps within which every `Cover` must be reached and every bug found.
    * `smaller`: names of the module that get another value, in a copy of it: depths and delays with
      which a few steps reach everything.
    """

    block: str
    bench: Callable[[ModuleType], wiring.Component]
    depth: int
    reach: int
    bugs: tuple[Bug, ...]
    peek: Mapping[str, str] = field(default_factory=dict)
    smaller: Mapping[str, object] = field(default_factory=dict)

    def component(self, bug: Bug | None = None) -> wiring.Component:
        """The bench around the block, or around the block with a bug."""
        if not self.smaller:
            return self.bench(
                bug.planted(self.block) if bug else importlib.import_module(self.block)
            )
        module = bug.planted(self.block) if bug else _copied(self.block)
        for name, value in self.smaller.items():
            if not hasattr(module, name):
                raise RangeError(f"{self.block} has no {name} to make smaller")
            setattr(module, name, value)
        return self.bench(module)
