"""Server, client and link as processes, with keys, calibrations and remote calls."""
