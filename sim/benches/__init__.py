"""Benches in cocotb, one file for each block: drivers, golden values from the model, coverage."""
