"""Logs, metrics, alerts and redaction: readers of ledger records.

Nothing here is on the way from a fill to its stop, and nothing decides. It may import core.
"""
