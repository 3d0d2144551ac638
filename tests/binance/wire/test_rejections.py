"""What answers mean: the table against the venue's page, and the rules that are not codes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire import rejections
from backstay.binance.wire.codes import CODES
from backstay.binance.wire.rejections import Verdict, classify
from backstay.core.events import AnswerClass as A
from backstay.core.events import Certainty, Effect
from backstay.core.types import Action, Surface

CLASSES = "REJECT|NOOP|RETRY|UNKNOWN|STALE|RISK|CONFIG|CLOCK|LIMIT|HALT"

# The page explains these instead of naming a class first; what we read out of it:
READ_FROM_TEXT = {
    -1010: A.UNKNOWN,  # "by text": without a known text nothing is proven
    -1113: A.REJECT,  # no class; a withdrawal's code
    -1125: A.RETRY,  # "POST a new key, reconnect"
    -4116: A.NOOP,  # "an order with this id is open": as spot's NOOP-like duplicate
    -4142: A.REJECT,  # "as -2021"
    -5026: A.REJECT,  # "cancel and re-place"
    -5043: A.RETRY,  # "wait for its event"
}
# exchange-state 8.1 decides about behaviour where the page's class differs from it:
OVERRULED = {
    -1001: A.UNKNOWN,  # "documented as failed; treated as unknown unless trust_503_text"
}
# Rows of the page that hold several codes of different classes:
SPLIT = {-4082: A.REJECT, -4083: A.UNKNOWN, -4171: A.NOOP}
SPOT_ONLY = {-1033, -1034, -1035, -1134, -1135}

FROZEN = {
    "UNKNOWN": "-1000 -1001 -1006 -1007 -1010 -2012 -4083",
    "LIMIT": "-1003 -1015",
    "RETRY": "-1008 -1016 -1125 -4131 -5041 -5043",
    "CLOCK": "-1021 -5028",
    "STALE": "-2011 -2013 -2022 -2024 -4000 -4117 -4118 -4129 -4509",
    "NOOP": "-4046 -4059 -4116 -4130 -4171 -5027",
    "HALT": "-2017 -2023 -4088",
    "RISK": (
        "-2018 -2019 -2025 -2027 -4045 -4087 -4140 -4192 -4400 -4401 -4405 -4407 -4415 -4517 "
        "-4518 -4519 -5024"
    ),
    "CONFIG": (
        "-1002 -1011 -1022 -1099 -1109 -1110 -1121 -1126 -2014 -2015 -2028 -4008 -4009 -4010 "
        "-4011 -4012 -4015 -4017 -4018 -4025 -4026 -4027 -4028 -4029 -4030 -4033 -4044 -4047 "
        "-4048 -4056 -4057 -4058 -4060 -4061 -4067 -4068 -4084 -4085 -4086 -4104 -4109 -4120 "
        "-4141 -4144 -4161 -4167 -4168 -4169 -4170 -4172 -4202 -4203 -4205 -4206 -4208 -4209 "
        "-4220 -4402 -4403 -4531 -5025"
    ),
    "REJECT": (
        "-1013 -1014 -1020 -1023 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1111 -1112 "
        "-1113 -1114 -1115 -1116 -1117 -1118 -1119 -1120 -1122 -1127 -1128 -1130 -1136 -2010 "
        "-2016 -2020 -2021 -2026 -4001 -4002 -4003 -4004 -4005 -4006 -4007 -4013 -4014 -4016 "
        "-4019 -4020 -4021 -4022 -4023 -4024 -4031 -4032 -4049 -4050 -4051 -4052 -4053 -4054 "
        "-4055 -4062 -4082 -4114 -4115 -4135 -4136 -4137 -4138 -4139 -4142 -4164 -4165 -4183 "
        "-4184 -4210 -4211 -5021 -5022 -5026 -5029 -5037 -5038 -5039 -5040 -5047"
    ),
}


def answer(
    code, message="", *, status=400, action=Action.PLACE, exposing=False, surface=Surface.REGULAR, **more
):
    return classify(
        surface=surface,
        action=action,
        role_exposing=exposing,
        http_status=status,
        code=code,
        message=message,
        **more,
    )


def codes_of(cell: str) -> list[int]:
    """The codes of a table cell: single, listed, or as a range."""
    found = []
    for part in re.findall(r"-\d{4,5}(?:\.\.-\d{4,5})?", cell):
        first, _, last = part.partition("..")
        found += range(int(first), int(last or first) - 1, -1)
    return found


def page_classes(text: str) -> dict[int, A | None]:
    """Code to class (None: the page names none first), of the page's sections 2, 4, 5 and 6."""
    found: dict[int, A | None] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        if section[:2] not in {"2.", "4.", "5.", "6."}:
            continue
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not line.startswith("| -"):
                continue
            named = re.match(rf"({CLASSES})\b", cells[-1])
            for code in codes_of(cells[0]):
                found[code] = A(named.group(1)) if named else None
    return found


