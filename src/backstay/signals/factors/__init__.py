"""The factors of the composite score, one file each, `every.py` their table.

A factor is one formula, over a column of inputs or over one bar's: there is no second formula that could
differ. What is not known is NaN and counts for nothing.
"""
