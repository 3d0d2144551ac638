"""Environment variables from before `config.yaml`: what concerns this version works, the rest is told."""

from collections.abc import Mapping

CONCERNS: dict[str, tuple[str, ...]] = {
    "EXECUTION_MODE": ("run", "mode"),
    "LOG_LEVEL": ("logs", "level"),
    "LOG_PATH": ("logs", "file"),
    "ERROR_LOG_PATH": ("logs", "error_file"),
    "LOG_ROTATION_SIZE_MB": ("logs", "rotate_mb"),
    "LOG_BACKUP_COUNT": ("logs", "keep"),
    "BINANCE_API_URL": ("endpoints", "spot", "rest"),
    "BINANCE_STREAM_URL": ("endpoints", "spot", "stream"),
    "WEBSOCKET_RECONNECT_TIMEOUT": ("spot", "reconnect_timeout"),
    "WEBSOCKET_INITIAL_RETRY_DELAY": ("spot", "first_retry"),
    "WEBSOCKET_RECONNECT_DELAY": ("spot", "longest_retry"),
    "WEBSOCKET_MAX_RETRIES": ("spot", "start_attempts"),
    "MAX_RECONNECTION_ATTEMPTS": ("spot", "reconnect_attempts"),
    "WEBSOCKET_PING_INTERVAL": ("spot", "ping_interval"),
    "WEBSOCKET_PING_TIMEOUT": ("spot", "ping_timeout"),
    "REST_API_REFRESH_RATE": ("spot", "refresh"),
    "DB_PATH": ("store", "url"),
}
IDLE: dict[str, str] = {
    "TRADING_SYMBOL": "spot; futures symbols are managers.symbols",
    "MIN_PROFIT_PERCENTAGE": "spot",
    "MAX_SELL_VALUE_USDC": "spot",
    "POSITION_AGE_ALERT_HOURS": "spot",
    "MAX_ORDER_PROCESSING_TIME": "deadlines are fixed",
    "MAX_PRICE_UPDATE_LATENCY": "deadlines are fixed",
    "MAX_STATE_RECOVERY_TIME": "deadlines are fixed",
    "CONCURRENT_UPDATES_THRESHOLD": "one owner works in order",
}
"""Accepted and without effect, with the reason."""


def warnings(values: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence for each variable that is set and has no effect."""
    return tuple(f"{name} is set and has no effect here ({IDLE[name]})" for name in IDLE if values.get(name))
