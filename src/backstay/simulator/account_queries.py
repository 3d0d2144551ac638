"""Queries of positions, balances and account settings: the v2 and v3 shapes (`binance-usdm.md` section 8)."""

import copy
from decimal import Decimal
from typing import Any

from backstay.simulator import margin
from backstay.simulator import requests as rq
from backstay.simulator.accounts import Account, Position
from backstay.simulator.numbers import ZERO, entry_text, money, plain
from backstay.simulator.world import World

Json = dict[str, Any]
_ALIAS = "SgsRoCuXqSfWfW"


def as_seen(world: World, account: Account) -> Account:
    """The account as queries see it now: itself, or a copy with earlier positions and balances."""
    positions_at, balances_at = world.lag("positions"), world.lag("balances")
    if positions_at is None and balances_at is None:
        return account
    twin = copy.copy(account)
    if positions_at is not None:
        seen = ((key, row.seen(positions_at)) for key, row in account.positions.items())
        twin.positions = {key: row for key, row in seen if row is not None}
    if balances_at is not None:
        twin.wallets = dict(account.wallets_seen(balances_at))
    return twin


def _rows(world: World, account: Account, symbol: str, *, every: bool) -> list[Position]:
    """The position rows of a symbol: all of the mode's, or only those that hold something or have orders."""
    sides = ("LONG", "SHORT") if account.hedge else ("BOTH",)
    if every:
        return [account.position(symbol, side) for side in sides]
    busy = {o.position_side for o in world.orders.open_of(account.name, symbol)}
    rows = [account.positions.get((symbol, side)) for side in sides]
    out = [p for p in rows if p is not None and p.amount]
    held = {p.side for p in out}
    return out + [account.position(symbol, side) for side in sides if side in busy - held]


def adl_quantile(world: World, account: Account, position: Position) -> int:
    """(model) 0 without profit, 1 to 4 by profit relative to the position's margin."""
    if not position.amount:
        return 0
    figures = margin.of_position(world, account, position)
    if figures.unrealised <= 0:
        return 1
    share = figures.unrealised / figures.initial if figures.initial else ZERO
    return 2 if share < Decimal("0.5") else 3 if share < 2 else 4


def _order_notional(world: World, account: Account, row: Position) -> tuple[Decimal, Decimal]:
    orders = world.orders.open_of(account.name, row.symbol)
    return margin.open_notional(orders, account.hedge, row.side)


def _position_v3(world: World, account: Account, row: Position) -> Json:
    spec = world.specs[row.symbol]
    figures = margin.of_position(world, account, row)
    held, worst = margin.exposure(world, account, row.symbol, row.side)
    open_initial = (worst - held) / figures.leverage
    bid, ask = _order_notional(world, account, row)
    isolated = figures.isolated and row.amount
    return {
        "symbol": row.symbol,
        "positionSide": row.side,
        "positionAmt": spec.qty_text(row.amount),
        "entryPrice": entry_text(row.entry),
        "breakEvenPrice": entry_text(row.break_even.quantize(Decimal("0.00000001"))),
        "markPrice": money(world.markets[row.symbol].mark),
        "unRealizedProfit": money(figures.unrealised),
        "liquidationPrice": _liquidation(world, account, row),
        "isolatedMargin": money(row.iso_wallet + figures.unrealised) if isolated else "0",
        "notional": money(figures.notional) if row.amount else "0",
        "marginAsset": spec.margin_asset,
        "isolatedWallet": money(row.iso_wallet) if isolated else "0",
        "initialMargin": money(figures.initial + open_initial),
        "maintMargin": money(figures.maintenance),
        "positionInitialMargin": money(figures.initial),
        "openOrderInitialMargin": money(open_initial),
        "adl": adl_quantile(world, account, row),
        "bidNotional": plain(bid),
        "askNotional": plain(ask),
        "updateTime": row.update_time,
    }


def _liquidation(world: World, account: Account, row: Position) -> str:
    price = margin.liquidation_of(world, account, row)
    return money(price) if price > 0 else "0"


def position_risk_v3(world: World, account: Account, params: rq.Params) -> list[Json]:
    """Only symbols with a position or an open order; no leverage and no margin type."""
    account = as_seen(world, account)
    spec = rq.optional_symbol(world, params)
    names = [spec.symbol] if spec else list(world.specs)
    return [
        _position_v3(world, account, row)
        for name in names
        for row in _rows(world, account, name, every=False)
    ]


