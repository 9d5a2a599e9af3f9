"""cocotb benches, the verilated design, and hardware in the loop with the optical link."""

from pathlib import Path

# Committed size and clock of all blocks and nodes: what synthesis compares itself with, and what
# a loop says that boards would run at. `docs/synthesis.md` shows it.
SYNTHESIS_FIGURES = Path(__file__).parent / "synthesis" / "synthesis.json"
