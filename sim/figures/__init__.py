"""Measured figures and waveforms of drive and digitiser."""
