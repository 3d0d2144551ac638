"""The sockets of the Binance gateway: connections, reconnects, timers, rate gates, and the `BinanceVenue`
facade.

What the bytes mean lives in `backstay.binance.wire`; nothing here parses a field that it does not need for
matching an answer to its request. Nothing here decides what to send, and no mutation is ever sent twice.
"""
