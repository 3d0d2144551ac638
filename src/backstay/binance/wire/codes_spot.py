"""Error codes of spot: the table, as data; what the rows do is told in `rejections`.

Sources: binance-errors.md 2 and 3, exchange-state 8.1. The same number can mean another thing on USD-M
(-2021, -2022, -2026, -1008). Spot's engine refuses with few codes and many texts, so most of the meaning is
in `TEXTS`.
"""

from typing import Final

from backstay.binance.wire.codes import CODES as USDM
from backstay.binance.wire.codes import TEXTS as ENGINE
from backstay.binance.wire.codes import Code
from backstay.core.events import AnswerClass, Effect
from backstay.core.types import Action

A = AnswerClass
E = Effect

_AMEND: Final = frozenset({Action.AMEND})
_TARGETED: Final = frozenset({Action.AMEND, Action.CANCEL})

_SHARED: Final = (
    *(-1000, -1001, -1002, -1003, -1006, -1007, -1008, -1010, -1013, -1014, -1015, -1016, -1020, -1021),
    *(-1022, -1100, -1101, -1102, -1103, -1104, -1105, -1111, -1112, -1114, -1115, -1116, -1117, -1118),
    *(-1119, -1120, -1121, -1122, -1125, -1127, -1128, -1130, -2010, -2011, -2013, -2014, -2015, -2016),
)
_REJECTED: Final = {
    -1108: "parameter_overflow",
    -1113: "withdraw_not_negative",
    -1134: "invalid_strategy_type",
    -1135: "invalid_json",
    -1139: "invalid_ticker_type",
    -1145: "invalid_cancel_restrictions",
    -1151: "duplicate_symbols",
    -1152: "invalid_sbe_header",
    -1153: "unsupported_schema_id",
    -1154: "sbe_disabled",
    -1155: "unsupported_schema_version",
    -1158: "list_leg_type",
    -1160: "iceberg_time_in_force",
    -1161: "deprecated_schema",
    -1165: "limit_must_be_below",
    -1166: "limit_must_be_above",
    -1168: "no_contingent_leg",
    -1194: "invalid_time_unit",
    -1196: "stop_loss_must_be_above",
    -1197: "stop_loss_must_be_below",
    -1198: "take_profit_must_be_below",
    -1199: "take_profit_must_be_above",
    -1210: "invalid_peg_type",
    -1211: "invalid_peg_offset",
    -1222: "opo_rule",
    -1223: "opo_rule",
    -1224: "opo_rule",
    -1225: "opo_rule",
}

CODES: Final[dict[int, Code]] = {
    **{code: USDM[code] for code in _SHARED},
    **{code: Code(A.REJECT, E.NONE, name) for code, name in _REJECTED.items()},
    # Sessions of FIX, which we do not speak.
    **{code: Code(A.CONFIG, E.NONE, "fix_session") for code in (-1033, -1034, -1035)},
    -1106: Code(A.REJECT, E.NONE, "parameter_not_required"),
    -1220: Code(A.REJECT, E.SYMBOL_CLOSED, "symbol_status"),
    # What a cancel-replace did stands in its halves; without them nobody knows.
    -2021: Code(A.UNKNOWN, E.UNKNOWN_OUTCOME, "cancel_replace_partial"),
    -2022: Code(A.REJECT, E.NONE, "cancel_replace_failed"),
    -2026: Code(A.STALE, E.GONE, "order_archived", _TARGETED),
    -2035: Code(A.NOOP, E.NONE, "subscription_active"),
    -2036: Code(A.NOOP, E.NONE, "subscription_inactive"),
    -2038: Code(A.REJECT, E.NOT_AMENDABLE, "amend_rejected"),
    -2039: Code(A.CONFIG, E.NONE, "id_mismatch"),
    -2042: Code(A.RETRY, E.NONE, "subscriptions_used_up"),
    -2043: Code(A.NOOP, E.NONE, "no_reference_price"),
}

_FULL: Final = ("orders", "algo_orders", "iceberg_orders", "order_lists")
_FILTERS: Final[dict[str, Effect]] = {
    "percent_price": E.PRICE_BAND,
    "percent_price_by_side": E.PRICE_BAND,
    "min_notional": E.MIN_NOTIONAL,
    "notional": E.MIN_NOTIONAL,
    "max_position": E.POSITION_LIMIT,
    "max_num_order_amends": E.NOT_AMENDABLE,
    **{f"max_num_{what}": E.MAX_ORDERS for what in _FULL},
    **{f"exchange_max_num_{what}": E.MAX_ORDERS for what in _FULL},
}

TEXTS: Final[tuple[tuple[str, Code], ...]] = (
    *(
        (f"filter failure: {name}", Code(A.REJECT, effect, name))
        for name, effect in sorted(_FILTERS.items(), key=lambda item: -len(item[0]))
    ),
    ("order was not canceled due to cancel restrictions", Code(A.REJECT, E.NONE, "cancel_restrictions")),
    ("the relationship of the prices", Code(A.REJECT, E.LIST_PRICES, "list_prices")),
    ("icebergqty exceeds", Code(A.REJECT, E.FILTER, "iceberg_quantity")),
    ("order book liquidity is less than", Code(A.REJECT, E.PRICE_BAND, "no_liquidity")),
    ("order amend (quantity increase)", Code(A.REJECT, E.NOT_AMENDABLE, "amend_increase")),
    ("rest api trading is not enabled", Code(A.RETRY, E.NONE, "rest_trading_disabled")),
    ("websocket api trading is not enabled", Code(A.RETRY, E.NONE, "ws_trading_disabled")),
    ("...not supported for this symbol", Code(A.CONFIG, E.SYMBOL_CLOSED, "not_supported")),
    *ENGINE,
)
"""Beginnings (lower case) of texts; a row that begins with dots is looked for anywhere."""

BY_TEXT: Final = frozenset({-1010, -1013, -2010, -2011, -2038})
