"""What people do to a spot account during a run: its owner by hand, and the operator of the guard."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any

from backstay.simulation.acts import Act
from backstay.simulation.spot_scene import SpotOrder, SpotScene
from backstay.simulation.spot_setup import BNB, SPECS, SpotSetup

D = Decimal
LOT_COMMANDS = frozenset({"close_lot", "forget_lot"})
COMMANDS = frozenset({"pause", "resume", "ack"})


def draw_spot_acts(seed: int, name: str, setup: SpotSetup) -> tuple[Act, ...]:
    """The people of a seed."""
    acts: list[Act] = []
    for symbol in setup.symbols:
        acts.extend(_stories(Random(f"{seed}/acts/{symbol}/{name}"), symbol, setup))
    dice = Random(f"{seed}/operator/{name}")
    for _ in range(dice.randrange(3)):
        at = dice.randrange(setup.duration_ms)
        do = dice.choice(("ack", "pause", "burn", "no_burn", "bnb_out", "bnb_in"))
        acts.append(Act(at_ms=at, do=do, symbol=setup.symbols[0]))
        if do == "pause":
            acts.append(Act(at_ms=at + dice.randrange(2_000, 20_000), do="resume", symbol=setup.symbols[0]))
    return tuple(sorted(acts, key=lambda a: (a.at_ms, a.symbol, a.do)))


_DOINGS = {
    "buy_in_parts": 9,
    "buy": 4,
    "buy_below": 4,
    "move": 12,
    "cancel_sell": 2,
    "sell_free": 1,
    "sell_by_hand": 1,
    "sell_above": 1,
    "oco": 1,
    "cancel_own": 2,
    "deposit": 1,
    "withdraw": 1,
    "deposit_quote": 1,
    "lock": 1,
    "impostor": 1,
    "close_lot": 1,
    "forget_lot": 1,
    "ack": 1,
}


_GUARD_DOINGS = {
    "buy_in_parts": 6,
    "buy": 5,
    "buy_below": 3,
    "move": 14,
    "cancel_sell": 2,
    "sell_part": 4,
    "sell_free": 1,
    "sell_above": 1,
    "oco": 1,
    "cancel_own": 2,
    "deposit": 1,
    "withdraw": 1,
    "deposit_quote": 1,
    "impostor": 1,
    "close_scope": 1,
    "ack": 1,
}
"""Who has the whole holding guarded sells parts of it after taking back what locks it."""


def _stories(dice: Random, symbol: str, setup: SpotSetup) -> Iterator[Act]:
    at = dice.randrange(500, 5_000)
    pace = max(setup.duration_ms // 40, 1_500)
    while at < setup.duration_ms - 2_000:
        doings = _GUARD_DOINGS if setup.guards else _DOINGS
        do = dice.choices(tuple(doings), tuple(doings.values()))[0]
        amount = D(dice.randrange(3, 260))
        if do == "move":
            amount = D(dice.choice((-150, -80, -40, 30, 60, 90, 140, 220)))
        elif do in {"sell_free", "withdraw", "lock", "sell_part"}:
            amount = D(dice.choice(("0.2", "0.5", "1")))
        yield Act(at_ms=at, do=do, symbol=symbol, leg=str(dice.randrange(1_000_000)), amount=amount)
        at += dice.randrange(pace // 8, pace * 2)


def spot_body_of(act: Act, scene: SpotScene, price: Decimal) -> dict[str, Any] | None:
    """The control side's body that does `act` now; None where there is nothing to do it to."""
    dice, symbol, spec = Random(act.leg), act.symbol, SPECS[act.symbol]
    free = scene.balances.get(spec.base, (D(0), D(0)))[0]
    order: dict[str, Any] = {"do": "order", "symbol": symbol}
    match act.do:
        case "buy_in_parts":
            worths = [D(dice.randrange(2, 160)) for _ in range(dice.randrange(1, 8))]
            parts = ",".join(f"{_size(symbol, worth, price):f}" for worth in worths)
            return {"do": "in_parts", "symbol": symbol, "parts": parts}
        case "buy":
            size = _size(symbol, act.amount, price)
            return {**order, "side": "BUY", "type": "MARKET", "quantity": f"{size:f}"}
        case "buy_below" | "impostor":
            away = price * (1 - D(dice.randrange(5, 120)) / 10_000)
            size = _size(symbol, max(act.amount, D(20)), price)
            mine = (
                {"newClientOrderId": f"bs-{'impostor' + str(act.at_ms):a>26}"} if act.do == "impostor" else {}
            )
            return {**order, "side": "BUY", "quantity": f"{size:f}", **_limit(symbol, away), **mine}
        case "sell_above":
            size = _floor(free / 2, spec.step)
            return {**order, "side": "SELL", "quantity": f"{size:f}", **_limit(symbol, price * D("1.02"))}
        case "oco":
            size = _floor(free / 2, spec.step)
            above, below = _limit(symbol, price * D("1.03")), _limit(symbol, price * D("0.95"))
            return {
                "do": "oco",
                "symbol": symbol,
                "side": "SELL",
                "quantity": f"{size:f}",
                "aboveType": "LIMIT_MAKER",
                "abovePrice": above["price"],
                "belowType": "STOP_LOSS",
                "belowStopPrice": below["price"],
            }
        case "sell_free" | "sell_part":
            return {"do": "close", "symbol": symbol, "share": f"{act.amount}"}
        case "sell_by_hand":
            return _sold_by_hand(scene, order, dice)
        case "cancel_sell" | "cancel_own":
            found = _some(scene, symbol, dice, ours=act.do == "cancel_sell")
            return (
                None if found is None else {"do": "cancel", "symbol": symbol, "orderId": str(found.order_id)}
            )
        case "deposit" | "withdraw" | "lock":
            share = free * act.amount if act.do != "deposit" else act.amount / price
            return {"do": act.do, "asset": spec.base, "amount": f"{_floor(share, spec.step):f}"}
        case _:
            return _money(act, spec.quote, scene)


