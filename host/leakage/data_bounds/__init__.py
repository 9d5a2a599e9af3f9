"""Bounds on what leaks of the client's data, one in each file (`host.leakage.catalogue`).

Bounds that are not theorems are estimates of the Cramér–Rao type: they are exact for a Gaussian
prior of variance 1/n per element and a Gaussian likelihood. No bound covers a server that sends
squeezed light.
"""
