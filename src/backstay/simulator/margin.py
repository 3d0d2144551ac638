"""Margin and liquidation arithmetic (`binance-usdm.md` section 11). Nothing changes here."""

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from backstay.simulator.accounts import Account, Position
from backstay.simulator.numbers import ONE, ZERO, cents
from backstay.simulator.orders import Order
from backstay.simulator.specs import Bracket, SymbolSpec
from backstay.simulator.world import World


def initial_margin(notional: Decimal, leverage: int) -> Decimal:
    """|notional| / leverage, at mark."""
    return cents(abs(notional) / leverage)


def maintenance_margin(spec: SymbolSpec, notional: Decimal) -> Decimal:
    """|notional| * rate - cum, by the tier of this size."""
    row = spec.bracket_of(notional)
    return cents(abs(notional) * row.rate - row.cum)


def liquidation_price(spec: SymbolSpec, amount: Decimal, entry: Decimal, balance: Decimal) -> Decimal:
    """Where the margin balance meets the maintenance margin, one position.

    `balance`: WB - TMM1 + UPNL1 (cross) or the isolated wallet. LP = (balance + cum - s*Q*EP) / (Q*MMR - s*Q)
    with the tier that is valid at LP. Zero when there is none above zero.
    """
    side = ONE if amount > 0 else -ONE
    size = abs(amount)

    def at(row: Bracket) -> Decimal:
        return (balance + row.cum - side * size * entry) / (size * row.rate - side * size)

    return _valid(spec.brackets, at, size)


def hedge_liquidation_price(
    brackets: tuple[Bracket, ...], long: Position, short: Position, balance: Decimal
) -> Decimal:
    """The one price that both sides of a hedged cross symbol share."""
    ql, qs = long.amount, -short.amount
    value = balance - ql * long.entry + qs * short.entry

    def tier(notional: Decimal) -> Bracket:
        return next((b for b in brackets if notional < b.cap), brackets[-1])

    price = max(long.entry, short.entry)
    for _ in range(12):
        bl, bs = tier(ql * price), tier(qs * price)
        below = ql * bl.rate + qs * bs.rate - ql + qs
        if not below:
            return ZERO
        new = (value + bl.cum + bs.cum) / below
        if new <= 0:
            return ZERO
        if abs(new - price) < Decimal("1e-9"):
            break
        price = new
    return price


def _valid(rows: Iterable[Bracket], at: Callable[[Bracket], Decimal], size: Decimal) -> Decimal:
    last = ZERO
    for row in rows:
        price = at(row)
        if price <= 0:
            continue
        last = price
        if row.floor <= size * price < row.cap:
            return price
    return last


class PositionMargin(msgspec.Struct):
    """Figures of one position at its mark price."""

    position: Position
    notional: Decimal
    unrealised: Decimal
    initial: Decimal
    maintenance: Decimal
    isolated: bool
    leverage: int


class AssetMargin(msgspec.Struct):
    """Figures of one margin asset (or of all together in multi-assets mode)."""

    wallet: Decimal
    cross_wallet: Decimal
    unrealised: Decimal
    cross_unrealised: Decimal
    position_initial: Decimal
    cross_position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal
    cross_maintenance: Decimal

    @property
    def available(self) -> Decimal:
        """(model) cross wallet + cross PnL - cross position margin - order margin, not below zero."""
        free = self.cross_wallet + self.cross_unrealised - self.cross_position_initial - self.order_initial
        return max(ZERO, free)

    @property
    def cross_balance(self) -> Decimal:
        return self.cross_wallet + self.cross_unrealised


def of_position(world: World, account: Account, position: Position) -> PositionMargin:
    spec = world.specs[position.symbol]
    mark = world.markets[position.symbol].mark
    setup = account.setup(position.symbol)
    notional = position.amount * mark
    return PositionMargin(
        position=position,
        notional=notional,
        unrealised=position.unrealised(mark),
        initial=initial_margin(notional, setup.leverage),
        maintenance=maintenance_margin(spec, notional) if notional else ZERO,
        isolated=setup.isolated,
        leverage=setup.leverage,
    )


