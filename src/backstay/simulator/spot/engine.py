"""The simulated Spot venue: one object that is told the time, asked, and emptied of what it has to say.

Sans-I/O: no clock, no sockets, no asyncio; dice come from the seed alone. Time is venue time in ns.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator.errors import Refusal
from backstay.simulator.feeds.ticks import BarClose, Feed, Quote, Tick, Trade
from backstay.simulator.numbers import SECOND, money, plain
from backstay.simulator.settings import EngineFaults
from backstay.simulator.spot import by_hand, responses, trading
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.endpoints import PRIVATE, PUBLIC
from backstay.simulator.spot.market import SpotMarket
from backstay.simulator.spot.settings import SpotSettings
from backstay.simulator.spot.specs import SpotSpec
from backstay.simulator.spot.streams import SpotStreams, next_beat
from backstay.simulator.spot.world import SpotWorld

_NEVER = 1 << 62


class SpotEngine:
    """The same shape as the USD-M engine: `call`, `advance`, `next_at`, `take_user_events`, `truth`, ...

    `wanted` holds the market streams to make payloads for; `faults` the switches that make it misbehave
    (those of positions and conditional orders do nothing here).
    Raises `ValueError` where the feed carries a symbol that no spec describes.
    """

    def __init__(
        self,
        feed: Feed | None,
        specs: Sequence[SpotSpec],
        *,
        start_ns: int,
        seed: int,
        settings: SpotSettings | None = None,
    ) -> None:
        self._world = SpotWorld(specs, start_ns=start_ns, seed=seed, settings=settings or SpotSettings())
        self._wanted: set[str] = set()
        self._streams = SpotStreams(self._world, self._wanted)
        self._ticks: Iterator[Tick] = iter(())
        if feed is not None:
            unknown = sorted(set(feed.symbols) - set(self._world.specs))
            if unknown:
                raise ValueError(
                    f"the feed carries {', '.join(unknown)}, but there is no SpotSpec for it. Add one."
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
    def specs(self) -> Mapping[str, SpotSpec]:
        return self._world.specs

    def open_account(
        self,
        account: str,
        *,
        balances: Mapping[str, Decimal] | None = None,
        burns_bnb: bool = False,
        maker_rate: Decimal | None = None,
        taker_rate: Decimal | None = None,
    ) -> None:
        """A new account with `balances` (100,000 USDT without). ValueError when the name is taken."""
        world = self._world
        if account in world.accounts:
            raise ValueError(f"the account {account!r} is open already")
        new = SpotAccount(
            account,
            354_937_868 + len(world.accounts),
            burns_bnb=burns_bnb,
            maker=world.settings.maker_rate if maker_rate is None else maker_rate,
            taker=world.settings.taker_rate if taker_rate is None else taker_rate,
        )
        world.accounts[account] = new
        for asset, amount in (balances or {"USDT": Decimal(100_000)}).items():
            new.move(asset, world.now, free=Decimal(amount))
        new.touched.clear()

    def call(self, account: str | None, endpoint: str, params: Mapping[str, str], now: int) -> Any:
        """Answer one request, e.g. "POST /api/v3/order", with the wire's payload. Raises `Refusal`.

        Times in payloads are `Stamp`s: they equal their milliseconds and know their nanoseconds.
        """
        self.advance(now)
        public = PUBLIC.get(endpoint)
        if public is not None:
            return public(self._world, params)
        private = PRIVATE.get(endpoint)
        if private is None:
            method, _, path = endpoint.partition(" ")
            raise Refusal(-1020, f"This operation is not supported: {method} {path}", status=404)
        return private(self._world, self._world.account(account), params)

    def advance(self, now: int) -> None:
        """Let everything happen that is due until `now`, in order of time. Going back is ignored."""
        world = self._world
        while (due := self._due()) <= now:
            world.now = max(world.now, due)
            if self._head is not None and self._head.at <= due:
                self._tick(self._head)
                self._head = next(self._ticks, None)
            else:
                self._streams.beat(self._beat // SECOND)
                self._beat += SECOND
        world.now = max(world.now, now)

    def _due(self) -> int:
        due = _NEVER if self._head is None else self._head.at
        if self._wanted:
            if self._beat <= self._world.now - SECOND:
                self._beat = next_beat(self._world.now)
            due = min(due, self._beat)
        return due

    def next_at(self) -> int | None:
        """When something will happen by itself: a tick of the feed, a beat of the streams."""
        due = self._due()
        return None if due >= _NEVER else due

    def take_user_events(self) -> list[tuple[str, dict[str, Any]]]:
        """(account, user data event) since the last call, in the documented order."""
        out, self._world.user_events = self._world.user_events, []
        return out

    def take_market_events(self) -> list[tuple[str, Any]]:
        """(stream name, payload) since the last call."""
        out, self._world.market_events = self._world.market_events, []
        return out

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
        elif isinstance(tick, BarClose):
            market.on_bar(tick)

    def _quoted(self, market: SpotMarket) -> None:
        symbol = market.rules.symbol
        if self._world.status(symbol) == "TRADING":
            trading.on_quote(self._world, symbol, market.bid, market.ask)
        if self._wanted:
            self._streams.on_quote(symbol)

    def _traded(self, market: SpotMarket, price: Decimal, qty: Decimal, buyer_maker: bool) -> None:
        symbol = market.rules.symbol
        if self._world.status(symbol) == "TRADING":
            trading.on_trade(self._world, symbol, price, qty, buyer_maker=buyer_maker)
        if not market.fed_quotes:
            self._quoted(market)

    def set_price(self, symbol: str, price: Decimal, now: int) -> None:
        """Move a market to `price` at once: a jump. Later ticks of the feed keep their relation to it."""
        self.advance(now)
        if price <= 0:
            raise ValueError(f"a price must be above zero, not {price}")
        market = self._world.market(symbol)
        trade = market.jump(self._world.now, price)
        if self._world.status(symbol) == "TRADING":
            trading.on_trade(self._world, symbol, trade.price, trade.qty, buyer_maker=trade.buyer_maker)
        self._quoted(market)
        if self._wanted:
            self._streams.on_trade(symbol, trade)

    def last(self, symbol: str) -> Decimal:
        """The last price of a market."""
        return self._world.market(symbol).last

    def human(self, account: str, action: Mapping[str, Any], now: int) -> Any:
        """The account's owner acts by hand (`by_hand.act` lists the actions). Raises `Refusal`."""
        self.advance(now)
        return by_hand.act(self._world, self._world.account(account), action)

    def change_spec(self, symbol: str, now: int, **fields: Any) -> SpotSpec:
        """Change a pair's filters, status or permissions from now on, e.g. `tick=Decimal("0.5")`."""
        self.advance(now)
        new = msgspec.structs.replace(self._world.spec(symbol), **fields)
        market = self._world.markets[symbol]
        self._world.specs[symbol] = market.rules = new
        market.spec = new.grid()
        return new

    def change_rates(self, account: str, symbol: str, maker: Decimal, taker: Decimal) -> None:
        """Give an account its own standard commission on one pair."""
        self._world.account(account).symbol_rates[symbol] = (maker, taker)

    def force_adl(self, account: str, symbol: str, now: int, *, position_side: str | None = None) -> None:
        raise ValueError("Spot has no positions to deleverage")

    def force_liquidation(
        self, account: str, symbol: str, now: int, *, position_side: str | None = None
    ) -> None:
        raise ValueError("Spot has no positions to liquidate")

    def truth(self, account: str) -> dict[str, Any]:
        """What the venue knows, without any lag: orders, order_lists, fills, balances, prices."""
        world = self._world
        owner = world.account(account)
        return {
            "positions": [],
            "orders": [responses.queried(o) | {"origin": o.origin} for o in world.orders.all_of(account)],
            "order_lists": [responses.list_row(g) for g in world.orders.lists_of(account)],
            "fills": [responses.trade_row(t) | {"clientOrderId": t.client_id} for t in owner.trades],
            "balances": [
                {"asset": asset, "free": money(row.free), "locked": money(row.locked)}
                for asset, row in owner.balances.items()
            ],
            "prices": {
                name: {"last": plain(m.last), "bid": plain(m.bid), "ask": plain(m.ask)}
                for name, m in world.markets.items()
            },
        }