def _money(act: Act, quote: str, scene: SpotScene) -> dict[str, Any] | None:
    """Transfers of money, and what commissions are paid with."""
    match act.do:
        case "deposit_quote":
            return {"do": "deposit", "asset": quote, "amount": "250"}
        case "burn" | "no_burn":
            return {"do": "bnb_burn", "on": act.do == "burn"}
        case "bnb_in":
            return {"do": "deposit", "asset": "BNB", "amount": "0.01"}
        case "bnb_out":
            there = scene.balances.get("BNB", (D(0), D(0)))[0]
            return {"do": "withdraw", "asset": "BNB", "amount": f"{there * D('0.99'):.8f}"}
    raise ValueError(f"{act.do} is not an act")


def _sold_by_hand(scene: SpotScene, order: dict[str, Any], dice: Random) -> dict[str, Any] | None:
    """What the owner took back from us, sold at market: the very quantity of a cancelled SELL."""
    sizes = sorted(q for s, q in scene.cancelled if s == order["symbol"])
    if not sizes:
        return None
    return {**order, "side": "SELL", "type": "MARKET", "quantity": f"{dice.choice(sizes):f}"}


def _some(scene: SpotScene, symbol: str, dice: Random, *, ours: bool) -> SpotOrder | None:
    found = list(scene.resting(symbol, ours=ours))
    return dice.choice(found) if found else None


def _floor(amount: Decimal, step: Decimal) -> Decimal:
    return (amount / step).to_integral_value(ROUND_DOWN) * step


def _size(symbol: str, worth: Decimal, price: Decimal) -> Decimal:
    step = SPECS[symbol].step
    return max(_floor(worth / price, step), step)


def _limit(symbol: str, price: Decimal) -> dict[str, Any]:
    # Ten ticks: still on the grid when a fault has made it coarser.
    tick = SPECS[symbol].tick * 10
    return {"type": "LIMIT", "timeInForce": "GTC", "price": f"{_floor(price, tick):f}"}


def first_prices(symbols: tuple[str, ...]) -> dict[str, Decimal]:
    """Where the markets begin."""
    return {name: SPECS[name].price for name in (*symbols, BNB)}
