"""What people do during a run: the owner of the account by hand, and the operator of the guard."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any

import msgspec

from backstay.simulation.market import PRICES, TICKS
from backstay.simulation.scene import Scene
from backstay.simulation.setup import Setup, scenario

D = Decimal
STEPS = {"BTCUSDT": D("0.001"), "ETHUSDT": D("0.001"), "SOLUSDT": D("0.01")}
OPERATOR = frozenset({"kill", "close_scope", "pause", "resume"})


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person does, or the market, `at_ms` after the beginning."""

    at_ms: int
    do: str
    symbol: str
    leg: str = "LONG"
    amount: Decimal = D(0)
    """Quote value, share, or basis points of a price move: whatever `do` needs."""
    product: str = "usdm"
    """Where there are two: whose people these are."""


def draw_acts(seed: int, name: str, setup: Setup) -> tuple[Act, ...]:
    """The people of a seed."""
    what = scenario(name)
    acts: list[Act] = []
    for symbol in setup.symbols:
        for leg in ("LONG", "SHORT") if setup.hedge else ("",):
            dice = Random(f"{seed}/acts/{symbol}/{leg}")
            if leg == "SHORT" and dice.randrange(3) == 0:
                continue
            acts.extend(_stories(dice, symbol, leg, setup))
    dice = Random(f"{seed}/operator/{name}")
    if dice.randrange(100) < what.kill_switch:
        at = dice.randrange(setup.duration_ms // 3, setup.duration_ms)
        acts.append(Act(at_ms=at, do="kill", symbol=setup.symbols[0]))
    elif dice.randrange(8) == 0:
        at = dice.randrange(setup.duration_ms)
        acts.append(Act(at_ms=at, do="pause", symbol=setup.symbols[0]))
        acts.append(Act(at_ms=at + dice.randrange(2_000, 20_000), do="resume", symbol=setup.symbols[0]))
    return tuple(sorted(acts, key=lambda a: (a.at_ms, a.symbol)))


def _stories(dice: Random, symbol: str, leg: str, setup: Setup) -> Iterator[Act]:
    """Positions of one leg, one after the other."""
    at = dice.randrange(200, 6_000)
    while at < setup.duration_ms - 2_000:
        side = leg or dice.choice(("LONG", "SHORT"))

        def act(when: int, do: str, amount: Any = 0, side: str = side) -> Act:
            return Act(at_ms=when, do=do, symbol=symbol, leg=side, amount=D(str(amount)))

        yield act(at, "open", dice.choice((150, 600, 1500, 3000)))
        life = dice.randrange(8_000, 60_000)
        for _ in range(dice.randrange(0, 5)):
            when = at + dice.randrange(30, life)
            do = dice.choices(tuple(_MIDWAY), tuple(_MIDWAY.values()))[0]
            amount: Any = 0
            if do in {"add", "flip", "rest", "impostor", "manual_take"}:
                amount = dice.choice((120, 500, 1400))
            elif do == "reduce":
                amount = dice.choice(("0.25", "0.5", "0.8"))
            elif do == "move":
                amount = dice.choice((-120, -60, -30, -15, 15, 30, 60, 120))
            elif do == "leverage":
                amount = dice.choice((5, 10, 25))
            yield act(when, do, amount)
        if dice.randrange(3):
            yield act(at + life, "close")
        at += life + dice.randrange(1_000, 15_000)


_MIDWAY = {
    "add": 5,
    "reduce": 4,
    "move": 9,
    "flip": 1,
    "cancel_stop": 3,
    "cancel_take": 2,
    "rest": 2,
    "manual_stop": 1,
    "manual_take": 1,
    "impostor": 1,
    "cancel_manual": 2,
    "leverage": 1,
    "deposit": 1,
    "close_scope": 1,
}


def body_of(act: Act, scene: Scene, price: Decimal, *, hedge: bool) -> dict[str, Any] | None:
    """The control side's body that does `act` now; None where there is nothing to do it to."""
    symbol, side = act.symbol, act.leg if hedge else "BOTH"
    key = (symbol, side)
    amount = scene.amount(key)
    held = "LONG" if amount > 0 else "SHORT" if amount < 0 else ""
    base = {"symbol": symbol, "positionSide": side}
    long = act.leg == "LONG"
    match act.do:
        case "open":
            return None if held else _market(base, long, act.amount, price)
        case "add":
            return _market(base, amount > 0, act.amount, price) if held else None
        case "reduce" | "close":
            share = {"share": str(act.amount)} if act.do == "reduce" else {}
            return {"do": "close", **base, **share} if held else None
        case "flip":
            worth = abs(amount) * price * 2
            return _market(base, amount < 0, worth + act.amount, price) if held and not hedge else None
        case "rest" | "impostor":
            buys = long if hedge else act.amount > 400
            away = price * (D("0.94") if buys else D("1.06"))
            mine = (
                {"newClientOrderId": f"bs-{'impostor' + str(act.at_ms):a>26}"} if act.do == "impostor" else {}
            )
            return {**_market(base, buys, act.amount, price), **_limit(symbol, away), **mine}
        case "manual_take":
            if not held:
                return None
            away = price * (D("1.03") if amount > 0 else D("0.97"))
            reduce = {} if hedge else {"reduceOnly": "true"}
            exact = {"quantity": f"{abs(amount):f}"}
            return {**_market(base, amount < 0, D(0), price), **_limit(symbol, away), **reduce, **exact}
        case "manual_stop":
            return _manual_stop(base, amount, price) if held else None
        case "cancel_stop" | "cancel_take" | "cancel_manual":
            return _cancel(act.do, scene, key)
        case "leverage":
            return {"do": "leverage", "symbol": symbol, "leverage": int(act.amount)}
        case "deposit":
            return {"do": "deposit", "asset": "USDT", "amount": "50"}
    raise ValueError(f"{act.do} is not an act")


def _market(base: dict[str, Any], buys: bool, worth: Decimal, price: Decimal) -> dict[str, Any]:
    step = STEPS[base["symbol"]]
    quantity = max((worth / price / step).to_integral_value(ROUND_DOWN), D(1)) * step
    return {
        "do": "order",
        **base,
        "side": "BUY" if buys else "SELL",
        "type": "MARKET",
        "quantity": f"{quantity:f}",
    }


def _limit(symbol: str, price: Decimal) -> dict[str, Any]:
    # Ten ticks: still on the grid when a fault has made it coarser.
    tick = TICKS[symbol] * 10
    return {"type": "LIMIT", "timeInForce": "GTC", "price": f"{(price // tick) * tick:f}"}


def _manual_stop(base: dict[str, Any], amount: Decimal, price: Decimal) -> dict[str, Any]:
    tick = TICKS[base["symbol"]] * 10
    trigger = price * (D("0.9") if amount > 0 else D("1.1"))
    return {
        "do": "algo",
        **base,
        "side": "SELL" if amount > 0 else "BUY",
        "type": "STOP_MARKET",
        "triggerPrice": f"{(trigger // tick) * tick:f}",
        "closePosition": "true",
    }


def _cancel(do: str, scene: Scene, key: tuple[str, str]) -> dict[str, Any] | None:
    for order in scene.resting(key, ours=do != "cancel_manual"):
        if order.status == "TRIGGERING" or (order.is_stop != (do == "cancel_stop") and do != "cancel_manual"):
            continue
        if order.surface == "algo":
            return {"do": "cancel_algo", "symbol": key[0], "algoId": order.venue_id}
        return {"do": "cancel", "symbol": key[0], "orderId": order.venue_id}
    return None


def first_price(symbol: str) -> Decimal:
    """Where a symbol's market begins."""
    return PRICES[symbol]
