"""Numbers of the venue's protocol, as `binance.md` section 4 states them; tests make them small."""

import msgspec

MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Latencies are venue time in milliseconds, drawn per message as base + uniform(0, jitter).

    The defaults suit a host in memory; `for_sockets()` is what `serve` wants, where the wire has its own.
    """

    ack_latency_ms: float = 2.0
    event_latency_ms: float = 3.0
    market_latency_ms: float = 3.0
    jitter_ms: float = 1.0
    weight_per_minute: int = 2400
    orders_per_10s: int = 300
    orders_per_minute: int = 1200
    funding_requests_per_5m: int = 500
    # The futures page says the WebSocket API has its own counter; one adapter measured one pool.
    shared_weight_pool: bool = False
    ws_connect_weight: int = 5
    refusals_before_ban: int = 10
    first_ban_s: int = 120
    longest_ban_s: int = 259_200
    max_recv_window_ms: int = 60_000
    default_recv_window_ms: int = 5_000
    future_tolerance_ms: int = 1_000
    # Refuse parameters that an endpoint does not read (-1104). Off on sockets: clients in wide use leak some
    # of their own, and live off a venue that lets them.
    strict_params: bool = True
    listen_key_minutes: int = 60
    streams_per_connection: int = 1024
    messages_per_second: int = 10
    ping_every_s: int = 180
    pong_within_s: int = 600
    connection_hours: float = 24.0
    # Test net and demo still serve unrouted market URLs; live connects them and stays silent.
    accept_unrouted: bool = False
    request_log: int = 50_000

    @classmethod
    def for_sockets(cls) -> "ServerSettings":
        return cls(
            ack_latency_ms=0.0,
            event_latency_ms=0.0,
            market_latency_ms=0.0,
            jitter_ms=0.0,
            strict_params=False,
        )
