"""What a person runs: layerwise inference, leakage bounds, verification, command line, reports."""
