"""User data events of Spot (`binance-spot.md` section 7), without `E`, which `SpotWorld.emit` adds."""

from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator.numbers import ZERO, Stamp, money
from backstay.simulator.spot.orders import OrderList, SpotOrder
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]


class Execution(msgspec.Struct, frozen=True):
    """The trade that an executionReport tells of."""

    trade_id: int
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool


class Stopped(msgspec.Struct, frozen=True):
    """The prevented match that an executionReport tells of."""

    match_id: int
    qty: Decimal
    other: SpotOrder
    price: Decimal
    executed: Decimal = ZERO


def execution_report(
    world: SpotWorld,
    order: SpotOrder,
    kind: str,
    *,
    trade: Execution | None = None,
    stopped: Stopped | None = None,
    new_id: str | None = None,
    original: str = "",
    reject: str = "NONE",
) -> Json:
    """One executionReport. `new_id` is the id of the cancel or amendment; the order's own goes to `C`."""
    report: Json = {
        "e": "executionReport",
        "s": order.symbol,
        "c": order.client_id if new_id is None else new_id,
        "S": order.side,
        "o": order.type,
        "f": order.tif,
        "q": money(order.qty),
        "p": money(order.price),
        "P": money(order.stop_price),
        "F": money(order.iceberg),
        "g": order.list_id,
        "C": original,
        "x": kind,
        "X": order.status,
        "r": reject,
        "i": order.id,
        "l": money(trade.qty if trade else ZERO),
        "z": money(order.executed),
        "L": money(trade.price if trade else ZERO),
        "n": money(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": world.stamp,
        "t": trade.trade_id if trade else -1,
        "I": world.execution_id(),
        "w": order.resting,
        "m": trade.maker if trade else False,
        "M": False,
        "O": Stamp(order.time),
        "Z": money(order.cum_quote),
        "Y": money(trade.price * trade.qty if trade else ZERO),
        "Q": money(order.quote_qty),
    }
    if order.working_at and kind != "CANCELED":
        report["W"] = Stamp(order.working_at)
    return report | {"V": order.stp} | _conditional(order, stopped)


def _conditional(order: SpotOrder, stopped: Stopped | None) -> Json:
    """The members that only some reports carry."""
    report: Json = {}
    if order.trailing:
        report["d"] = order.trailing
        if order.trailing_at:
            report["D"] = Stamp(order.trailing_at)
    if order.strategy_id is not None:
        report["j"] = order.strategy_id
    if order.strategy_type is not None:
        report["J"] = order.strategy_type
    if stopped is not None:
        report |= {
            "v": stopped.match_id,
            "A": money(order.prevented),
            "B": money(stopped.qty),
            "u": 1,
            "U": stopped.other.id,
            "Cs": order.symbol,
            "pl": money(stopped.qty),
            "pL": money(stopped.price),
            "pY": money(stopped.price * stopped.qty),
        }
    if order.reason != "NONE":
        report["eR"] = order.reason
    return report


def list_status(world: SpotWorld, group: OrderList, kind: str, state: str, reject: str = "NONE") -> Json:
    """`kind`: EXEC_STARTED, UPDATED, ALL_DONE; `state`: EXECUTING, ALL_DONE, REJECT."""
    return {
        "e": "listStatus",
        "s": group.symbol,
        "g": group.id,
        "c": group.kind,
        "l": kind,
        "L": state,
        "r": reject,
        "C": group.client_id,
        "T": world.stamp,
        "O": [{"s": leg.symbol, "i": leg.id, "c": leg.client_id} for leg in group.legs],
    }


def balance_update(world: SpotWorld, asset: str, change: Decimal) -> Json:
    return {"e": "balanceUpdate", "a": asset, "d": money(change), "T": world.stamp}


def external_lock(world: SpotWorld, asset: str, change: Decimal) -> Json:
    return {"e": "externalLockUpdate", "a": asset, "d": money(change), "T": world.stamp}
