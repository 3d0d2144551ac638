"""The gateway to Binance: `wire` turns bytes into values and back, `net` holds the sockets.

Nothing here decides what to trade. It may import core, and is imported by app alone: the runtime knows
ports only.
"""
