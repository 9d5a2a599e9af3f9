"""One run: its data, inference layer by layer, its summary, curves over light, training."""
