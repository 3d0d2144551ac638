"""Numbers of the venue's protocol, as `binance.md` section 4 states them; tests make them small."""

from typing import Any

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
    # Spot counts orders that have not been filled, over a day instead of a minute.
    orders_per_day: int = 160_000
    # 0: not published, not counted (USD-M).
    raw_requests_per_5m: int = 0
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
    # How long before the end of a connection's life its `serverShutdown` event comes (Spot); 0: none.
    shutdown_notice_s: int = 0

    @classmethod
    def spot(cls, **more: Any) -> "ServerSettings":
        """The numbers of Spot; `more` overrides any of them."""
        figures: dict[str, Any] = {
            "weight_per_minute": 6000,
            "orders_per_10s": 50,
            "raw_requests_per_5m": 300_000,
            "shared_weight_pool": True,
            "ws_connect_weight": 2,
            "messages_per_second": 5,
            "ping_every_s": 20,
            "pong_within_s": 60,
            "shutdown_notice_s": 30,
        }
        return cls(**(figures | more))

    @classmethod
    def spot_for_sockets(cls) -> "ServerSettings":
        quick = msgspec.structs.asdict(cls.for_sockets())
        names = ("ack_latency_ms", "event_latency_ms", "market_latency_ms", "jitter_ms", "strict_params")
        return cls.spot(**{name: quick[name] for name in names})

    @classmethod
    def for_sockets(cls) -> "ServerSettings":
        return cls(
            ack_latency_ms=0.0,
            event_latency_ms=0.0,
            market_latency_ms=0.0,
            jitter_ms=0.0,
            strict_params=False,
        )
