"""Private frames, as on the user stream (`binance-usdm.md` section 4); `World.emit` puts them out."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator.accounts import Account, Position
from backstay.simulator.algo_orders import AlgoOrder
from backstay.simulator.margin import open_notional
from backstay.simulator.numbers import ZERO, entry_text, fixed, money, plain
from backstay.simulator.orders import Order
from backstay.simulator.world import World

Frame = dict[str, Any]


class Execution(msgspec.Struct, frozen=True):
    """What one trade did, for its frames."""

    trade_id: int
    price: Decimal
    qty: Decimal
    maker: bool
    fee: Decimal
    fee_asset: str
    realised: Decimal


def average_text(world: World, order: Order) -> str:
    """Average price with at least the symbol's decimals; "0.00" before the first fill."""
    decimals = world.specs[order.symbol].price_places
    short = plain(order.average.quantize(Decimal("0.00000001")))
    return fixed(order.average, decimals) if len(short.partition(".")[2]) <= decimals else short


def order_update(
    world: World, order: Order, execution_type: str, *, trade: Execution | None = None, reason: str = "0"
) -> Frame:
    """ORDER_TRADE_UPDATE. `reason` is `er`; `N`/`n` only with a commission; `M` on amendments."""
    spec = world.specs[order.symbol]
    account = world.accounts[order.account]
    resting = world.orders.open_of(order.account, order.symbol)
    bids, asks = open_notional(resting, account.hedge, order.position_side)
    body: Frame = {
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.tif,
        "q": spec.qty_text(order.qty),
        "p": spec.price_text(order.price),
        "ap": average_text(world, order) if order.executed else "0",
        "sp": plain(order.stop_price),
        "x": execution_type,
        "X": order.status,
        "i": order.id,
        "l": spec.qty_text(trade.qty) if trade else "0",
        "z": spec.qty_text(order.executed),
        "L": spec.price_text(trade.price) if trade else "0",
    }
    if trade is not None and trade.fee:
        body["n"] = money(trade.fee)
        body["N"] = trade.fee_asset
    body |= {
        "T": world.now_ms,
        "t": trade.trade_id if trade else 0,
        "b": plain(bids),
        "a": plain(asks),
        "m": trade.maker if trade else False,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": order.orig_type,
        "ps": order.position_side,
        "cp": order.close_position,
        "rp": plain(trade.realised) if trade else "0",
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "V": order.stp,
        "pm": order.price_match,
        "gtd": order.gtd,
        "er": reason,
    }
    if order.callback_rate is not None:
        body["AP"] = plain(order.activate_price or ZERO)
        body["cr"] = plain(order.callback_rate)
    if execution_type == "AMENDMENT" and order.modify_id:
        body["M"] = order.modify_id
    return {"e": "ORDER_TRADE_UPDATE", "T": world.now_ms, "o": body}


def trade_lite(world: World, order: Order, trade: Execution) -> Frame:
    spec = world.specs[order.symbol]
    return {
        "e": "TRADE_LITE",
        "T": world.now_ms,
        "s": order.symbol,
        "q": spec.qty_text(order.qty),
        "p": spec.price_text(order.price),
        "m": trade.maker,
        "c": order.client_id,
        "S": order.side,
        "L": spec.price_text(trade.price),
        "l": spec.qty_text(trade.qty),
        "t": trade.trade_id,
        "i": order.id,
    }


def position_row(world: World, account: Account, position: Position) -> Frame:
    """One row of ACCOUNT_UPDATE's P."""
    mark = world.markets[position.symbol].mark
    isolated = account.setup(position.symbol).isolated
    return {
        "s": position.symbol,
        "pa": plain(position.amount),
        "ep": entry_text(position.entry),
        "bep": plain(position.break_even.quantize(Decimal("0.00000001"))),
        "cr": plain(position.realised),
        "up": money(position.unrealised(mark)) if position.amount else "0",
        "mt": "isolated" if isolated else "cross",
        "iw": money(position.iso_wallet) if position.iso_wallet else "0",
        "ps": position.side,
        "ma": world.specs[position.symbol].margin_asset,
    }


