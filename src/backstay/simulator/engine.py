"""The simulated venue: one object that is told the time, asked, and emptied of what it has to say.

Sans-I/O: no clock, no sockets, no asyncio; dice come from the seed alone. Time is venue time in ns.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator import (
    account_queries,
    aftermath,
    by_hand,
    conditional,
    execution,
    funding,
    responses,
    trading,
)
from backstay.simulator.accounts import Account, Position
from backstay.simulator.endpoints import PRIVATE, PUBLIC
from backstay.simulator.errors import Refusal
from backstay.simulator.feeds.ticks import Feed, Mark, Quote, Tick, Trade
from backstay.simulator.levels import Levels, levels
from backstay.simulator.liquidation import RiskDesk
from backstay.simulator.market import Market
from backstay.simulator.numbers import MS, SECOND, money, plain
from backstay.simulator.settings import EngineFaults, EngineSettings
from backstay.simulator.specs import SymbolSpec
from backstay.simulator.streams import MarketStreams, next_beat
from backstay.simulator.world import World

_NEVER = 1 << 62


class Engine:
    """See the methods; everything else of the venue hangs behind them.

    `wanted` holds the market streams to make payloads for; `faults` the switches that make it misbehave.
    Raises `ValueError` where the feed carries a symbol that no spec describes.
    """

    def __init__(
        self,
        feed: Feed | None,
        specs: Sequence[SymbolSpec],
        *,
        start_ns: int,
        seed: int,
        settings: EngineSettings | None = None,
    ) -> None:
        self._world = World(specs, start_ns=start_ns, seed=seed, settings=settings or EngineSettings())
        self._wanted: set[str] = set()
        self._streams = MarketStreams(self._world, self._wanted)
        self._risk = RiskDesk(self._world, self._streams)
        self._ticks: Iterator[Tick] = iter(())
        if feed is not None:
            unknown = sorted(set(feed.symbols) - set(self._world.specs))
            if unknown:
                raise ValueError(
                    f"the feed carries {', '.join(unknown)}, but there is no SymbolSpec for it. Add one."
                )
            self._ticks = feed.ticks()
        self._head = next(self._ticks, None)
        self._beat = next_beat(start_ns)

    @property
    def now(self) -> int:
        return self._world.now

    @now.setter
    def now(self, value: int) -> None:
        self.advance(value)

    @property
    def wanted(self) -> set[str]:
        return self._wanted

    @wanted.setter
    def wanted(self, names: set[str]) -> None:
        kept = set(names)
        self._wanted.clear()
        self._wanted.update(kept)

    @property
    def faults(self) -> EngineFaults:
        return self._world.faults

    @faults.setter
    def faults(self, value: EngineFaults) -> None:
        self._world.faults = value

    @property
    def specs(self) -> Mapping[str, SymbolSpec]:
        return self._world.specs

    def open_account(
        self,
        account: str,
        *,
        balance: Decimal = Decimal(100_000),
        hedge: bool = False,
        multi_assets: bool = False,
        leverage: int | None = None,
        assets: Mapping[str, Decimal] | None = None,
    ) -> None:
        """A new account with `balance` USDT (and `assets` more). ValueError when the name is taken."""
        world = self._world
        if account in world.accounts:
            raise ValueError(f"the account {account!r} is open already")
        new = Account(
            account,
            hedge=hedge,
            multi_assets=multi_assets,
            leverage=leverage or world.settings.default_leverage,
            opened_at=world.now,
        )
        world.accounts[account] = new
        new.wallets["USDT"] = Decimal(0)
        for asset, amount in {"USDT": balance, **(assets or {})}.items():
            world.pay(new, asset, amount, "TRANSFER", info="DEPOSIT")

    def call(self, account: str | None, endpoint: str, params: Mapping[str, str], now: int) -> Any:
        """Answer one request, e.g. "POST /fapi/v1/order", with the wire's payload. Raises `Refusal`."""
        self.advance(now)
        public = PUBLIC.get(endpoint)
        if public is not None:
            return public(self._world, params)
        private = PRIVATE.get(endpoint)
        if private is None:
            method, _, path = endpoint.partition(" ")
            raise Refusal(-5000, f"Path {path}, Method {method} is invalid", status=404)
        return private(self._world, self._world.account(account), params)

    def advance(self, now: int) -> None:
        """Let everything happen that is due until `now`, in order of time. Going back is ignored."""
        world = self._world
        while True:
            due = min(self._due(), now)
            head = self._head
            while head is not None and head.at <= due:
                world.now = max(world.now, head.at)
                self._tick(head)
                head = self._head = next(self._ticks, None)
                if world.timers and world.timers[0][0] < due:
                    due = world.timers[0][0]
            if self._due() > now:
                break
            world.now = max(world.now, due)
            self._happen()
        world.now = max(world.now, now)

    def take(self, tick: Tick) -> None:
        """A tick from a host that brings the market itself instead of a feed; never before `now`."""
        self.advance(tick.at)
        self._tick(tick)

    def levels(self, symbol: str) -> Levels:
        """Where this market has to move for anything to happen to what rests in it."""
        return levels(self._world, symbol)

    def set_funding_rate(self, symbol: str, rate: Decimal) -> None:
        """The rate, as a fraction, that the next funding of a symbol charges."""
        self._world.market(symbol).funding_rate = rate

    def _due(self) -> int:
        """When the next timer, funding or beat comes (ns)."""
        world = self._world
        due = min((m.next_funding for m in world.markets.values()), default=_NEVER)
        if world.timers and world.timers[0][0] < due:
            due = world.timers[0][0]
        if self._wanted:
            if self._beat <= world.now - SECOND:
                self._beat = next_beat(world.now)
            due = min(due, self._beat)
        return due

    def next_at(self) -> int | None:
        """When something will happen by itself: a feed tick, a timer, funding, a beat of the streams."""
        due = self._due()
        if self._head is not None:
            due = min(due, self._head.at)
        return None if due >= _NEVER else due

    def take_user_events(self) -> list[tuple[str, dict[str, Any]]]:
        """(account, private frame) since the last call, in the documented order."""
        out, self._world.user_events = self._world.user_events, []
        return out

    def take_market_events(self) -> list[tuple[str, Any]]:
        """(stream name, payload) since the last call."""
        out, self._world.market_events = self._world.market_events, []
        return out

    def _happen(self) -> None:
        """Everything but ticks that is due now."""
        world = self._world
        while world.timers and world.timers[0][0] <= world.now:
            _at, _seq, kind, payload = heapq.heappop(world.timers)
            self._timer(kind, payload)
        for market in world.markets.values():
            if market.next_funding <= world.now:
                funding.charge(world, market)
                self._risk.mark_moved(market.spec.symbol)
        if self._wanted and self._beat <= world.now:
            self._streams.beat(self._beat // SECOND)
            self._beat += SECOND

    def _timer(self, kind: str, payload: Any) -> None:
        world = self._world
        if kind == "gtd":
            order = world.orders.by_id[payload]
            if order.open and order.gtd * MS <= world.now:
                execution.expire(world, order, "0")
                owner = world.accounts[order.account]
                aftermath.settle(world, owner, order.symbol, reduced=False)
        elif kind == "algo_gtd":
            algo = world.algos.by_id[payload]
            if algo.status == "NEW":
                aftermath.close_algo(world, algo, "EXPIRED")
        elif kind == "child":
            algo = world.algos.by_id[payload]
            if algo.status == "TRIGGERING":
                conditional.hand_over(world, algo)
        elif kind == "countdown":
            self._countdown(*payload)

    def _countdown(self, account: str, symbol: str, due: int) -> None:
        owner = self._world.accounts[account]
        if owner.countdowns.get(symbol) != due:
            return
        del owner.countdowns[symbol]
        for order in list(self._world.orders.open_of(account, symbol)):
            execution.cancel(self._world, order)
        aftermath.settle(self._world, owner, symbol, reduced=False)

    def _tick(self, tick: Tick) -> None:
        market = self._world.markets[tick.symbol]
        if isinstance(tick, Quote):
            market.on_quote(tick)
            self._quoted(market)
        elif isinstance(tick, Trade):
            trade = market.on_trade(tick)
            self._traded(market, trade.price, trade.qty, trade.buyer_maker)
            if self._wanted:
                self._streams.on_trade(tick.symbol, trade)
        elif isinstance(tick, Mark):
            market.on_mark(tick)
            if tick.next_funding_at is not None and tick.next_funding_at > self._world.now:
                market.next_funding = tick.next_funding_at
            self._marked(market)
        else:
            market.on_bar(tick)

    def _quoted(self, market: Market) -> None:
        symbol = market.spec.symbol
        if self._world.status(symbol) == "TRADING":
            trading.on_quote(self._world, symbol, market.bid, market.ask)
        if self._wanted:
            self._streams.on_quote(symbol)

    def _traded(self, market: Market, price: Decimal, qty: Decimal, buyer_maker: bool) -> None:
        symbol = market.spec.symbol
        if self._world.status(symbol) == "TRADING":
            trading.on_trade(self._world, symbol, price, qty, buyer_maker=buyer_maker)
            conditional.on_price(self._world, symbol, "CONTRACT_PRICE")
        if not market.fed_quotes:
            self._quoted(market)
        if not market.fed_marks:
            self._marked(market)

    def _marked(self, market: Market) -> None:
        symbol = market.spec.symbol
        if self._world.status(symbol) == "TRADING":
            conditional.on_price(self._world, symbol, "MARK_PRICE")
        self._risk.mark_moved(symbol)

    def set_price(self, symbol: str, price: Decimal, now: int) -> None:
        """Move a market to `price` at once: a jump. Later ticks of the feed keep their relation to it."""
        self.advance(now)
        if price <= 0:
            raise ValueError(f"a price must be above zero, not {price}")
        market = self._world.market(symbol)
        trade = market.jump(self._world.now, price)
        trading_now = self._world.status(symbol) == "TRADING"
        if trading_now:
            trading.on_trade(self._world, symbol, trade.price, trade.qty, buyer_maker=trade.buyer_maker)
        self._quoted(market)
        if trading_now:
            conditional.on_price(self._world, symbol, "CONTRACT_PRICE")
        self._marked(market)
        if self._wanted:
            self._streams.on_trade(symbol, trade)

    def human(self, account: str, action: Mapping[str, Any], now: int) -> Any:
        """The account's owner acts by hand (`by_hand.act` lists the actions). Raises `Refusal`."""
        self.advance(now)
        return by_hand.act(self._world, self._world.account(account), action)

    def change_spec(self, symbol: str, now: int, **fields: Any) -> SymbolSpec:
        """Change a symbol's filters, status or brackets from now on, e.g. `tick=Decimal("0.5")`."""
        self.advance(now)
        new = msgspec.structs.replace(self._world.spec(symbol), **fields)
        self._world.specs[symbol] = self._world.markets[symbol].spec = new
        self._streams.contract_info(new)
        return new

    def _row_of(self, owner: Account, symbol: str, side: str | None) -> Position | None:
        """The position meant: by its side, or by LONG/SHORT as a direction; the larger one without a side."""
        self._world.spec(symbol)
        rows = [
            p for p in owner.held_in(symbol) if side in {None, p.side, "LONG" if p.amount > 0 else "SHORT"}
        ]
        return max(rows, key=lambda p: abs(p.amount), default=None)

    def force_adl(self, account: str, symbol: str, now: int, *, position_side: str | None = None) -> None:
        """Deleverage a position at the mark price now. Nothing happens where there is none."""
        self.advance(now)
        owner = self._world.account(account)
        position = self._row_of(owner, symbol, position_side)
        if position is not None:
            self._risk.deleverage(owner, position)

    def force_liquidation(
        self, account: str, symbol: str, now: int, *, position_side: str | None = None
    ) -> None:
        """Liquidate a position now, whatever its margin. Nothing happens where there is none."""
        self.advance(now)
        owner = self._world.account(account)
        position = self._row_of(owner, symbol, position_side)
        if position is not None:
            self._risk.liquidate(owner, position)

    def last(self, symbol: str) -> Decimal:
        """The last price of a market, without any lag."""
        return self._world.markets[symbol].last

    def truth(self, account: str) -> dict[str, Any]:
        """What the venue knows, without any lag: positions, orders, algo_orders, fills, balances, prices."""
        world = self._world
        owner = world.account(account)
        specs, lag = world.specs, dict(world.faults.lag_ns)
        world.faults.lag_ns.clear()
        try:
            positions = account_queries.position_risk_v3(world, owner, {})
            balances = account_queries.balance(world, owner, {})
        finally:
            world.faults.lag_ns.update(lag)
        orders = [
            responses.order_row(specs[o.symbol], o) | {"origin": o.origin, "algoId": o.algo_id}
            for o in world.orders.all_of(account)
        ]
        algos = [
            responses.algo_single(a) | {"origin": a.origin, "failReason": a.reason}
            for a in world.algos.all_of(account)
        ]
        fills = [
            responses.trade_row(specs[t.symbol], t) | {"clientOrderId": t.client_id} for t in owner.trades
        ]
        return {
            "positions": [p for p in positions if Decimal(p["positionAmt"])],
            "orders": orders,
            "algo_orders": algos,
            "fills": fills,
            "balances": balances,
            "prices": {name: _prices(m) for name, m in world.markets.items()},
            "dualSidePosition": owner.hedge,
        }


def _prices(market: Market) -> dict[str, str]:
    return {
        "mark": money(market.mark),
        "index": money(market.index),
        "last": plain(market.last),
        "bid": plain(market.bid),
        "ask": plain(market.ask),
    }
