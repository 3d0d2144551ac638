"""What an answer to a mutation means. SIGNATURES ARE STABLE, bodies follow."""

import msgspec

from backstay.core.events import AnswerClass, Certainty, Effect
from backstay.core.types import Action, Surface


class Verdict(msgspec.Struct, frozen=True):
    certainty: Certainty
    answer: AnswerClass
    effect: Effect
    retry_after_ms: int = 0
    banned_until_ms: int = 0
    """epoch ms out of a ban text; 0: none"""
    name: str = ""


ACCEPTED: Verdict
NOT_SENT: Verdict
"""connection failed before a byte left"""
NO_ANSWER: Verdict
"""timeout or connection lost after the write"""


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
) -> Verdict:
    """http_status: HTTP status or WS-API `status`."""
    raise NotImplementedError
