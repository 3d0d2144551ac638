"""A scripted owner of the account, for demonstrations: somebody who trades by hand beside the product.

`actions` is the story, decided by a seed alone: positions are opened by market and by limit, added to, partly
closed and closed after a few minutes; manual orders rest far from the market and must never be touched by
anybody else; now and then the owner cancels a stop that is not his, or changes the leverage. `resolve` turns
one line of the story into a request of the control side (`POST /sim/v1/human`) by what is true at that
moment, or into nothing where it has become pointless (the stop was faster than the hand).

Pure: no clock, no I/O, dice only from the seed. The truth it reads is `GET /sim/v1/truth`.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from random import Random
from typing import Any, Literal

import msgspec

from backstay.simulator.feeds.grid import Grid, profile_of

SECOND = 1_000_000_000
_BP = Decimal("0.0001")
_OPEN = ("NEW", "PARTIALLY_FILLED")
_STOPS = ("STOP_MARKET", "STOP", "TRAILING_STOP_MARKET")
_NEAR = Decimal("0.02")
_HAND = "human"
_WORDS = {
    "open": "opens a {leg} of {symbol} at market",
    "open_limit": "opens a {leg} of {symbol} by a limit order near the market",
    "withdraw": "takes back what of that order of {symbol} has not filled",
    "add": "adds to the {leg} of {symbol}",
    "reduce": "closes a part of the {leg} of {symbol}",
    "close": "closes the {leg} of {symbol}",
    "rest": "leaves a limit order for a {leg} of {symbol} far from the market",
    "unrest": "takes back an order of {symbol} that rested far from the market",
    "cancel_stop": "cancels the stop of the {leg} of {symbol}",
    "leverage": "sets the leverage of {symbol} to {leverage}",
}

Kind = Literal[
    "open", "open_limit", "withdraw", "add", "reduce", "close", "rest", "unrest", "cancel_stop", "leverage"
]


class HumanError(Exception):
    """The truth lacks what an action needs to be resolved: a programming error at the seam, said clearly."""


class HumanAction(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the owner does at `at` (venue ns). What does not concern a kind is 0.

    open, add: `notional` by market; open_limit: by limit, `offset` inside the book; withdraw: takes back what
    of that limit has not filled; reduce: `share` of the position; rest: a limit order of `notional`, `offset`
    away from the market; unrest: takes the oldest of those back; leverage: sets `leverage`.
    `story` numbers the positions of a leg from 1.
    """

    at: int
    kind: Kind
    symbol: str
    leg: Literal["LONG", "SHORT"]
    hedge: bool
    grid: Grid
    story: int = 0
    notional: Decimal = Decimal(0)
    offset: Decimal = Decimal(0)
    share: Decimal = Decimal(0)
    leverage: int = 0

    @property
    def position_side(self) -> str:
        """The wire's positionSide: the leg in hedge mode, else BOTH."""
        return self.leg if self.hedge else "BOTH"

    @property
    def words(self) -> str:
        """What an onlooker sees the owner do."""
        return _WORDS[self.kind].format(leg=self.leg.lower(), symbol=self.symbol, leverage=self.leverage)


class Pace(msgspec.Struct, frozen=True):
    """How the owner behaves; durations in seconds, chances per position, money in quote currency.

    With the defaults a leg sees a new position about every 3.5 minutes: some 34 in two hours.
    """

    life: tuple[int, int] = (80, 290)
    pause: tuple[int, int] = (10, 35)
    patience: tuple[int, int] = (8, 20)
    notional: tuple[int, int] = (600, 4000)
    limit_entry: int = 30
    """Per cent of entries that are limit orders; the other figures below are per cent also."""
    adds: int = 45
    reduces: int = 40
    cancels_stop: int = 12
    sets_leverage: int = 8
    rest_every: tuple[int, int] = (300, 700)
    rest_away: tuple[int, int] = (600, 1200)
    """Distance of resting manual orders from the market, in basis points."""


def actions(
    seed: int,
    symbols: Sequence[str],
    start_ns: int,
    duration_ns: int,
    *,
    hedge: bool = False,
    grids: Mapping[str, Grid] | None = None,
    pace: Pace | None = None,
) -> Iterator[HumanAction]:
    """The story, by time, within [start_ns, start_ns + duration_ns). Lazy.

    One-way: one position at a time and symbol, long or short by chance. Hedge: the two legs of a symbol live
    side by side. What happens on one symbol does not depend on the others. Positions may be open at the end.
    """
    if not symbols:
        raise ValueError("the owner needs at least one symbol to trade")
    known = grids or {}
    streams: list[Iterator[HumanAction]] = []
    for symbol in symbols:
        grid = known.get(symbol, profile_of(symbol).grid)
        for legs in (("LONG",), ("SHORT",)) if hedge else (("LONG", "SHORT"),):
            owner = _Owner(
                f"{seed}/human/{symbol}/{'/'.join(legs)}", symbol, legs, hedge, grid, pace or Pace()
            )
            streams += [owner.positions(start_ns, duration_ns), owner.resting(start_ns, duration_ns)]
    return heapq.merge(*streams, key=lambda action: action.at)


