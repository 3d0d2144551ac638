"""The native host: owner, executor, hydration, control and supervision around the pure rules.

The world is five ports (`ports`): Transport, Disk, Clock, Entropy, Control. It imports neither binance,
ledger, telemetry nor simulator; `app` joins them.
"""
