"""The composition root: configuration, secrets, and the one place where host, gateway, ledger and screens
meet.

Wiring only. A rule that needs a test of its own belongs further down.
"""
