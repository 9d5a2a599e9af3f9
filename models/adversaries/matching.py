"""Matching: a client sorts what it reads of networks whose hidden units come in fresh orders."""

from __future__ import annotations

from shotveil.models.adversaries.adversary import PlainUse, Strength

MATCHING = PlainUse(
    name="matching",
    says="matches the rows that it reads in inferences, each in a fresh order of hidden units",
    strength=Strength("number of inferences", usual=60, at_least=1, at_most=1e6, integer=True),
    covered_by="holevo",
)