def position_risk_v2(world: World, account: Account, params: rq.Params) -> list[Json]:
    """Every symbol, with leverage, lower-case margin type and maxNotionalValue."""
    account = as_seen(world, account)
    spec = rq.optional_symbol(world, params)
    out: list[Json] = []
    for name in [spec.symbol] if spec else list(world.specs):
        setup = account.setup(name)
        for row in _rows(world, account, name, every=True):
            full = _position_v3(world, account, row)
            out.append(
                {
                    "symbol": name,
                    "positionAmt": full["positionAmt"],
                    "entryPrice": full["entryPrice"],
                    "breakEvenPrice": full["breakEvenPrice"],
                    "markPrice": full["markPrice"],
                    "unRealizedProfit": full["unRealizedProfit"],
                    "liquidationPrice": full["liquidationPrice"],
                    "leverage": str(setup.leverage),
                    "maxNotionalValue": plain(world.specs[name].cap_at(setup.leverage)),
                    "marginType": "isolated" if setup.isolated else "cross",
                    "isolatedMargin": money(Decimal(full["isolatedMargin"])),
                    "isAutoAddMargin": "false",
                    "positionSide": row.side,
                    "notional": full["notional"],
                    "isolatedWallet": full["isolatedWallet"],
                    "updateTime": row.update_time,
                    "isolated": setup.isolated,
                    "adlQuantile": full["adl"],
                }
            )
    return out


def _assets(world: World, account: Account) -> list[tuple[str, margin.AssetMargin]]:
    named = dict.fromkeys([*account.wallets, *(s.margin_asset for s in world.specs.values())])
    return [(asset, margin.of_asset(world, account, asset)) for asset in named]


def _asset_row(world: World, account: Account, asset: str, row: margin.AssetMargin) -> Json:
    return {
        "asset": asset,
        "walletBalance": money(row.wallet),
        "unrealizedProfit": money(row.unrealised),
        "marginBalance": money(row.wallet + row.unrealised),
        "maintMargin": money(row.maintenance),
        "initialMargin": money(row.position_initial + row.order_initial),
        "positionInitialMargin": money(row.position_initial),
        "openOrderInitialMargin": money(row.order_initial),
        "crossWalletBalance": money(row.cross_wallet),
        "crossUnPnl": money(row.cross_unrealised),
        "availableBalance": money(row.available),
        "maxWithdrawAmount": money(min(row.available, max(ZERO, row.cross_wallet))),
        "updateTime": account.update_time,
    }


def _totals(rows: list[margin.AssetMargin]) -> Json:
    """The account's totals, all assets at par (stable coins)."""

    def total(field: str) -> Decimal:
        return sum((getattr(row, field) for row in rows), ZERO)

    wallet, pnl = total("wallet"), total("unrealised")
    position, order = total("position_initial"), total("order_initial")
    return {
        "totalInitialMargin": money(position + order),
        "totalMaintMargin": money(total("maintenance")),
        "totalWalletBalance": money(wallet),
        "totalUnrealizedProfit": money(pnl),
        "totalMarginBalance": money(wallet + pnl),
        "totalPositionInitialMargin": money(position),
        "totalOpenOrderInitialMargin": money(order),
        "totalCrossWalletBalance": money(total("cross_wallet")),
        "totalCrossUnPnl": money(total("cross_unrealised")),
        "availableBalance": money(total("available")),
        "maxWithdrawAmount": money(sum((min(r.available, max(ZERO, r.cross_wallet)) for r in rows), ZERO)),
    }


def account_v3(world: World, account: Account, params: rq.Params) -> Json:
    """Totals, assets, and the positions that hold something or have orders."""
    account = as_seen(world, account)
    assets = _assets(world, account)
    positions = []
    for name in world.specs:
        for row in _rows(world, account, name, every=False):
            full = _position_v3(world, account, row)
            positions.append(
                {
                    "symbol": name,
                    "positionSide": row.side,
                    "positionAmt": full["positionAmt"],
                    "unrealizedProfit": full["unRealizedProfit"],
                    "isolatedMargin": full["isolatedMargin"],
                    "notional": full["notional"],
                    "isolatedWallet": full["isolatedWallet"],
                    "initialMargin": full["initialMargin"],
                    "maintMargin": full["maintMargin"],
                    "updateTime": row.update_time,
                }
            )
    return {
        **_totals([row for _, row in assets]),
        "assets": [_asset_row(world, account, name, row) for name, row in assets],
        "positions": positions,
    }


