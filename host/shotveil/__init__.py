"""Quantum-secure multiparty deep learning."""
