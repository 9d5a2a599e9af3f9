"""cocotb benches, the verilated design, and hardware in the loop with the optical link."""

from pathlib import Path

# The committed size and clock of all blocks and nodes. Synthesis compares its results with this
# file, and a loop takes from it the clock that boards would have. `docs/synthesis.md` shows it.
SYNTHESIS_FIGURES = Path(__file__).parent / "synthesis" / "synthesis.json"
