"""What an answer to a mutation means: happened, did not happen, or nobody knows; and which rule applies next.

Sources: exchange-state 8.1 (the classifier: what holds), binance-errors.md (the codes, in `codes` and
`codes_spot`), binance.md 7 (the classes). Anything that is not listed proves nothing: for a mutation that is
an unknown outcome, counted and looked up, never a refusal.
"""

import re
from typing import Final

import msgspec

from backstay.binance.wire import codes, codes_spot
from backstay.binance.wire.codes import Code
from backstay.core.events import AnswerClass, Certainty, Effect
from backstay.core.types import Action, Product, Surface

LIMIT_PAUSE_MS: Final = 60_000
"""Pause after a rate refusal that names no delay (binance.md 4)."""
THROTTLE_PAUSE_MS: Final = 1_000


class Verdict(msgspec.Struct, frozen=True):
    """The meaning of one answer."""

    certainty: Certainty
    answer: AnswerClass
    effect: Effect = Effect.NONE
    retry_after_ms: int = 0
    """How long to leave the venue alone; 0: the treatment of the effect decides."""
    banned_until_ms: int = 0
    """Epoch ms at which a ban ends, when the text names it."""
    name: str = ""
    """One word for logs and counters."""


ACCEPTED: Final = Verdict(Certainty.EXECUTED, AnswerClass.ACCEPTED, name="accepted")
NOT_SENT: Final = Verdict(Certainty.NOT_EXECUTED, AnswerClass.RETRY, Effect.NOT_SENT, name="not_sent")
"""The connection failed before any byte was written."""
NO_ANSWER: Final = Verdict(Certainty.UNKNOWN, AnswerClass.UNKNOWN, Effect.UNKNOWN_OUTCOME, name="no_answer")
"""Bytes were written, and no answer came: a timeout, a lost connection."""

_BANNED: Final = re.compile(r"banned until (\d{12,14})")
_UNSENT_503: Final = ("service unavailable", "internal error; unable to process")
_THROTTLED_503: Final = "request throttled by system-level protection"


def classify(
    *,
    surface: Surface,
    action: Action,
    role_exposing: bool,
    http_status: int,
    code: int | str | None,
    message: str = "",
    retry_after_ms: int = 0,
    trust_503_text: bool = False,
    product: Product = Product.USDM,
) -> Verdict:
    """Classify the answer to a mutation.

    `http_status` is the HTTP status or the WebSocket API's `status`. `code` is the payload's, as it came: a
    positive or string code is no error (an algo cancel answers "200"). `trust_503_text` believes the 503
    texts that say "not executed"; without it they are unknown outcomes, as they always are on spot.
    """
    number = _number(code)
    text = message.strip().lower()
    if http_status < 300 and number >= 0:
        return ACCEPTED
    if http_status == 418:
        return _limited("ip_banned", message, retry_after_ms, banned=True)
    if number == -1003 or http_status == 429:
        name = "too_many_orders" if number == -1015 else "too_many_requests"
        return _limited(name, message, retry_after_ms, banned=_BANNED.search(message) is not None)
    if number == -1008 or text.startswith(_THROTTLED_503):
        return _throttled(action, role_exposing=role_exposing or product is Product.SPOT)
    if http_status >= 500 or http_status == 408 or number == -1001:
        return _server_side(number, text, trusted=trust_503_text and product is not Product.SPOT)
    row = _row(number, text) if product is not Product.SPOT else _spot_row(number, text)
    if row is None:
        return _by_status(http_status, number)
    if action not in row.actions or (row.effect is Effect.WRONG_SURFACE and surface is Surface.ALGO):
        return _unclassified(row.name)
    return _refused(row, retry_after_ms)


def _number(code: int | str | None) -> int:
    if isinstance(code, int):
        return code
    digits = (code or "0").strip()
    # A code that is no number is nobody's refusal: it must not pass for a success.
    return int(digits) if re.fullmatch(r"[+-]?\d{1,9}", digits, re.ASCII) else -1


def _row(number: int, text: str) -> Code | None:
    if number in codes.BY_TEXT:
        for beginning, row in codes.TEXTS:
            if text.startswith(beginning):
                return row
    return codes.CODES.get(number)


def _spot_row(number: int, text: str) -> Code | None:
    if number in codes_spot.BY_TEXT:
        for beginning, row in codes_spot.TEXTS:
            if text.startswith(beginning) or (beginning.startswith("...") and beginning[3:] in text):
                return row
    return codes_spot.CODES.get(number)


def _refused(row: Code, retry_after_ms: int) -> Verdict:
    if row.answer is AnswerClass.UNKNOWN:
        return Verdict(Certainty.UNKNOWN, AnswerClass.UNKNOWN, row.effect, name=row.name)
    pause = retry_after_ms
    if row.answer is AnswerClass.LIMIT and not pause:
        pause = LIMIT_PAUSE_MS
    return Verdict(Certainty.NOT_EXECUTED, row.answer, row.effect, pause, name=row.name)


def _by_status(http_status: int, number: int) -> Verdict:
    """A refusal without a code that we know."""
    if http_status == 401:
        return Verdict(Certainty.NOT_EXECUTED, AnswerClass.CONFIG, Effect.KEYS, name="unauthorized")
    if number == 0 and http_status == 403:
        return Verdict(
            Certainty.NOT_EXECUTED, AnswerClass.LIMIT, Effect.RATE_LIMITED, LIMIT_PAUSE_MS, name="firewall"
        )
    if number == 0 and http_status == 404:
        return Verdict(Certainty.NOT_EXECUTED, AnswerClass.CONFIG, name="no_such_path")
    return _unclassified(f"code{number}" if number else f"http{http_status}")


def _unclassified(name: str) -> Verdict:
    return Verdict(Certainty.UNKNOWN, AnswerClass.UNKNOWN, Effect.UNCLASSIFIED, name=name)


def _limited(name: str, message: str, retry_after_ms: int, *, banned: bool) -> Verdict:
    until = _BANNED.search(message)
    return Verdict(
        Certainty.NOT_EXECUTED,
        AnswerClass.HALT if banned else AnswerClass.LIMIT,
        Effect.BANNED if banned else Effect.RATE_LIMITED,
        retry_after_ms or LIMIT_PAUSE_MS,
        int(until.group(1)) if until else 0,
        "banned" if banned and name != "ip_banned" else name,
    )


def _throttled(action: Action, *, role_exposing: bool) -> Verdict:
    """On USD-M reduce-only requests and cancels are exempt from the throttle: they may come back at once."""
    exempt = not role_exposing or action is Action.CANCEL
    return Verdict(
        Certainty.NOT_EXECUTED,
        AnswerClass.RETRY,
        Effect.THROTTLED,
        0 if exempt else THROTTLE_PAUSE_MS,
        name="throttled",
    )


def _server_side(number: int, text: str, *, trusted: bool) -> Verdict:
    """5xx, 408 and -1001: unknown, unless a text says otherwise and texts are trusted."""
    failed = text.startswith(_UNSENT_503) or number == -1001
    if trusted and failed:
        return Verdict(Certainty.NOT_EXECUTED, AnswerClass.RETRY, name="unavailable")
    known = codes.CODES.get(number)
    return Verdict(
        Certainty.UNKNOWN,
        AnswerClass.UNKNOWN,
        Effect.UNKNOWN_OUTCOME,
        name=known.name if known else "server_error",
    )
