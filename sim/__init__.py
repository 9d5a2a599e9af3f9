"""cocotb benches, the verilated design, and hardware in the loop with the optical link."""
