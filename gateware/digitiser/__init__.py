"""The homodyne digitiser: Amaranth components for the models of `models.digitiser`."""
