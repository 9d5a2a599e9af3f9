"""The host software: inference layer by layer, leakage bounds, verification, commands, reports."""
