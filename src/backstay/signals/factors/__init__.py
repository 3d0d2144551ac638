"""The factors of the composite score, one file each, `every.py` their table.

A factor is one formula over columns of inputs; a single bar is a column of one row, so there is no second
formula that could differ. Its score and confidence use +, -, *, /, comparison and selection alone, which are
the same to the last bit on one element and on a million. What is not known is NaN and counts for nothing.
"""
