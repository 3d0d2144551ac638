"""A simulated Binance, the other party: matching, accounts, fills, faults, and a server that speaks the
wire.

Written from the venue's documents. It imports nothing of core, binance, strategies, ledger or runtime, so
that a field misread on one side fails a test instead of agreeing with itself.
"""
