"""Bars in, explained scores out: bars, indicators, factors and the composite score, all pure.

NumPy and TA-Lib may be used here, and binary floats: nothing in here becomes an order price or a size without
going through exact rounding in the core. No clock, no I/O, no dice; what was scored is evidence for the core.
"""
