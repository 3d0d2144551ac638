"""The audit files: orders, calls, decisions and trades as text, each a projection of one ledger.

Here live the pure functions that turn records into lines, the book of trades, and the one writer that keeps
the files. Nothing here decides anything: what is deleted is written again, byte for byte, from the ledger.
"""
