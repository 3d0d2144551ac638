"""A row of `positions list`, as the page and the tables get it."""


def position(**changes):
    return {
        "id": "BTCUSDT-BOTH-1",
        "symbol": "BTCUSDT",
        "product": "usdm",
        "side": "LONG",
        "quantity": "0.02",
        "entry_price": "76969.123456789",
        "entry_time": "2026-11-01T10:00:00+00:00",
        "mark_price": "77013.19",
        "unrealised_pnl": {"quote": "-0.884", "percent": "-0.06"},
        "age": 4000,
        "stop": {"price": "73120.6", "state": "ARMED"},
        "take_profit": {"price": "78123.6", "state": "LIVE", "levels": 2},
        "dca": {"done": 1, "total": 3, "next_price": "76199.3"},
        "distance_to_liquidation": "48.2",
        "protected": "yes",
        "protected_since": "2026-11-01T10:00:00+00:00",
        "unprotected_since": None,
        "status": "GUARDED",
    } | changes
