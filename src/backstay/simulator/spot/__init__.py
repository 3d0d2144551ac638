"""The simulated Binance Spot: balances, orders, order lists, matching, the exact payloads of `/api/v3`.

Sans-I/O like its futures sibling, whose market model, bars and decimals it shares. No sockets, no clock, no
protocol: those live in `simulator.server`; nothing of the product that is tested against it.
"""
