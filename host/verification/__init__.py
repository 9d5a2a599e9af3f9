"""Verification: what the parties conclude from the light, as estimates, tests and a verdict."""
