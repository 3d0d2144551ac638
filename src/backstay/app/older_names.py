"""Environment variables from before `config.yaml`: each of them works, by its old name and in its old unit.

Most are another name of one key (`CONCERNS`). Four describe the swing strategy (`SWING`): they make its
manager where no managers are written, and go over the values of the one that is, as the environment always
goes over the file. Errors name the variable.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from backstay.app.errors import ConfigError
from backstay.app.units import decimal, duration
from backstay.core.types import SECOND

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
    "MAX_ORDER_PROCESSING_TIME": ("pace", "order_processing"),
    "MAX_PRICE_UPDATE_LATENCY": ("pace", "price_latency"),
    "MAX_STATE_RECOVERY_TIME": ("pace", "state_recovery"),
    "CONCURRENT_UPDATES_THRESHOLD": ("pace", "updates_per_second"),
    "DB_PATH": ("store", "url"),
}


def _symbols(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if not re.fullmatch(r"[A-Z0-9_]+", name):
            raise ValueError(f"{name!r} is not a symbol; write it as the venue does, such as TRUMPUSDC")
    return names


def _percent(text: str) -> str:
    """A number of percent, with its sign or without: 0.3 and 0.3% are the same here."""
    number = text.strip().removesuffix("%")
    try:
        value = decimal(number)
    except ValueError:
        raise ValueError(f"{text!r} is not a percentage; write 0.3 for 0.3 %") from None
    if not 0 < value < 1000:
        raise ValueError(f"{text!r} must be above 0 and below 1000 percent; write 0.3 for 0.3 %")
    return f"{value}%"


def _amount(text: str) -> str:
    value = decimal(text)
    if value <= 0:
        raise ValueError(f"{text!r} must be an amount above 0, such as 100")
    return str(value)


def _hours(text: str) -> str:
    """A bare number counts hours; a duration (`90m`) is one."""
    bare = re.fullmatch(r"\d+(\.\d+)?", text.strip())
    value = duration(f"{text.strip()}h" if bare else text)
    if value <= 0:
        raise ValueError(f"{text!r} must be above 0; write 10 for ten hours")
    return f"{value // SECOND}s" if value % SECOND == 0 else f"{value}ns"


SWING: dict[str, tuple[str, Callable[[str], Any]]] = {
    "TRADING_SYMBOL": ("symbols", _symbols),
    "MIN_PROFIT_PERCENTAGE": ("profit", _percent),
    "MAX_SELL_VALUE_USDC": ("max_sell_value", _amount),
    "POSITION_AGE_ALERT_HOURS": ("age_alert", _hours),
}
"""Variable -> key of the swing manager, and how its value is read."""


def swing_keys(values: Mapping[str, str]) -> dict[str, Any]:
    """What the variables say about the swing manager. Raises ConfigError naming the variable."""
    found: dict[str, Any] = {}
    for name, (key, read) in SWING.items():
        text = values.get(name)
        if not text:
            continue
        try:
            found[key] = read(text)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None
    return found


def managers(written: object, values: Mapping[str, str]) -> list[object] | None:
    """The entries of `managers` with the variables over them; None: nothing differs from what is `written`.

    Raises ConfigError for a value that cannot be, and where it is not clear which manager is meant.
    """
    keys = swing_keys(values)
    if not keys:
        return None
    if written is None:
        return [{"strategy": "swing", "product": "spot", **keys}] if "symbols" in keys else None
    if not isinstance(written, (list, tuple)):
        return None  # told as what it is when the entries are read
    swings = [number for number, entry in enumerate(written) if _is_swing(entry)]
    if "symbols" in keys and len(swings) > 1:
        raise ConfigError(
            f"TRADING_SYMBOL: {len(swings)} managers are strategy: swing, so it is not clear whose symbol it "
            "is; remove the variable, or keep one of them"
        )
    if not swings:
        return None
    return [{**entry, **keys} if number in swings else entry for number, entry in enumerate(written)]


def _is_swing(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.get("strategy") == "swing"


def warnings(values: Mapping[str, str], written: object) -> tuple[str, ...]:
    """One sentence for each variable that is set and has nothing to work on, or may not mean what it says."""
    found = []
    named = [name for name in SWING if values.get(name)]
    if written is None and "TRADING_SYMBOL" not in named:
        found = [f"{name} is set and has no effect: TRADING_SYMBOL names no symbol" for name in named]
    elif isinstance(written, (list, tuple)) and not any(map(_is_swing, written)):
        found = [
            f"{name} is set and has no effect: managers is written, and none is strategy: swing"
            for name in named
        ]
    profit = values.get("MIN_PROFIT_PERCENTAGE", "")
    if re.fullmatch(r"\s*0?\.0\d*\s*", profit):
        found.append(
            f"MIN_PROFIT_PERCENTAGE counts percent: {profit.strip()} is {profit.strip()} %, not "
            f"{decimal(profit) * 100:f} %"
        )
    return tuple(found)
