"""Choosing a setting: operating points, plans, sweeps, and the figures of the README."""