def account_v2(world: World, account: Account, params: rq.Params) -> Json:
    """The older shape: settings on top, one position row per listed symbol."""
    account = as_seen(world, account)
    assets = _assets(world, account)
    positions = []
    for name, spec in world.specs.items():
        setup = account.setup(name)
        for row in _rows(world, account, name, every=True):
            full = _position_v3(world, account, row)
            positions.append(
                {
                    "symbol": name,
                    "initialMargin": full["initialMargin"],
                    "maintMargin": full["maintMargin"],
                    "unrealizedProfit": full["unRealizedProfit"],
                    "positionInitialMargin": full["positionInitialMargin"],
                    "openOrderInitialMargin": full["openOrderInitialMargin"],
                    "leverage": str(setup.leverage),
                    "isolated": setup.isolated,
                    "entryPrice": full["entryPrice"],
                    "breakEvenPrice": full["breakEvenPrice"],
                    "maxNotional": plain(spec.cap_at(setup.leverage)),
                    "bidNotional": full["bidNotional"],
                    "askNotional": full["askNotional"],
                    "positionSide": row.side,
                    "positionAmt": full["positionAmt"],
                    "isolatedWallet": full["isolatedWallet"],
                    "notional": full["notional"],
                    "updateTime": row.update_time,
                }
            )
    rows = [_asset_row(world, account, name, row) | {"marginAvailable": True} for name, row in assets]
    return {
        "feeTier": 0,
        "feeBurn": account.fee_burn,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": account.update_time,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
        **_totals([row for _, row in assets]),
        "assets": rows,
        "positions": positions,
    }


def balance(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET balance, v2 and v3 alike."""
    account = as_seen(world, account)
    return [
        {
            "accountAlias": _ALIAS,
            "asset": name,
            "balance": money(row.wallet),
            "crossWalletBalance": money(row.cross_wallet),
            "crossUnPnl": money(row.cross_unrealised),
            "availableBalance": money(row.available),
            "maxWithdrawAmount": money(min(row.available, max(ZERO, row.cross_wallet))),
            "marginAvailable": True,
            "updateTime": account.update_time,
        }
        for name, row in _assets(world, account)
    ]


def account_config(world: World, account: Account, params: rq.Params) -> Json:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.hedge,
        "updateTime": account.update_time,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }


def symbol_config(world: World, account: Account, params: rq.Params) -> list[Json]:
    spec = rq.optional_symbol(world, params)
    return [
        {
            "symbol": s.symbol,
            "marginType": "ISOLATED" if account.setup(s.symbol).isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": account.setup(s.symbol).leverage,
            "maxNotionalValue": plain(s.cap_at(account.setup(s.symbol).leverage)),
        }
        for s in ([spec] if spec else world.specs.values())
    ]


def commission_rate(world: World, account: Account, params: rq.Params) -> Json:
    spec = rq.symbol(world, params)
    return {
        "symbol": spec.symbol,
        "makerCommissionRate": format(world.settings.maker_rate, "f"),
        "takerCommissionRate": format(world.settings.taker_rate, "f"),
        "rpiCommissionRate": format(world.settings.maker_rate, "f"),
    }


def leverage_bracket(world: World, account: Account, params: rq.Params) -> list[Json] | Json:
    """One object per symbol; with a symbol a list of one, or (by setting) the object itself."""
    spec = rq.optional_symbol(world, params)
    rows: list[Json] = [
        {
            "symbol": s.symbol,
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": b.number,
                    "initialLeverage": b.leverage,
                    "notionalCap": int(b.cap),
                    "notionalFloor": int(b.floor),
                    "maintMarginRatio": float(b.rate),
                    "cum": float(b.cum),
                }
                for b in s.brackets
            ],
        }
        for s in ([spec] if spec else world.specs.values())
    ]
    return rows[0] if spec and world.settings.bracket_single_object else rows


def adl(world: World, account: Account, params: rq.Params) -> list[Json] | Json:
    """GET adlQuantile."""
    spec = rq.optional_symbol(world, params)
    out = []
    for s in [spec] if spec else world.specs.values():
        held = account.held_in(s.symbol)
        if not held and spec is None:
            continue
        ranks = {p.side: adl_quantile(world, account, p) for p in held}
        sides = ("LONG", "SHORT") if account.hedge else ("LONG", "SHORT", "BOTH")
        row = {side: ranks.get(side, 0) for side in sides}
        if account.hedge:
            row["HEDGE"] = 1 if len(held) == 2 else 0
        out.append({"symbol": s.symbol, "adlQuantile": row})
    return out[0] if spec else out


def order_limits(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET rateLimit/order: limits without counts."""
    return [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    ]


def position_mode(world: World, account: Account, params: rq.Params) -> Json:
    return {"dualSidePosition": account.hedge}


def multi_assets(world: World, account: Account, params: rq.Params) -> Json:
    return {"multiAssetsMargin": account.multi_assets}


def fee_burn(world: World, account: Account, params: rq.Params) -> Json:
    return {"feeBurn": account.fee_burn}
