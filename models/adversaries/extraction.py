"""Extraction: a client clones a network from the readings that it is entitled to."""

from __future__ import annotations

from shotveil.models.adversaries.adversary import PlainUse, Strength

EXTRACTION = PlainUse(
    name="extraction",
    says="clones the network from what it reads of data that it chose",
    strength=Strength("number of inferences", usual=100, at_least=1, at_most=1e9, integer=True),
    covered_by="holevo",
)
