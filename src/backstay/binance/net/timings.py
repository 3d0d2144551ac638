"""How long the gateway waits for what, in seconds. The defaults follow the venue's documents."""

import msgspec

from backstay.core.account_reads import BALANCES_LAG
from backstay.core.types import SECOND


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Sources: binance.md 4 (24 h, pings), binance-usdm.md 4 (listen key), exchange-state 8.2 and 13."""

    connection_life: float = 23 * 3600.0
    """A connection is replaced after this long, less up to 2 % by chance; the venue closes it at 24 h."""
    overlap: float = 5.0
    """How long a replaced stream is still listened to."""
    first_delay: float = 0.25
    """Backoff between attempts to connect: doubles from here..."""
    longest_delay: float = 30.0
    """... to here, less up to half of it by chance."""
    stable: float = 10.0
    """A connection that lived shorter counts as a failed attempt: who hangs up at once is not hammered."""
    quiet: float = 20.0
    """Silence after which a socket is asked for a sign of life, and in which it has to give it."""
    keepalive: float = 30 * 60.0
    """The listen key is extended this often..."""
    keepalive_retry: float = 60.0
    """... and after a failure this soon again..."""
    key_life: float = 60 * 60.0
    """... until it is this old and counts as dead."""
    clock_refresh: float = 300.0
    clock_retry: float = 30.0
    clock_doubt: float = 10.0
    """At least this long between measurements of the clock that prices of another time ask for."""
    read: float = 10.0
    """A REST read may take this long."""
    answer_margin: float = 1.0
    """An order's answer may take recvWindow and this much longer before its outcome is unknown: from then on
    absence can be proven (8.2), and whoever waits longer only leaves a position longer without its stop."""
    logon: float = 10.0
    reopen: float = 30.0
    """`reconnect_private` gives up waiting after this long; attempts go on."""
    probe: float = 15.0
    """Silence after which a market connection is asked what it is subscribed to."""
    deaf: float = 60.0
    """Silence after which one with mark prices, which come every second, is replaced."""
    probe_answer: float = 20.0
    """Spot: `probe` of silence on the user data stream is answered by asking for its subscriptions; without
    an answer in this time the connection is replaced."""
    read_lag: float = BALANCES_LAG / SECOND
    """Spot: a read of balances may lag so far behind the stream. After a transfer, and after a read that did,
    they are read so long after the last that was told of them."""
    poll: float = 5.0
    """Spot: while the user data stream is away, orders and prices are read this often..."""
    give_up: float = 15 * 60.0
    """... for this long; then the gateway gives up for good. 0: never."""
    attempts: int = 0
    """Spot: attempts to get a lost user data stream back before giving up; 0: as many as the time allows."""
    first_attempts: int = 5
    """Spot: attempts to open the user data stream at the start."""


SPOT = Timings(first_delay=1.0, longest_delay=30.0)
"""Spot's defaults: 1 s, doubling."""
