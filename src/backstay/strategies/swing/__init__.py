"""The swing strategy, pure: every lot that was bought on spot gets exactly one SELL that nets its profit.

`policy` is what the operator configures, `offers` prices one lot, `wanted` answers for a scope, `states`
names where a lot stands. Nothing here buys, moves or cancels: a SELL that rests is left alone.
"""
