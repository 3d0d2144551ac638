"""Projections: the ledger as tables, for questions that are asked in SQL and for lists that must be quick.

Here live the tables, the pure functions that turn records into rows, the store that keeps them and its
migrations. Nothing here decides anything or is asked by anything that decides: whatever is in a database can
be dropped and comes back from the ledger.
"""
