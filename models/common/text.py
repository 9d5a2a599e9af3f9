"""Text that others chose, made fit for a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text on one line; letters that would command a terminal are shown by their codes."""
    joined = " ".join(text.split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in joined)
