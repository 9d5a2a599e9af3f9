"""Bounds on what leaks of the client's data: one file, one bound (`host.leakage.catalogue`).

Those that are no theorem are Cramér–Rao style estimates: exact for a Gaussian prior of variance 1/n
per element and a Gaussian likelihood. None covers a server that sends squeezed light.
"""
