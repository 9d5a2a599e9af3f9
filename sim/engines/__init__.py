"""What runs a design: Amaranth's simulator, cocotb, Verilator, a shared library."""