class _Owner:
    """The dice and habits of one symbol (one leg of it in hedge mode)."""

    def __init__(
        self, salt: str, symbol: str, legs: Sequence[str], hedge: bool, grid: Grid, pace: Pace
    ) -> None:
        self._salt, self._symbol, self._legs = salt, symbol, legs
        self._hedge, self._grid, self._pace = hedge, grid, pace

    def _act(self, at: int, kind: Kind, leg: Any, **more: Any) -> HumanAction:
        return HumanAction(
            at=at, kind=kind, symbol=self._symbol, leg=leg, hedge=self._hedge, grid=self._grid, **more
        )

    def positions(self, start_ns: int, duration_ns: int) -> Iterator[HumanAction]:
        dice, pace = Random(self._salt), self._pace
        end = start_ns + duration_ns
        at = start_ns + dice.randrange(3, 12) * SECOND
        story = 0
        while at < end:
            story += 1
            ends, acts = self._one(dice, at, story)
            yield from (act for act in sorted(acts, key=lambda act: act.at) if act.at < end)
            at = ends + _between(dice, pace.pause)

    def _one(self, dice: Random, at: int, story: int) -> tuple[int, list[HumanAction]]:
        """(when it is closed, what is done) for one position, opened at `at`."""
        pace, leg = self._pace, self._legs[dice.randrange(len(self._legs))]
        size = _money(dice, pace.notional)
        acts: list[HumanAction] = []
        opened = at
        if _happens(dice, pace.sets_leverage):
            acts.append(self._act(at, "leverage", leg, leverage=dice.choice((3, 5, 8, 10, 15, 20))))
            opened += SECOND
        if _happens(dice, pace.limit_entry):
            offset = _BP * dice.randrange(1, 5) / 2
            acts.append(self._act(opened, "open_limit", leg, notional=size, offset=offset, story=story))
            opened += _between(dice, pace.patience)
            acts.append(self._act(opened, "withdraw", leg, story=story))
            opened += 2 * SECOND
        acts.append(self._act(opened, "open", leg, notional=size, story=story))
        life = _between(dice, pace.life)
        if _happens(dice, pace.adds):
            then = opened + life * dice.randrange(15, 45) // 100
            acts.append(self._act(then, "add", leg, notional=_money(dice, pace.notional) / 2, story=story))
        if _happens(dice, pace.reduces):
            then = opened + life * dice.randrange(50, 85) // 100
            acts.append(
                self._act(then, "reduce", leg, share=Decimal(dice.randrange(25, 65)) / 100, story=story)
            )
        if _happens(dice, pace.cancels_stop):
            then = opened + life * dice.randrange(20, 90) // 100
            acts.append(self._act(then, "cancel_stop", leg, story=story))
        closed = opened + life
        acts.append(self._act(closed, "close", leg, story=story))
        return closed, acts

    def resting(self, start_ns: int, duration_ns: int) -> Iterator[HumanAction]:
        """Manual orders far from the market: placed now and then, and every third time one is taken back."""
        dice, pace = Random(self._salt + "/resting"), self._pace
        at = start_ns + dice.randrange(2, 40) * SECOND
        placed = 0
        while at < start_ns + duration_ns:
            leg = self._legs[dice.randrange(len(self._legs))]
            if placed % 3 == 2 and _happens(dice, 70):
                yield self._act(at, "unrest", leg)
            else:
                away = _BP * dice.randrange(*pace.rest_away)
                yield self._act(at, "rest", leg, notional=_money(dice, pace.notional) / 4, offset=away)
            placed += 1
            at += _between(dice, pace.rest_every)


