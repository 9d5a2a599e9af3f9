"""Nodes as a host reaches them: models, simulated gateware, boards; all alike."""