def test_the_table_equals_the_frozen_list():
    frozen = {int(code): A(name) for name, codes in FROZEN.items() for code in codes.split()}
    assert {code: row.answer for code, row in CODES.items()} == frozen


def test_every_code_of_the_venues_page_has_its_class(shared_data):
    page = shared_data.parent / "reference" / "binance-errors.md"
    if not page.is_file():
        pytest.skip("the page of error codes is not beside the project")
    stated = page_classes(page.read_text(encoding="utf-8"))
    assert len(stated) > 150
    expected = {
        code: OVERRULED.get(code) or SPLIT.get(code) or named or READ_FROM_TEXT.get(code)
        for code, named in stated.items()
        if code not in SPOT_ONLY
    }
    assert {code: row.answer for code, row in CODES.items()} == expected
    assert {code for code, named in stated.items() if named is None} - SPOT_ONLY == set(READ_FROM_TEXT)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_listed_code_is_classified_as_the_table_says(code):
    row = CODES[code]
    for action in Action:
        verdict = answer(code, action=action)
        if action not in row.actions:
            assert (verdict.certainty, verdict.effect) == (Certainty.UNKNOWN, Effect.UNCLASSIFIED)
            continue
        assert verdict.answer is row.answer
        assert verdict.name
        unknown = row.answer is A.UNKNOWN
        assert verdict.certainty is (Certainty.UNKNOWN if unknown else Certainty.NOT_EXECUTED)


@pytest.mark.parametrize(
    ("code", "action", "effect"),
    [
        (-5027, Action.AMEND, Effect.SAME_ORDER),
        (-2011, Action.CANCEL, Effect.GONE),
        (-2013, Action.AMEND, Effect.GONE),
        (-2019, Action.PLACE, Effect.MARGIN),
        (-2018, Action.PLACE, Effect.MARGIN),
        (-2027, Action.PLACE, Effect.POSITION_LIMIT),
        (-5029, Action.AMEND, Effect.MIN_NOTIONAL),
        (-4164, Action.PLACE, Effect.MIN_NOTIONAL),
        (-1111, Action.PLACE, Effect.FILTER),
        (-4014, Action.PLACE, Effect.FILTER),
        (-4016, Action.PLACE, Effect.PRICE_BAND),
        (-4120, Action.PLACE, Effect.WRONG_SURFACE),
        (-2021, Action.PLACE, Effect.WOULD_TRIGGER),
        (-2022, Action.PLACE, Effect.REDUCE_ONLY),
        (-4118, Action.PLACE, Effect.REDUCE_ONLY),
        (-2024, Action.PLACE, Effect.REDUCE_ONLY),
        (-4509, Action.PLACE, Effect.NO_POSITION),
        (-4130, Action.PLACE, Effect.CLOSE_POSITION_EXISTS),
        (-4116, Action.PLACE, Effect.DUPLICATE_ID),
        (-2025, Action.PLACE, Effect.MAX_ORDERS),
        (-4045, Action.PLACE, Effect.MAX_ORDERS),
        (-4061, Action.PLACE, Effect.POSITION_SIDE),
        (-1106, Action.PLACE, Effect.POSITION_SIDE),
        (-5022, Action.PLACE, Effect.TIME_IN_FORCE),
        (-5025, Action.AMEND, Effect.NOT_AMENDABLE),
        (-5026, Action.AMEND, Effect.NOT_AMENDABLE),
        (-5043, Action.AMEND, Effect.AMEND_IN_FLIGHT),
        (-5028, Action.PLACE, Effect.CLOCK),
        (-1021, Action.PLACE, Effect.CLOCK),
        (-1008, Action.PLACE, Effect.THROTTLED),
        (-1003, Action.PLACE, Effect.RATE_LIMITED),
        (-1015, Action.PLACE, Effect.RATE_LIMITED),
        (-1022, Action.PLACE, Effect.KEYS),
        (-2015, Action.PLACE, Effect.KEYS),
        (-2023, Action.PLACE, Effect.LIQUIDATION),
        (-4400, Action.PLACE, Effect.REDUCE_ONLY_REGIME),
        (-4117, Action.PLACE, Effect.TRIGGERING),
    ],
)
def test_i28_a_deterministic_refusal_did_not_execute_and_names_its_rule(code, action, effect):
    verdict = answer(code, action=action)
    assert (verdict.certainty, verdict.effect) == (Certainty.NOT_EXECUTED, effect)


