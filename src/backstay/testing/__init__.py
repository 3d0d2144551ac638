"""Builders of events and views, hypothesis strategies and port contracts, for our tests and for yours.

Usable by people who write strategies. Nothing in the product imports this package.
"""
