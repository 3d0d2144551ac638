"""Market data between a venue and the scores: which bars are wanted, in which order they are taken in, when
they are stale. It knows no venue (that is `binance`) and no account: bars, quotes and funding rates come in
by method calls, reads go out by a protocol, and what leaves are the core's own events.
"""
