"""Calls that change how an account trades: leverage, margin type, modes, isolated margin (section 9)."""

from decimal import Decimal
from typing import Any

from backstay.simulator import events, execution, margin
from backstay.simulator import requests as rq
from backstay.simulator.accounts import Account
from backstay.simulator.errors import Refusal, refusal
from backstay.simulator.numbers import ZERO, cents, plain
from backstay.simulator.world import World

Json = dict[str, Any]
_SUCCESS = {"code": 200, "msg": "success"}


def any_open(world: World, account: Account, symbol: str | None = None) -> bool:
    """Whether a regular or a conditional order is open."""
    regular = next(iter(world.orders.open_of(account.name, symbol)), None)
    return regular is not None or next(iter(world.algos.open_of(account.name, symbol)), None) is not None


def leverage(world: World, account: Account, params: rq.Params) -> Json:
    """POST leverage. -4028 invalid, -4161 lowered under an isolated position, -2027, -2028 does not fit."""
    spec = rq.symbol(world, params)
    wanted = rq.integer(params, "leverage")
    if wanted is None:
        raise refusal(-1102, "leverage")
    if not 1 <= wanted <= spec.max_leverage:
        raise refusal(-4028, wanted)
    setup = account.setup(spec.symbol)
    cap = spec.cap_at(wanted)
    held = account.held_in(spec.symbol)
    if setup.isolated and held and wanted < setup.leverage:
        raise refusal(-4161)
    sides = ("LONG", "SHORT") if account.hedge else ("BOTH",)
    worst = max(margin.exposure(world, account, spec.symbol, side)[1] for side in sides)
    if worst > cap:
        raise refusal(-2027)
    if wanted < setup.leverage and not setup.isolated:
        pot = margin.for_symbol(world, account, spec.symbol)
        figures = [margin.of_position(world, account, p) for p in held]
        more = sum((abs(f.notional) / wanted - f.initial for f in figures), ZERO)
        more += margin.order_margin(world, account, spec.symbol, leverage=wanted)
        more -= margin.order_margin(world, account, spec.symbol)
        if more > pot.available:
            raise refusal(-2028)
    if wanted != setup.leverage:
        setup.leverage = wanted
        account.safe.clear()
        world.emit(account.name, events.leverage_update(world, spec.symbol, wanted))
    return {"leverage": wanted, "maxNotionalValue": plain(cap), "symbol": spec.symbol}


def margin_type(world: World, account: Account, params: rq.Params) -> Json:
    """POST marginType. -4046 already so, -4168 in multi-assets mode, -4047 open orders, -4048 position."""
    spec = rq.symbol(world, params)
    wanted = rq.choice(params, "marginType", ("ISOLATED", "CROSSED"), -1130)
    isolated = wanted == "ISOLATED"
    setup = account.setup(spec.symbol)
    if setup.isolated == isolated:
        raise refusal(-4046)
    if isolated and account.multi_assets:
        raise refusal(-4168)
    if any_open(world, account, spec.symbol):
        raise refusal(-4047)
    if account.held_in(spec.symbol):
        raise refusal(-4048)
    setup.isolated = isolated
    sides = ("LONG", "SHORT") if account.hedge else ("BOTH",)
    rows = [account.position(spec.symbol, side) for side in sides]
    frame = events.account_update(
        world, account, "MARGIN_TYPE_CHANGE", assets=(spec.margin_asset,), positions=rows
    )
    world.emit(account.name, frame)
    return dict(_SUCCESS)


def position_mode(world: World, account: Account, params: rq.Params) -> Json:
    """POST positionSide/dual. -4059 already so, -4067 open orders, -4068 open positions. No event."""
    wanted = rq.flag(params, "dualSidePosition")
    if wanted is None:
        raise refusal(-1102, "dualSidePosition")
    if wanted == account.hedge:
        raise refusal(-4059)
    if any_open(world, account):
        raise refusal(-4067)
    if account.held():
        raise refusal(-4068)
    account.hedge = wanted
    account.update_time = world.now_ms
    return dict(_SUCCESS)


