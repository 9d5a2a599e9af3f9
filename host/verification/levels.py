"""The default error probabilities."""

FALSE_ALARM_PROBABILITY = 1e-6
"""Probability that an honest party is refused, over a whole run or session."""

FAILURE_PROBABILITY = 1e-10
"""Probability that a certified figure does not bound the true one, for the whole network."""
