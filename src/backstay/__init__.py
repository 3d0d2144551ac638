"""Backstay keeps positions on Binance protected.

The architecture is told in docs/architecture.md, the way of one fill in docs/walk.md. This package holds
nothing but its version: import from the modules that own a name.
"""

__version__ = "0.1.0"
