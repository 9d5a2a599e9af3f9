"""One run: inference layer by layer, its summary, curves over light, training."""
