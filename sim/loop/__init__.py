"""Hardware in the loop: both nodes' gateware, or its models, joined by the optics of models.waveform."""
