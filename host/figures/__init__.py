"""The figures of the paper, drawn again from this project's networks and bounds.

`tables` computes the numbers as the columns of a CSV file, and `pictures` draws such columns. Where
the published convention differs from the consistent one, each has a table of its own.
"""