def multi_assets(world: World, account: Account, params: rq.Params) -> Json:
    """POST multiAssetsMargin. -4171 already so, -4167 isolated symbols, -4170 open orders, -4169, -4172."""
    wanted = rq.flag(params, "multiAssetsMargin")
    if wanted is None:
        raise refusal(-1102, "multiAssetsMargin")
    if wanted == account.multi_assets:
        raise refusal(-4171)
    if any_open(world, account):
        raise refusal(-4170)
    if wanted and any(setup.isolated for setup in account.setups.values()):
        raise refusal(-4167)
    if any(amount < 0 for amount in account.wallets.values()):
        raise refusal(-4172)
    if not wanted and any(margin_short(world, account, asset) for asset in account.wallets):
        raise refusal(-4169)
    account.multi_assets = wanted
    account.safe.clear()
    world.emit(account.name, events.multi_assets_update(world, wanted))
    return dict(_SUCCESS)


def margin_short(world: World, account: Account, asset: str) -> bool:
    """Whether one asset alone could not carry its positions."""
    row = margin.of_asset(world, account, asset)
    return row.cross_balance < row.cross_position_initial


def position_margin(world: World, account: Account, params: rq.Params) -> Json:
    """POST positionMargin: 1 adds, 2 takes from an isolated position's margin (-4049 ... -4055)."""
    spec = rq.symbol(world, params)
    kind = rq.integer(params, "type")
    if kind not in {1, 2}:
        raise refusal(-1130, "type")
    amount = rq.required_decimal(params, "amount")
    if amount <= 0:
        raise refusal(-4055)
    side = rq.position_side(params, hedge=account.hedge)
    if not account.setup(spec.symbol).isolated:
        raise refusal(-4049)
    position = account.position(spec.symbol, side)
    if not position.amount:
        raise refusal(-4054)
    amount = cents(amount)
    _move_margin(world, account, spec.symbol, side, amount if kind == 1 else -amount)
    account.margin_moves.append(
        {
            "symbol": spec.symbol,
            "type": kind,
            "deltaType": "USER_ADJUST",
            "amount": plain(amount),
            "asset": spec.margin_asset,
            "time": world.now_ms,
            "positionSide": side,
        }
    )
    # The wire carries a JSON number here; it only echoes the request.
    echo: int | float = int(amount) if amount == amount.to_integral_value() else float(amount)
    return {"amount": echo, "code": 200, "msg": "Successfully modify position margin.", "type": kind}


def _move_margin(world: World, account: Account, symbol: str, side: str, amount: Decimal) -> None:
    position = account.position(symbol, side)
    if amount > 0 and amount > margin.for_symbol(world, account, symbol).available:
        raise refusal(-4050)
    if amount < 0:
        figures = margin.of_position(world, account, position)
        free = position.iso_wallet + min(ZERO, figures.unrealised) - figures.initial
        if -amount > free:
            raise refusal(-4051)
    position.iso_wallet += amount
    execution.touch(world, account, position)
    asset = world.specs[symbol].margin_asset
    frame = events.account_update(world, account, "MARGIN_TRANSFER", assets=(asset,), positions=(position,))
    world.emit(account.name, frame)


def fee_burn(world: World, account: Account, params: rq.Params) -> Json:
    """POST feeBurn: stored; fees are charged in the margin asset whatever it says (no BNB is held here)."""
    wanted = rq.flag(params, "feeBurn")
    if wanted is None:
        raise refusal(-1102, "feeBurn")
    account.fee_burn = wanted
    account.update_time = world.now_ms
    return dict(_SUCCESS)


def transfer(world: World, account: Account, asset: str, amount: Decimal, reason: str) -> None:
    """Money in or out (DEPOSIT, WITHDRAW): wallet, income row, ACCOUNT_UPDATE."""
    if amount < 0 and -amount > margin.of_asset(world, account, asset).available:
        raise Refusal(-2018, "Balance is insufficient.")
    world.pay(account, asset, amount, "TRANSFER", info=reason)
    world.emit(account.name, events.account_update(world, account, reason, assets=(asset,), change=amount))
