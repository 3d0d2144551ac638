"""Margin calls, liquidation, automatic deleveraging (model; steps as in `binance-usdm.md` section 11)."""

from decimal import Decimal

from backstay.simulator import aftermath, events, execution, margin
from backstay.simulator.accounts import Account, Position
from backstay.simulator.fills import sweep
from backstay.simulator.numbers import ONE, ZERO, ceil_to, cents, floor_to, nearest
from backstay.simulator.orders import Order
from backstay.simulator.streams import MarketStreams, force_row
from backstay.simulator.world import World

_CALL_AT = Decimal("1.25")
_SLOPE = Decimal("1.7")
"""More than the balance less 1.25 times the maintenance margin can fall per unit of price and quantity."""


class RiskDesk:
    """Looks at accounts when a mark price moves, and carries out what must be."""

    def __init__(self, world: World, streams: MarketStreams) -> None:
        self._world = world
        self._streams = streams

    def mark_moved(self, symbol: str) -> None:
        """Check every account that holds the symbol, unless the mark is where nothing can happen."""
        mark = self._world.markets[symbol].mark
        for account in self._world.accounts.values():
            band = account.safe.get(symbol)
            if band is not None and band[0] < mark < band[1]:
                continue
            if account.held_in(symbol):
                self.examine(account)

    def examine(self, account: Account) -> None:
        """Liquidate what has to be; then note the band of prices within which nothing can happen."""
        for position in account.held():
            if account.setup(position.symbol).isolated and position.amount:
                figures = margin.of_position(self._world, account, position)
                if position.iso_wallet + figures.unrealised <= figures.maintenance:
                    self.liquidate(account, position)
        for asset in self._pots(account):
            self._examine_cross(account, asset)
        self._note_bands(account)

    def _pots(self, account: Account) -> list[str | None]:
        return [None] if account.multi_assets else list(account.wallets)

    def _cross(self, account: Account, asset: str | None) -> list[Position]:
        specs = self._world.specs
        return [
            p
            for p in account.held()
            if not account.setup(p.symbol).isolated
            and (asset is None or specs[p.symbol].margin_asset == asset)
        ]

    def _examine_cross(self, account: Account, asset: str | None) -> None:
        for _ in range(len(account.positions)):
            rows = self._cross(account, asset)
            pot = margin.of_asset(self._world, account, asset)
            if not rows or pot.cross_balance > pot.cross_maintenance:
                break
            worst = min(rows, key=lambda p: p.unrealised(self._world.markets[p.symbol].mark))
            self.liquidate(account, worst)

    def _note_bands(self, account: Account) -> None:
        """See `Account.safe`; also sends the margin call."""
        world = self._world
        account.safe.clear()
        called: list[tuple[Position, Decimal]] = []
        slack: dict[int, tuple[Decimal, int]] = {}
        for asset in self._pots(account):
            rows = self._cross(account, asset)
            if not rows:
                continue
            pot = margin.of_asset(world, account, asset)
            near = pot.cross_balance <= pot.cross_maintenance * _CALL_AT
            if near:
                called += [(p, margin.of_position(world, account, p).maintenance) for p in rows]
            floor = pot.cross_maintenance * (ONE if near else _CALL_AT)
            for p in rows:
                slack[id(p)] = (pot.cross_balance - floor, len({r.symbol for r in rows}))
        for p in account.held():
            if account.setup(p.symbol).isolated:
                figures = margin.of_position(world, account, p)
                balance = p.iso_wallet + figures.unrealised
                near = balance <= figures.maintenance * _CALL_AT
                if near:
                    called.append((p, figures.maintenance))
                floor = figures.maintenance * (ONE if near else _CALL_AT)
                slack[id(p)] = (balance - floor, len(account.held_in(p.symbol)))
        for symbol in {p.symbol for p in account.held()}:
            rows = account.held_in(symbol)
            size = sum((abs(p.amount) for p in rows), ZERO)
            room = min((slack[id(p)][0] / slack[id(p)][1] for p in rows), default=ZERO)
            mark, move = world.markets[symbol].mark, room / (size * _SLOPE)
            account.safe[symbol] = (mark - move, mark + move)
        self._call(account, called)

    def _call(self, account: Account, rows: list[tuple[Position, Decimal]]) -> None:
        if rows and not account.margin_called:
            asset = self._world.specs[rows[0][0].symbol].margin_asset
            cross = events.cross_wallet(self._world, account, asset)
            self._world.emit(account.name, events.margin_call(self._world, account, cross, rows))
        account.margin_called = bool(rows)

    def liquidate(self, account: Account, position: Position) -> None:
        """Close by force: the scope's orders go (er 5), an IOC at the bankruptcy price, the fund pays."""
        world = self._world
        spec, market = world.specs[position.symbol], world.markets[position.symbol]
        isolated = account.setup(position.symbol).isolated
        self._clear_orders(account, position.symbol if isolated else None)
        size, long = abs(position.amount), position.amount > 0
        balance = self._scope_balance(account, position)
        bankrupt = market.mark - balance / position.amount
        bankrupt = ceil_to(bankrupt, spec.tick) if long else floor_to(bankrupt, spec.tick)
        bankrupt = max(spec.tick, bankrupt)
        levels = market.depth(upward=not long).levels(world.settings.depth_levels)
        parts = sweep(levels, size, buys=not long, limit=bankrupt)
        taken = sum((q for _, q in parts), ZERO)
        worth = sum((p * q for p, q in parts), ZERO) + (size - taken) * bankrupt
        price = nearest(worth / size, spec.tick)
        left = balance + position.amount * (price - market.mark)
        fee = min(cents(size * price * spec.liquidation_fee), max(ZERO, cents(left)))
        client_id = f"autoclose-{world.now_ms}{world.rng.randrange(10**6):06d}"
        order = self._forced(account, position, price=bankrupt, client_id=client_id)
        execution.fill(world, order, price, size, maker=False, fee=fee, calculated=True)
        self._cover(account, spec.margin_asset)
        world.insurance += fee
        gap = (bankrupt - market.bid if long else market.ask - bankrupt) * (size - taken)
        if taken < size:
            world.insurance -= max(ZERO, gap)
            if world.insurance < 0:
                self._pass_on(account, position.symbol, long=long, size=size - taken, price=bankrupt)
        qty, shown = spec.qty_text(size), spec.price_text(price)
        limit = spec.price_text(bankrupt)
        self._streams.forced(force_row(spec, order.side, qty, limit, shown, world.now_ms))
        aftermath.settle(world, account, position.symbol, reduced=True)

    def _scope_balance(self, account: Account, position: Position) -> Decimal:
        world = self._world
        if account.setup(position.symbol).isolated:
            return position.iso_wallet + position.unrealised(world.markets[position.symbol].mark)
        return margin.for_symbol(world, account, position.symbol).cross_balance

    def _clear_orders(self, account: Account, symbol: str | None) -> None:
        for order in list(self._world.orders.open_of(account.name, symbol)):
            if symbol is not None or not account.setup(order.symbol).isolated:
                execution.expire(self._world, order, "5")
                aftermath.settle(self._world, account, order.symbol, reduced=False)

    def _forced(
        self,
        account: Account,
        position: Position,
        *,
        price: Decimal,
        client_id: str,
        size: Decimal | None = None,
    ) -> Order:
        """An order that the venue makes itself; it enters the books without a NEW frame."""
        world = self._world
        order = Order(
            account=account.name,
            symbol=position.symbol,
            side="SELL" if position.amount > 0 else "BUY",
            position_side=position.side,
            kind="LIMIT",
            tif="IOC",
            qty=abs(position.amount) if size is None else size,
            price=price,
            client_id=client_id,
        )
        order.id, order.origin = world.order_id(), "venue"
        order.time = order.update_time = world.now_ms
        order.reduce_only = True
        world.orders.add(order)
        account.forced.append(order.id)
        return order

    def _cover(self, account: Account, asset: str) -> None:
        """The insurance fund takes what a wallet could not."""
        short = account.wallet(asset)
        if short < 0:
            self._world.pay(account, asset, -short, "INSURANCE_CLEAR", info="INSURANCE_CLEAR")
            self._world.insurance += short
            frame = events.account_update(
                self._world, account, "INSURANCE_CLEAR", assets=(asset,), change=-short
            )
            self._world.emit(account.name, frame)

    def _pass_on(self, loser: Account, symbol: str, *, long: bool, size: Decimal, price: Decimal) -> None:
        """The fund is empty: the other side's best positions are closed at the bankruptcy price."""
        mark = self._world.markets[symbol].mark
        rows = [
            (account, p)
            for account in self._world.accounts.values()
            if account is not loser
            for p in account.held_in(symbol)
            if (p.amount < 0) == long
        ]
        rows.sort(key=lambda row: row[1].unrealised(mark), reverse=True)
        for account, position in rows:
            if size <= 0:
                return
            part = min(size, abs(position.amount))
            self.deleverage(account, position, price=price, size=part)
            size -= part

    def deleverage(
        self,
        account: Account,
        position: Position,
        *,
        price: Decimal | None = None,
        size: Decimal | None = None,
    ) -> None:
        """ADL: close (part of) a position at a price, the mark by default, without commission."""
        world = self._world
        spec = world.specs[position.symbol]
        at = nearest(world.markets[position.symbol].mark, spec.tick) if price is None else price
        order = self._forced(account, position, price=at, client_id="adl_autoclose", size=size)
        execution.fill(world, order, at, order.qty, maker=False, fee=ZERO, calculated=True)
        aftermath.settle(world, account, position.symbol, reduced=True)
