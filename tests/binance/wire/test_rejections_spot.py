"""What spot's answers mean: the table against the venue's page, and the texts that decide."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire.codes_spot import CODES
from backstay.binance.wire.rejections import classify
from backstay.core.events import AnswerClass as A
from backstay.core.events import Certainty, Effect
from backstay.core.types import Action, Product, Surface

from tests.binance.wire.test_rejections import CLASSES, codes_of

FROZEN = {
    "UNKNOWN": "-1000 -1001 -1006 -1007 -1010 -2021",
    "LIMIT": "-1003 -1015",
    "RETRY": "-1008 -1016 -1125 -2042",
    "CLOCK": "-1021",
    "STALE": "-2011 -2013 -2026",
    "NOOP": "-2035 -2036 -2043",
    "CONFIG": "-1002 -1022 -1033 -1034 -1035 -1121 -2014 -2015 -2039",
    "REJECT": (
        "-1013 -1014 -1020 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1111 -1112 -1113 -1114 -1115 "
        "-1116 -1117 -1118 -1119 -1120 -1122 -1127 -1128 -1130 -1134 -1135 -1139 -1145 -1151 -1152 -1153 "
        "-1154 -1155 -1158 -1160 -1161 -1165 -1166 -1168 -1194 -1196 -1197 -1198 -1199 -1210 -1211 -1220 "
        "-1222 -1223 -1224 -1225 -2010 -2016 -2022 -2038"
    ),
}
# The page explains these instead of naming a class first; what we read out of it:
READ_FROM_TEXT = {
    -1001: A.UNKNOWN,  # 8.1 overrules: trusted as a failure nowhere
    -1010: A.UNKNOWN,  # "by text"
    -1033: A.CONFIG,  # FIX sessions
    -1034: A.CONFIG,
    -1035: A.CONFIG,
    -1113: A.REJECT,
    -1125: A.RETRY,
    -2021: A.UNKNOWN,  # "read data": without data nobody knows
    -2022: A.REJECT,  # "cancel half -2011: STALE; otherwise REJECT"
    -2026: A.STALE,  # "treat as terminal"
    -2042: A.RETRY,  # "reconnect"
    -2043: A.NOOP,  # "ignore"
}
USDM_ONLY = {-1011, -1023, -1099, -1109, -1110, -1126, -1136}


def answer(code, message="", *, status=400, action=Action.PLACE, **more):
    return classify(
        surface=Surface.REGULAR,
        action=action,
        role_exposing=False,
        http_status=status,
        code=code,
        message=message,
        product=Product.SPOT,
        **more,
    )


def page_classes(text):
    """Code to class of the page's sections 2 and 3."""
    found = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        if section[:2] not in {"2.", "3."}:
            continue
        for line in section.splitlines():
            if not line.startswith("| -"):
                continue
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            named = re.match(rf"({CLASSES})\b", cells[-1])
            for code in codes_of(cells[0]):
                found[code] = A(named.group(1)) if named else None
    return found


def test_the_table_equals_the_frozen_list():
    frozen = {int(code): A(name) for name, codes in FROZEN.items() for code in codes.split()}
    assert {code: row.answer for code, row in CODES.items()} == frozen


def test_every_code_that_the_page_names_for_spot_has_its_class(shared_data):
    page = shared_data.parent / "reference" / "binance-errors.md"
    if not page.is_file():
        pytest.skip("the page of error codes is not beside the project")
    stated = page_classes(page.read_text(encoding="utf-8"))
    expected = {
        code: READ_FROM_TEXT.get(code) or named for code, named in stated.items() if code not in USDM_ONLY
    }
    assert {code: row.answer for code, row in CODES.items()} == expected


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_listed_code_is_classified_as_the_table_says(code):
    row = CODES[code]
    for action in Action:
        verdict = answer(code, action=action)
        if action not in row.actions:
            assert (verdict.certainty, verdict.effect) == (Certainty.UNKNOWN, Effect.UNCLASSIFIED)
            continue
        assert verdict.answer is row.answer
        unknown = row.answer is A.UNKNOWN
        assert verdict.certainty is (Certainty.UNKNOWN if unknown else Certainty.NOT_EXECUTED)


FILTERS = {
    "PRICE_FILTER": Effect.FILTER,
    "PERCENT_PRICE": Effect.PRICE_BAND,
    "PERCENT_PRICE_BY_SIDE": Effect.PRICE_BAND,
    "LOT_SIZE": Effect.FILTER,
    "MIN_NOTIONAL": Effect.MIN_NOTIONAL,
    "NOTIONAL": Effect.MIN_NOTIONAL,
    "ICEBERG_PARTS": Effect.FILTER,
    "MARKET_LOT_SIZE": Effect.FILTER,
    "MAX_POSITION": Effect.POSITION_LIMIT,
    "MAX_NUM_ORDERS": Effect.MAX_ORDERS,
    "MAX_NUM_ALGO_ORDERS": Effect.MAX_ORDERS,
    "MAX_NUM_ICEBERG_ORDERS": Effect.MAX_ORDERS,
    "MAX_NUM_ORDER_AMENDS": Effect.NOT_AMENDABLE,
    "MAX_NUM_ORDER_LISTS": Effect.MAX_ORDERS,
    "TRAILING_DELTA": Effect.FILTER,
    "EXCHANGE_MAX_NUM_ORDERS": Effect.MAX_ORDERS,
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": Effect.MAX_ORDERS,
    "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": Effect.MAX_ORDERS,
    "EXCHANGE_MAX_NUM_ORDER_LISTS": Effect.MAX_ORDERS,
}


