"""Amaranth HDL: modulator drive, homodyne digitiser, registers, host link, nodes and boards."""
