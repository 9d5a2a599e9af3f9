"""Formal proofs, random hosts and soaks of the gateware."""
