"""The figures of the paper, drawn anew: from this project's networks and bounds.

`tables` computes what is shown, as the columns of a CSV file; `pictures` draws such columns. Where
the published convention differs from the consistent one, either is a table of its own.
"""
