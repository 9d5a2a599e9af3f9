"""The bounds that budgets are held against unless others are asked for.

They stand apart from the catalogue so that a command's help need not load the bounds themselves.
"""

DATA_BOUND = "qcrb"
WEIGHT_BOUND = "holevo"
