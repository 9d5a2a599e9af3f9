"""cocotb benches, the verilated design, and hardware in the loop with the optical link."""

from pathlib import Path

# The committed size and clock of all blocks and nodes. Synthesis compares its results with this
# file, and a loop takes from it the clock that boards would have. `docs/synthesis.md` shows it.
SYNTHESIS_FIGURES = Path(__file__).parent / "synthesis" / "synthesis.json"


def node_name(role: str, samples_per_symbol: int) -> str:
    """The name of a node's figures in that file, which leaves out what is usual."""
    return f"node {role}" + ("" if samples_per_symbol == 4 else f", {samples_per_symbol} samples")
