"""Where the ledgers of a data folder lie; apart, since commands that only read need no guard."""

LEDGER = "ledger/events.jsonl"
SPOT_LEDGER = "spot/ledger/events.jsonl"
"""Spot is an account of its own, with a ledger of its own (docs/decisions, two product groups)."""
