"""The position manager, pure: a stop-loss, a take-profit and a DCA ladder for every position it manages.

`policy` is what the operator configures, `wanted` the whole answer, the other modules one part of it each.
Nothing here knows orders, the venue or other strategies.
"""