def cross_wallet(world: World, account: Account, asset: str) -> Decimal:
    isolated = (
        p.iso_wallet
        for p in account.positions.values()
        if p.iso_wallet and world.specs[p.symbol].margin_asset == asset
    )
    return account.wallet(asset) - sum(isolated, ZERO)


def account_update(
    world: World,
    account: Account,
    reason: str,
    *,
    assets: Iterable[str] = (),
    positions: Iterable[Position] = (),
    change: Decimal = ZERO,
    symbol: str | None = None,
) -> Frame:
    """ACCOUNT_UPDATE with the touched assets and positions only; hedge mode adds each symbol's BOTH row."""
    rows: list[Frame] = []
    for position in positions:
        if account.hedge:
            rows.append(position_row(world, account, account.position(position.symbol, "BOTH")))
        rows.append(position_row(world, account, position))
    body: Frame = {
        "m": reason,
        "B": [
            {
                "a": asset,
                "wb": money(account.wallet(asset)),
                "cw": money(cross_wallet(world, account, asset)),
                "bc": plain(change),
            }
            for asset in assets
        ],
        "P": rows,
    }
    if symbol is not None:
        body["S"] = symbol
    return {"e": "ACCOUNT_UPDATE", "T": world.now_ms, "a": body}


def algo_update(world: World, algo: AlgoOrder) -> Frame:
    """ALGO_UPDATE; `ap`, `aq`, `act` only after the trigger, `rm` only with a reason, `ia` while waiting."""
    body: Frame = {
        "caid": algo.client_id,
        "aid": algo.id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": algo.symbol,
        "S": algo.side,
        "ps": algo.position_side,
        "f": algo.tif,
        "q": plain(algo.qty),
        "X": algo.status,
        "ai": "" if algo.actual_id is None else str(algo.actual_id),
    }
    if algo.actual_id is not None:
        body |= {"ap": plain(algo.actual_avg), "aq": plain(algo.actual_qty), "act": algo.actual_type}
    body |= {
        "tp": plain(algo.trigger),
        "p": plain(algo.price),
        "V": algo.stp,
        "wt": algo.working_type,
        "pm": algo.price_match,
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.trigger_time,
        "gtd": algo.gtd,
    }
    if algo.callback_rate is not None:
        body |= {"AP": plain(algo.activate_price or ZERO), "cr": plain(algo.callback_rate)}
    if algo.reason:
        body["rm"] = algo.reason
    if algo.actual_id is None:
        body["ia"] = algo.activated
    return {"e": "ALGO_UPDATE", "T": world.now_ms, "o": body}


def leverage_update(world: World, symbol: str, leverage: int) -> Frame:
    return {"e": "ACCOUNT_CONFIG_UPDATE", "T": world.now_ms, "ac": {"s": symbol, "l": leverage}}


def multi_assets_update(world: World, on: bool) -> Frame:
    return {"e": "ACCOUNT_CONFIG_UPDATE", "T": world.now_ms, "ai": {"j": on}}


def margin_call(
    world: World, account: Account, cross: Decimal, rows: list[tuple[Position, Decimal]]
) -> Frame:
    """MARGIN_CALL: advice only. `rows` are (position, maintenance margin)."""
    out = []
    for position, maintenance in rows:
        mark = world.markets[position.symbol].mark
        isolated = account.setup(position.symbol).isolated
        out.append(
            {
                "s": position.symbol,
                "ps": position.side,
                "pa": plain(position.amount),
                "mt": "ISOLATED" if isolated else "CROSSED",
                "iw": plain(position.iso_wallet),
                "mp": plain(mark),
                "up": money(position.unrealised(mark)),
                "mm": money(maintenance),
            }
        )
    return {"e": "MARGIN_CALL", "cw": money(cross), "p": out}
