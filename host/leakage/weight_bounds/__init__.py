"""Bounds on what leaks of the server's weights, one in each file (`host.leakage.catalogue`)."""
