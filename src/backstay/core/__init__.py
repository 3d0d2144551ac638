"""The rules, pure: values in, values out.

Vocabulary, rounding, the fold of evidence, order contexts, confirmations, trust, desired slots, the planner
and the gate live here. No clock, no dice, no I/O, no logging, no threads: the standard library's value
types and msgspec are all that may be imported; time and ids are arguments.
"""
