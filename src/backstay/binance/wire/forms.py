"""Request forms: everything about a request that does not change from one order to the next, as templates.

A form is compiled once per combination of symbol, kind, side and flags. Every template of every form of a
product takes the same tuple of values (`Hole`, `SpotHole`), in the order of the sorted parameter names, which
is the order that the WebSocket API signs; a value that a form does not use is swallowed by ``%.0s``.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final
from urllib.parse import quote

import msgspec

from backstay.binance.wire.endpoints import Endpoint
from backstay.core.outcomes import NotSent


class EncodeError(NotSent):
    """A request that the venue's rules cannot express: a defect of the caller; nothing was sent."""


class Hole(IntEnum):
    """What differs from one request to the next, in the order of the parameter names."""

    ACTIVATE_PRICE = 0
    API_KEY = 1
    CALLBACK_RATE = 2
    CUSTOM_ID = 3
    PRICE = 4
    QUANTITY = 5
    RECV_WINDOW = 6
    TIMESTAMP = 7
    TRIGGER_PRICE = 8


class SpotHole(IntEnum):
    """The same for spot, whose parameters are called otherwise; `CUSTOM_ID` also takes an order id."""

    API_KEY = 0
    CUSTOM_ID = 1
    PRICE = 2
    QUANTITY = 3
    RECV_WINDOW = 4
    STOP_PRICE = 5
    STRATEGY_ID = 6
    TIMESTAMP = 7
    TRAILING_DELTA = 8


_NUMBERS: Final = frozenset(
    {"cancelOrderId", "orderId", "orderListId", "recvWindow", "strategyId", "timestamp", "trailingDelta"}
)
"""Parameters that the WebSocket API wants as JSON numbers."""
_SWALLOW: Final = "%.0s"


class Form(msgspec.Struct, frozen=True):
    """Templates of one kind of request. All but `frame` and `bare` take the tuple of holes alone."""

    ws_method: str
    endpoint: Endpoint
    fields: tuple[tuple[str, str | IntEnum], ...]
    """(name, constant text or hole), sorted by name; without what authentication adds."""
    signed: str
    """What a WebSocket API signature covers: sorted and raw."""
    query: str
    """What a REST signature covers: percent-encoded; the custom id must be given so too."""
    frame: str
    """The whole WebSocket API frame: request id, holes, signature."""
    bare: str
    """The frame on a connection that is logged on: request id, holes."""


def compile_form[H: (Hole, SpotHole)](
    ws_method: str, endpoint: Endpoint, fields: Mapping[str, str | H], holes: type[H]
) -> Form:
    """Compile parameter names and their constants or holes. Constants must not need JSON escaping."""
    timed: dict[str, str | IntEnum] = {
        **fields,
        "recvWindow": holes.RECV_WINDOW,
        "timestamp": holes.TIMESTAMP,
    }
    keyed: dict[str, str | IntEnum] = {**timed, "apiKey": holes.API_KEY}
    size = len(holes)
    head = f'{{"id":"%s","method":"{ws_method}","params":{{'
    return Form(
        ws_method=ws_method,
        endpoint=endpoint,
        fields=tuple(sorted(fields.items())),
        signed=_template(keyed, "&", _raw, size),
        query=_template(timed, "&", _encoded, size),
        frame=f'{head}{_template(keyed, ",", _member, size)},"signature":"%s"}}}}',
        bare=f"{head}{_template(timed, ',', _member, size)}}}}}",
    )


def _raw(name: str, value: str) -> str:
    return f"{name}={value}"


def _encoded(name: str, value: str) -> str:
    return f"{name}={value if value == '%s' else quote(value, safe='').replace('%', '%%')}"


def _member(name: str, value: str) -> str:
    return f'"{name}":{value}' if name in _NUMBERS else f'"{name}":"{value}"'


def _template(
    fields: Mapping[str, str | IntEnum], separator: str, write: Callable[[str, str], str], size: int
) -> str:
    """Join the fields by name; holes that are not used are swallowed where they would stand."""
    parts: list[str] = []
    reached = 0
    for name in sorted(fields):
        value = fields[name]
        if not isinstance(value, IntEnum):
            parts.append(write(name, value))
            continue
        if value < reached:
            raise AssertionError(f"{name}: holes do not follow the order of the names")
        parts.append(_SWALLOW * (value - reached) + write(name, "%s"))
        reached = value + 1
    return separator.join(parts) + _SWALLOW * (size - reached)
