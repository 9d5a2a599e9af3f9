"""The default bounds for budgets.

Their names are not in the catalogue, so that a command's help need not load the bounds themselves.
"""

DATA_BOUND = "holevo"
WEIGHT_BOUND = "holevo"

CERTIFIED_BOUND = "holevo_amplified"
"""The bound that certified figures count, since evidence does not exclude clients that amplify."""
