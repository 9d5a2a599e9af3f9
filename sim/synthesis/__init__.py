"""Size and clock of the gateware, and builds for boards."""

from pathlib import Path

# The figures that all measure themselves against; `docs/synthesis.md` shows them.
COMMITTED = Path(__file__).with_name("synthesis.json")