@pytest.mark.parametrize(("name", "effect"), FILTERS.items())
def test_a_filter_is_known_by_its_name(name, effect):
    verdict = answer(-1013, f"Filter failure: {name}")
    assert (verdict.answer, verdict.effect) == (A.REJECT, effect)


@pytest.mark.parametrize(
    ("code", "text", "action", "answered", "effect"),
    [
        (-2011, "Unknown order sent.", Action.CANCEL, A.STALE, Effect.GONE),
        (-2010, "Duplicate order sent.", Action.PLACE, A.NOOP, Effect.DUPLICATE_ID),
        (-2010, "Market is closed.", Action.PLACE, A.RISK, Effect.SYMBOL_CLOSED),
        (
            -2010,
            "Account has insufficient balance for requested action.",
            Action.PLACE,
            A.REJECT,
            Effect.MARGIN,
        ),
        (-2010, "Order would immediately match and take.", Action.PLACE, A.REJECT, Effect.TIME_IN_FORCE),
        (-2010, "Order would trigger immediately.", Action.PLACE, A.REJECT, Effect.WOULD_TRIGGER),
        (
            -2010,
            "The relationship of the prices for the orders is not correct.",
            Action.PLACE,
            A.REJECT,
            Effect.LIST_PRICES,
        ),
        (-2010, "Price * QTY is zero or less.", Action.PLACE, A.REJECT, Effect.FILTER),
        (-2010, "IcebergQty exceeds QTY.", Action.PLACE, A.REJECT, Effect.FILTER),
        (
            -2010,
            "OCO orders are not supported for this symbol.",
            Action.PLACE,
            A.CONFIG,
            Effect.SYMBOL_CLOSED,
        ),
        (-2010, "This action is disabled on this account.", Action.PLACE, A.HALT, Effect.KEYS),
        (-2010, "This account may not place or cancel orders.", Action.PLACE, A.HALT, Effect.KEYS),
        (
            -2010,
            "This symbol is not permitted for this account.",
            Action.PLACE,
            A.CONFIG,
            Effect.SYMBOL_CLOSED,
        ),
        (-2010, "This symbol is restricted for this account.", Action.PLACE, A.CONFIG, Effect.SYMBOL_CLOSED),
        (
            -2011,
            "Order was not canceled due to cancel restrictions.",
            Action.CANCEL,
            A.REJECT,
            Effect.NONE,
        ),
        (
            -2010,
            "Order book liquidity is less than LOT_SIZE filter minimum quantity.",
            Action.PLACE,
            A.REJECT,
            Effect.PRICE_BAND,
        ),
        (
            -2038,
            "Order amend (quantity increase) is not supported.",
            Action.AMEND,
            A.REJECT,
            Effect.NOT_AMENDABLE,
        ),
        (
            -2038,
            "The requested action would change no state; rejecting.",
            Action.AMEND,
            A.NOOP,
            Effect.SAME_ORDER,
        ),
        (-1010, "Rest API trading is not enabled.", Action.PLACE, A.RETRY, Effect.NONE),
        (-1010, "WebSocket API trading is not enabled.", Action.PLACE, A.RETRY, Effect.NONE),
        (-2010, "A text that nobody has seen.", Action.PLACE, A.REJECT, Effect.NONE),
        (-1010, "A text that nobody has seen.", Action.PLACE, A.UNKNOWN, Effect.UNCLASSIFIED),
    ],
)
def test_8_1_the_engine_is_understood_by_its_texts(code, text, action, answered, effect):
    verdict = answer(code, text, action=action)
    assert (verdict.answer, verdict.effect) == (answered, effect)


def test_8_1_the_same_number_means_another_thing_on_futures():
    for code in (-2021, -2022):
        ours = answer(code)
        theirs = classify(
            surface=Surface.REGULAR, action=Action.PLACE, role_exposing=False, http_status=400, code=code
        )
        assert ours.effect is not theirs.effect


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, ""), (503, "Service Unavailable."), (503, "Internal error; unable to process your request.")],
)
def test_8_1_every_server_error_of_spot_is_an_unknown_outcome(status, text):
    verdict = answer(None, text, status=status, trust_503_text=True)
    assert (verdict.certainty, verdict.effect) == (Certainty.UNKNOWN, Effect.UNKNOWN_OUTCOME)
    assert answer(-1007, "Timeout", status=408).certainty is Certainty.UNKNOWN


def test_8_1_limits_bans_and_keys_as_on_futures():
    assert answer(-1003, "Too many requests", status=429, retry_after_ms=7000).retry_after_ms == 7000
    assert answer(-1015, "Too many new orders", status=429).effect is Effect.RATE_LIMITED
    banned = answer(-1003, "IP banned until 1790000120000", status=418)
    assert (banned.effect, banned.answer, banned.banned_until_ms) == (Effect.BANNED, A.HALT, 1790000120000)
    assert answer(-2015, "", status=401).effect is Effect.KEYS
    # Nothing on spot is exempt from the throttle.
    assert answer(-1008, "", status=503).retry_after_ms > 0
    assert answer(0, "", status=200).certainty is Certainty.EXECUTED


@given(st.integers(-9999, 9999), st.text(max_size=60), st.integers(200, 599), st.sampled_from(Action))
def test_i28_every_answer_has_a_meaning_and_what_is_not_listed_proves_nothing(code, text, status, action):
    verdict = answer(code, text, status=status, action=action)
    assert verdict.name
    if verdict.certainty is Certainty.NOT_EXECUTED and status not in (401, 403, 404, 418, 429):
        assert code in CODES