def open_notional(orders: Iterable[Order], hedge: bool, side: str = "BOTH") -> tuple[Decimal, Decimal]:
    """(buy, sell) notional of open orders that may increase exposure, of one position side."""
    buy = sell = ZERO
    for order in orders:
        if order.position_side != side or order.reduces(hedge):
            continue
        if order.buys:
            buy += order.left * order.price
        else:
            sell += order.left * order.price
    return buy, sell


def exposure(
    world: World,
    account: Account,
    symbol: str,
    side: str,
    *,
    extra: tuple[bool, Decimal] | None = None,
    without: Order | None = None,
) -> tuple[Decimal, Decimal]:
    """(held, worst) absolute notional of one position side: now, and when every open order of one side fills.

    `extra` = (buys, notional) adds an order that is being placed; `without` leaves one out.
    """
    row = account.positions.get((symbol, side))
    held = row.amount * world.markets[symbol].mark if row else ZERO
    orders = (o for o in world.orders.open_of(account.name, symbol) if o is not without)
    buy, sell = open_notional(orders, account.hedge, side)
    if extra is not None:
        buy, sell = (buy + extra[1], sell) if extra[0] else (buy, sell + extra[1])
    return abs(held), max(abs(held + buy), abs(held - sell))


def order_margin(
    world: World,
    account: Account,
    symbol: str,
    *,
    extra: tuple[str, bool, Decimal] | None = None,
    without: Order | None = None,
    leverage: int | None = None,
) -> Decimal:
    """(model) Order margin of a symbol: max(|N + B|, |N - A|) / leverage less the position's own.

    `extra` = (position side, buys, notional) adds an order that is being placed.
    """
    lever = leverage or account.setup(symbol).leverage
    total = ZERO
    for side in ("LONG", "SHORT") if account.hedge else ("BOTH",):
        more = extra[1:] if extra is not None and extra[0] == side else None
        held, worst = exposure(world, account, symbol, side, extra=more, without=without)
        total += worst - held
    return cents(total / lever)


def symbols_with_orders(world: World, account: Account) -> set[str]:
    return {o.symbol for o in world.orders.open_of(account.name)}


def of_asset(world: World, account: Account, asset: str | None) -> AssetMargin:
    """The figures of one margin asset; None: of all assets at par (multi-assets mode, stable coins)."""
    specs = world.specs
    wallet = sum(account.wallets.values(), ZERO) if asset is None else account.wallet(asset)
    out = AssetMargin(wallet, wallet, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)
    for position in account.held():
        if asset is not None and specs[position.symbol].margin_asset != asset:
            continue
        row = of_position(world, account, position)
        out.unrealised += row.unrealised
        out.position_initial += row.initial
        out.maintenance += row.maintenance
        if row.isolated:
            out.cross_wallet -= position.iso_wallet
        else:
            out.cross_unrealised += row.unrealised
            out.cross_position_initial += row.initial
            out.cross_maintenance += row.maintenance
    for symbol in symbols_with_orders(world, account):
        if asset is None or specs[symbol].margin_asset == asset:
            out.order_initial += order_margin(world, account, symbol)
    return out


def for_symbol(world: World, account: Account, symbol: str) -> AssetMargin:
    """The pot a symbol draws on: its margin asset, or all of them in multi-assets mode."""
    return of_asset(world, account, None if account.multi_assets else world.specs[symbol].margin_asset)


def liquidation_of(world: World, account: Account, position: Position) -> Decimal:
    """The liquidation price of a position as the venue reports it; zero when there is none."""
    if not position.amount:
        return ZERO
    spec = world.specs[position.symbol]
    if account.setup(position.symbol).isolated:
        return liquidation_price(spec, position.amount, position.entry, position.iso_wallet)
    pot = for_symbol(world, account, position.symbol)
    others = pot.cross_wallet
    for row in account.held():
        if row.symbol != position.symbol and not account.setup(row.symbol).isolated:
            figures = of_position(world, account, row)
            others += figures.unrealised - figures.maintenance
    if account.hedge:
        long = account.position(position.symbol, "LONG")
        short = account.position(position.symbol, "SHORT")
        if long.amount and short.amount:
            return hedge_liquidation_price(spec.brackets, long, short, others)
    return liquidation_price(spec, position.amount, position.entry, others)
