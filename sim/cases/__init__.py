"""Stimuli for each block, with the model that says what has to come out."""
