"""Probabilities of error that hold where nobody asks for others."""

FALSE_ALARM_PROBABILITY = 1e-6
"""That an honest party is refused, over a whole run or session."""

FAILURE_PROBABILITY = 1e-10
"""That a certified figure does not bound the true one, for the whole network."""
