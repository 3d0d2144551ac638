"""Where the simulated exchange gets its market from: recorded bars, recorded ticks, a seeded synthetic
market, or the venue's public streams. Every feed is a lazy iterator of ticks in venue time; nothing here
knows of orders, accounts or matching. Start at `base.py`.
"""