@pytest.mark.parametrize("code", [None, 0, 200, "200", "0"])
def test_a_positive_or_string_code_is_no_error(code):
    assert answer(code, status=200) == rejections.ACCEPTED


def test_an_error_code_inside_a_success_is_still_a_refusal():
    assert answer(-2021, status=200).effect is Effect.WOULD_TRIGGER


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007])
def test_transport_troubles_of_the_venue_are_unknown_outcomes(code):
    verdict = answer(code, status=400 if code != -1007 else 408)
    assert (verdict.certainty, verdict.effect) == (Certainty.UNKNOWN, Effect.UNKNOWN_OUTCOME)


@pytest.mark.parametrize(
    ("message", "trusted", "certainty"),
    [
        ("Unknown error, please check your request or try again later.", True, Certainty.UNKNOWN),
        ("Service Unavailable.", False, Certainty.UNKNOWN),
        ("Service Unavailable.", True, Certainty.NOT_EXECUTED),
        ("Internal error; unable to process your request. Please try again.", False, Certainty.UNKNOWN),
        ("Internal error; unable to process your request. Please try again.", True, Certainty.NOT_EXECUTED),
        ("Request occur unknown error.", True, Certainty.UNKNOWN),
        ("<html>", True, Certainty.UNKNOWN),
    ],
)
def test_the_503_texts_are_unknown_unless_they_are_trusted(message, trusted, certainty):
    assert answer(0, message, status=503, trust_503_text=trusted).certainty is certainty


@pytest.mark.parametrize("status", [500, 502, 504, 599, 408])
def test_any_other_server_error_is_unknown_whatever_its_code(status):
    assert answer(-2019, status=status).certainty is Certainty.UNKNOWN


def test_the_throttle_spares_reduce_only_requests_and_cancels():
    text = "Request throttled by system-level protection. Reduce-only/close-position orders are exempt."
    for code, message, status in ((-1008, "", 503), (0, text, 503)):
        exposing = answer(code, message, status=status, exposing=True)
        assert (exposing.effect, exposing.retry_after_ms) == (Effect.THROTTLED, 1000)
        assert answer(code, message, status=status).retry_after_ms == 0
        assert answer(code, message, status=status, exposing=True, action=Action.CANCEL).retry_after_ms == 0
        assert exposing.certainty is Certainty.NOT_EXECUTED


