"""Size and clock of the gateware, and builds for boards."""
