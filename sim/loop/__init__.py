"""Hardware in the loop: both nodes, or their models, joined by `models.waveform`."""