def test_a_ban_halts_and_names_its_end():
    text = "Way too many requests; IP(1.2.3.4) banned until 1790000600000. Please use the websocket."
    verdict = answer(-1003, text, status=429)
    assert (verdict.answer, verdict.effect, verdict.banned_until_ms) == (A.HALT, Effect.BANNED, 1790000600000)
    plain = answer(0, "", status=418, retry_after_ms=120_000)
    assert (plain.answer, plain.effect, plain.retry_after_ms) == (A.HALT, Effect.BANNED, 120_000)


def test_a_rate_refusal_honours_the_stated_pause_or_waits_a_minute():
    assert answer(-1003, status=429, retry_after_ms=7000).retry_after_ms == 7000
    assert answer(-1003, status=429).retry_after_ms == 60_000
    orders = answer(-1015, status=429)
    assert (orders.answer, orders.name) == (A.LIMIT, "too_many_orders")


@pytest.mark.parametrize(
    ("status", "answer_class"),
    [(401, A.CONFIG), (403, A.LIMIT), (404, A.CONFIG), (429, A.LIMIT), (418, A.HALT)],
)
def test_statuses_without_a_code(status, answer_class):
    verdict = answer(None, "<html>", status=status)
    assert (verdict.answer, verdict.certainty) == (answer_class, Certainty.NOT_EXECUTED)


@pytest.mark.parametrize(
    ("code", "status"),
    [(-9999, 400), (-4999, 200), (0, 400), (0, 409), (0, 302), ("x", 400), ("x", 200), (-1, 401 + 1)],
)
def test_what_is_not_listed_proves_nothing(code, status):
    verdict = answer(code, status=status)
    assert (verdict.certainty, verdict.answer, verdict.effect) == (
        Certainty.UNKNOWN,
        A.UNKNOWN,
        Effect.UNCLASSIFIED,
    )


@pytest.mark.parametrize(
    ("code", "action"), [(-5027, Action.PLACE), (-5027, Action.CANCEL), (-2011, Action.PLACE)]
)
def test_a_code_that_does_not_belong_to_the_action_proves_nothing(code, action):
    assert answer(code, action=action).effect is Effect.UNCLASSIFIED


@pytest.mark.parametrize(
    ("code", "text", "action", "effect"),
    [
        (-2010, "Account has insufficient balance for requested action.", Action.PLACE, Effect.MARGIN),
        (-2010, "Order would trigger immediately.", Action.PLACE, Effect.WOULD_TRIGGER),
        (-2010, "Duplicate order sent.", Action.PLACE, Effect.DUPLICATE_ID),
        (-2010, "Something new.", Action.PLACE, Effect.NONE),
        (-1010, "Market is closed.", Action.PLACE, Effect.SYMBOL_CLOSED),
        (-1010, "Something new.", Action.PLACE, Effect.UNCLASSIFIED),
        (-2011, "Unknown order sent.", Action.CANCEL, Effect.GONE),
        (-1010, "This action is disabled on this account.", Action.PLACE, Effect.KEYS),
    ],
)
def test_vague_codes_are_read_by_their_text(code, text, action, effect):
    assert answer(code, text, action=action).effect is effect


def test_transport_verdicts():
    assert rejections.NOT_SENT.certainty is Certainty.NOT_EXECUTED
    assert rejections.NO_ANSWER.certainty is Certainty.UNKNOWN
    assert rejections.ACCEPTED.certainty is Certainty.EXECUTED


@given(
    status=st.integers(100, 599),
    code=st.none() | st.integers(-6000, 300) | st.text(max_size=8),
    message=st.text(max_size=40),
    action=st.sampled_from(Action),
    surface=st.sampled_from(Surface),
    exposing=st.booleans(),
)
def test_the_classifier_is_total_and_calls_nothing_accepted_that_carries_an_error(
    status, code, message, action, surface, exposing
):
    verdict = answer(code, message, status=status, action=action, surface=surface, exposing=exposing)
    assert isinstance(verdict, Verdict)
    if verdict.certainty is Certainty.EXECUTED:
        assert status < 300
        assert code is None or not str(code).strip().startswith("-")
    if status >= 500:
        assert verdict.certainty is not Certainty.EXECUTED
