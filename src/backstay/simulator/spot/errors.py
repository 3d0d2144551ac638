"""Spot's refusals (`binance-errors.md` sections 2 and 3): code and text."""

from backstay.simulator.errors import MESSAGES as SHARED
from backstay.simulator.errors import Refusal

MESSAGES: dict[int, str] = {
    -1013: "Invalid {0}.",
    -1100: "Illegal characters found in parameter '{0}'; legal range is '{1}'.",
    -1105: "Parameter '{0}' was empty.",
    -1108: "Parameter '{0}' overflowed.",
    -1111: "Parameter '{0}' has too much precision.",
    -1127: "Lookup interval is too big. More than {0} hours between startTime and endTime.",
    -1134: "strategyType was less than 1000000.",
    -1139: "Invalid ticker type.",
    -1145: "cancelRestrictions has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.",
    -1151: "Symbol is present multiple times in the list.",
    -1158: "Order type not supported in OCO.",
    -1160: "Parameter '{0}' is only supported if '{1}' is GTC.",
    -1165: "A limit order in a buy OCO must be below.",
    -1166: "A limit order in a sell OCO must be above.",
    -1168: "At least one OCO order must be contingent.",
    -1196: "A stop loss order in a buy OCO must be above.",
    -1197: "A stop loss order in a sell OCO must be below.",
    -1198: "A take profit order in a buy OCO must be below.",
    -1199: "A take profit order in a sell OCO must be above.",
    -1220: "The symbol's status does not match the requested symbolStatus.",
    -1222: "The working order of an OPO must be a buy, the pending order a sell.",
    -2026: "Order was canceled or expired with no executed qty over 90 days ago and has been archived.",
    -2039: "Client order ID is not correct for this order ID.",
    -2043: "This symbol doesn't have a reference price.",
}

NO_FUNDS = "Account has insufficient balance for requested action."
DUPLICATE = "Duplicate order sent."
CLOSED = "Market is closed."
WOULD_TAKE = "Order would immediately match and take."
WOULD_TRIGGER = "Order would trigger immediately."
BAD_PRICES = "The relationship of the prices for the orders is not correct."
UNKNOWN_ORDER = "Unknown order sent."
NO_CHANGE = "The requested action would change no state; rejecting."


def refusal(code: int, *details: object, status: int = 400) -> Refusal:
    """The refusal with Spot's usual text for `code`; `details` fill its placeholders."""
    text = MESSAGES.get(code) or SHARED[code]
    return Refusal(code, text.format(*details), status)


def rejected(text: str) -> Refusal:
    """The engine refused a new order (-2010); the text tells why."""
    return Refusal(-2010, text)


def filtered(name: str) -> Refusal:
    """A filter failed (-1013)."""
    return Refusal(-1013, f"Filter failure: {name}")
