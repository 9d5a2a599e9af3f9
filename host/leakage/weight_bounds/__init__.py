"""Bounds on what leaks of the server's weights: one file, one bound (`host.leakage.catalogue`)."""
