"""Access to nodes: models, simulated gateware and boards all have the same interface."""
