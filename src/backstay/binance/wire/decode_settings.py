"""Answers about how an account trades: leverage, brackets. Source: binance-usdm.md 1 and 8."""

from decimal import Decimal
from typing import Final

import msgspec

from backstay.binance.wire.answers import reads


class Bracket(msgspec.Struct, frozen=True):
    """Up to `cap` of notional a position may have `leverage`."""

    leverage: int
    cap: Decimal


class _Leverage(msgspec.Struct, rename="camel"):
    leverage: int | str


class _Bracket(msgspec.Struct, rename="camel"):
    initial_leverage: int
    notional_cap: Decimal


class _Brackets(msgspec.Struct):
    symbol: str
    brackets: tuple[_Bracket, ...]


_LEVERAGE: Final = msgspec.json.Decoder(_Leverage)
_ONE: Final = msgspec.json.Decoder(_Brackets)
_MANY: Final = msgspec.json.Decoder(tuple[_Brackets, ...])


@reads("leverage")
def leverage(body: bytes) -> int:
    """POST leverage: the applied value, which is not always the one asked for."""
    return int(_LEVERAGE.decode(body).leverage)


@reads("leverageBracket")
def brackets(body: bytes, symbol: str) -> tuple[Bracket, ...]:
    """GET leverageBracket of one symbol, a list of one or the object alone; the highest leverage first."""
    rows = _MANY.decode(body) if body.lstrip()[:1] == b"[" else (_ONE.decode(body),)
    found = [b for row in rows if row.symbol == symbol for b in row.brackets]
    made = (Bracket(b.initial_leverage, b.notional_cap) for b in found)
    return tuple(sorted(made, key=lambda b: -b.leverage))
