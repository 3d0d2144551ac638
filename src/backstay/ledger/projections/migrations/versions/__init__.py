"""The revisions of the store's tables, one file each, named by number and by what they do.

Only statements that alter tables live here; rows come back from the ledger and are never migrated.
"""