def resolve(action: HumanAction, truth: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body for `POST /sim/v1/human` that does `action` now, or None where there is nothing to do.

    `truth` is the answer of `GET /sim/v1/truth`. Raises `HumanError` when it lacks what the action needs.
    """
    try:
        return _resolve(action, truth)
    except KeyError as error:
        raise HumanError(f"{action.kind} {action.symbol}: the truth has no {error}") from error


def _resolve(action: HumanAction, truth: Mapping[str, Any]) -> dict[str, Any] | None:
    amount = _amount(action, truth)
    own = amount > 0 if action.leg == "LONG" else amount < 0
    match action.kind:
        case "open":
            # with a position there already this would add to it, or net it: the story goes on without
            return None if amount else _market(action, _price(action, truth))
        case "open_limit":
            return None if amount else _limit(action, _price(action, truth))
        case "add":
            return _market(action, _price(action, truth)) if own else None
        case "reduce":
            return _reduction(action, abs(amount)) if own else None
        case "close":
            return _close(action) if amount else None
        case "rest":
            return _limit(action, _price(action, truth))
        case "withdraw":
            return _taking_back(action, truth, near=True)
        case "unrest":
            return _taking_back(action, truth, near=False)
        case "cancel_stop":
            return _stop_cancel(action, truth)
        case "leverage":
            return {"do": "leverage", "symbol": action.symbol, "leverage": action.leverage}


def _amount(action: HumanAction, truth: Mapping[str, Any]) -> Decimal:
    """The signed size of the action's position; 0 when flat."""
    for row in truth["positions"]:
        if row["symbol"] == action.symbol and row["positionSide"] == action.position_side:
            return Decimal(row["positionAmt"])
    return Decimal(0)


def _price(action: HumanAction, truth: Mapping[str, Any]) -> Decimal:
    return Decimal(truth["prices"][action.symbol]["mark"])


def _market(action: HumanAction, price: Decimal) -> dict[str, Any]:
    """An order by market in the direction of the leg, of at least one step."""
    step = action.grid.step
    quantity = max((action.notional / price / step).to_integral_value(ROUND_DOWN), Decimal(1)) * step
    return {
        "do": "order",
        "symbol": action.symbol,
        "side": "BUY" if action.leg == "LONG" else "SELL",
        "positionSide": action.position_side,
        "type": "MARKET",
        "quantity": format(quantity, "f"),
    }


def _limit(action: HumanAction, price: Decimal) -> dict[str, Any]:
    """A buy below the market or a sell above it, `offset` away, on the grid."""
    buys = action.leg == "LONG"
    wanted = price * (1 - action.offset if buys else 1 + action.offset)
    steps = (wanted / action.grid.tick).to_integral_value(ROUND_DOWN if buys else ROUND_UP)
    limit = {"type": "LIMIT", "timeInForce": "GTC", "price": format(steps * action.grid.tick, "f")}
    return {**_market(action, price), **limit}


def _reduction(action: HumanAction, held: Decimal) -> dict[str, Any] | None:
    steps = held * action.share / action.grid.step
    return {**_close(action), "share": format(action.share, "f")} if steps >= 1 else None


def _close(action: HumanAction) -> dict[str, Any]:
    return {"do": "close", "symbol": action.symbol, "positionSide": action.position_side}


def _taking_back(action: HumanAction, truth: Mapping[str, Any], *, near: bool) -> dict[str, Any] | None:
    """Cancels the owner's oldest opening limit order near to (or far from) the market, and no other's."""
    price = _price(action, truth)
    for row in truth["orders"]:
        if (
            row["symbol"] == action.symbol
            and row["positionSide"] == action.position_side
            and row["status"] in _OPEN
            and row["type"] == "LIMIT"
            and not row["reduceOnly"]
            and row["origin"] == _HAND
            and (abs(Decimal(row["price"]) / price - 1) < _NEAR) == near
        ):
            return {"do": "cancel", "symbol": action.symbol, "orderId": row["orderId"]}
    return None


def _stop_cancel(action: HumanAction, truth: Mapping[str, Any]) -> dict[str, Any] | None:
    """Cancels a resting stop that is not the owner's, which is what a manager has to notice and repair."""
    for row in truth["algo_orders"]:
        if (
            row["symbol"] == action.symbol
            and row["positionSide"] == action.position_side
            and row["algoStatus"] == "NEW"
            and row["orderType"] in _STOPS
            and row["origin"] != _HAND
        ):
            return {"do": "cancel_algo", "symbol": action.symbol, "algoId": row["algoId"]}
    return None


def _between(dice: Random, seconds: tuple[int, int]) -> int:
    """A duration in ns, to the millisecond."""
    return dice.randrange(seconds[0] * 1000, seconds[1] * 1000) * 1_000_000


def _money(dice: Random, span: tuple[int, int]) -> Decimal:
    return Decimal(dice.randrange(*span))


def _happens(dice: Random, per_cent: int) -> bool:
    return dice.randrange(100) < per_cent
