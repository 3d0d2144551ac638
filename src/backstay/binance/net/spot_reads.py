"""Spot's snapshots over REST, as core's events with the venue times of their request and answer."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.reads import covering, decoded, only
from backstay.binance.net.rest import Rest
from backstay.binance.wire import decode_spot_rest as decode
from backstay.binance.wire import endpoints_spot as endpoints
from backstay.binance.wire.decode_spot_rest import Commission
from backstay.binance.wire.instruments_usdm import ExchangeInfo
from backstay.core.events import (
    AccountModeSnapshot,
    AlgosSnapshot,
    BalancesSnapshot,
    FillRow,
    FillsSnapshot,
    ListReport,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    PositionsSnapshot,
)
from backstay.core.types import MS, Product, Surface, TimeNs

ABSENT = frozenset({-2013, -2026})
"""No such order; one that ended unfilled and was archived after 90 days."""
FILLS_PER_PAGE = 1000
DAY_MS = 24 * 3600 * 1000
FILLS_WINDOW_MS = DAY_MS - 1
"""The venue refuses windows above 24 h."""
WINDOWS = 30
"""Days that are looked through one by one; whoever asks further back pages from the first trade on."""
MAX_PAGES = 500


class SpotReads:
    """Every `read_*` of the venue port, and what only spot has. All raise VenueUnavailable."""

    def __init__(self, rest: Rest, *, now: Callable[[], TimeNs], fee_symbol: str = "") -> None:
        """`fee_symbol`: the symbol whose commissions stand for all; empty: the account's own rates do."""
        self._rest = rest
        self._now = now
        self._fee_symbol = fee_symbol

    async def account_mode(self) -> AccountModeSnapshot:
        read = await self._rest.read(endpoints.ACCOUNT, {"omitZeroBalances": "true"})
        fees = await self.commission(self._fee_symbol) if self._fee_symbol else None
        return decoded(lambda body: decode.account_mode(body, fees, received_at=read.received_at), read.body)

    async def commission(self, symbol: str) -> Commission:
        """What a trade in this symbol costs."""
        read = await self._rest.read(endpoints.COMMISSION, {"symbol": symbol})
        return decoded(decode.commission, read.body)

    async def instruments(self) -> tuple[ExchangeInfo, TimeNs]:
        read = await self._rest.read(endpoints.EXCHANGE_INFO)
        return decoded(decode.exchange_info, read.body), read.received_at

    async def balances(self) -> BalancesSnapshot:
        read = await self._rest.read(endpoints.ACCOUNT, {"omitZeroBalances": "true"})
        return decoded(
            lambda body: decode.balances(body, requested_at=read.requested_at, received_at=read.received_at),
            read.body,
        )

    async def orders(self, symbol: str | None) -> OrdersSnapshot:
        read = await self._rest.read(endpoints.OPEN_ORDERS, only(symbol))
        return decoded(
            lambda body: decode.open_orders(
                body, requested_at=read.requested_at, received_at=read.received_at, symbols=covering(symbol)
            ),
            read.body,
        )

    async def open_lists(self) -> tuple[ListReport, ...]:
        """Every order list that still works."""
        return decoded(decode.open_lists, (await self._rest.read(endpoints.OPEN_LISTS)).body)

    def positions(self, symbol: str | None) -> PositionsSnapshot:
        """Spot has no positions: nothing is read, and nothing is in the answer."""
        now = self._now()
        return PositionsSnapshot(
            rows=(), requested_at=now, received_at=now, symbols=covering(symbol), product=Product.SPOT
        )

    def algos(self, symbol: str | None) -> AlgosSnapshot:
        """Conditional orders live among the others: nothing is read here."""
        now = self._now()
        return AlgosSnapshot(
            rows=(), requested_at=now, received_at=now, symbols=covering(symbol), product=Product.SPOT
        )

    async def order(self, symbol: str, ctx_id: str) -> OrderQueried:
        """Look one order up by its custom id; `order` not set: the venue does not show it."""
        try:
            read = await self._rest.read(
                endpoints.ORDER_QUERY, {"symbol": symbol, "origClientOrderId": ctx_id}
            )
        except VenueUnavailable as failure:
            if failure.code not in ABSENT:
                raise
            return _queried(symbol, ctx_id, failure.requested_at, failure.received_at, None)
        found = decoded(decode.order, read.body)
        return _queried(symbol, ctx_id, read.requested_at, read.received_at, found)

    async def order_by_id(self, symbol: str, order_id: int) -> OrderReport | None:
        """One order in any state; None: the venue does not show it."""
        try:
            read = await self._rest.read(endpoints.ORDER_QUERY, {"symbol": symbol, "orderId": order_id})
        except VenueUnavailable as failure:
            if failure.code not in ABSENT:
                raise
            return None
        return decoded(decode.order, read.body)

    async def prices(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        """Last trade prices of these symbols."""
        if not symbols:
            return {}
        asked = json.dumps(list(symbols), separators=(",", ":"), ensure_ascii=False)
        read = await self._rest.read(endpoints.TICKER_PRICES, {"symbols": asked})
        return decoded(decode.prices, read.body)

    # --- trades ---------------------------------------------------------------------------------------

    async def fills(self, symbol: str, since: TimeNs, from_id: int = 0) -> FillsSnapshot:
        """Every trade of ours in `symbol`, oldest first: from trade id `from_id` on, or, when that is 0,
        from the time `since` on.

        The newest page answers most questions. Further back by windows of 24 h, and by trade id inside them,
        because equal times would be skipped by paging on time (binance-spot.md 5).
        """
        if from_id > 0:
            return _joined(symbol, await self._from_id(symbol, from_id), from_id=from_id)
        newest = await self._page(symbol, {})
        if len(newest.rows) < FILLS_PER_PAGE or newest.rows[0].at < since:
            return _since(symbol, [newest], since)
        start = await self._first_since(symbol, since // MS)
        if start is None:
            return _since(symbol, [newest], since)
        return _since(symbol, await self._from_id(symbol, start), since)

    async def _first_since(self, symbol: str, start_ms: int) -> int | None:
        """Id of the first trade since a time (0: further back than is worth looking); None: there is none."""
        end_ms = self._now() // MS
        if end_ms - start_ms > WINDOWS * DAY_MS:
            return 0
        while start_ms <= end_ms:
            window = {"startTime": start_ms, "endTime": min(start_ms + FILLS_WINDOW_MS, end_ms)}
            page = await self._page(symbol, window)
            if page.rows:
                return page.rows[0].trade_id
            start_ms += FILLS_WINDOW_MS + 1
        return None

    async def _from_id(self, symbol: str, from_id: int) -> list[FillsSnapshot]:
        pages: list[FillsSnapshot] = []
        for _ in range(MAX_PAGES):
            page = await self._page(symbol, {"fromId": from_id})
            pages.append(page)
            if len(page.rows) < FILLS_PER_PAGE:
                return pages
            from_id = page.rows[-1].trade_id + 1
        raise VenueUnavailable(f"myTrades {symbol}: more than {MAX_PAGES} pages of trades")

    async def _page(self, symbol: str, where: dict[str, int]) -> FillsSnapshot:
        read = await self._rest.read(
            endpoints.MY_TRADES, {"symbol": symbol, "limit": FILLS_PER_PAGE, **where}
        )
        return decoded(
            lambda body: decode.fills(
                body, symbol=symbol, requested_at=read.requested_at, received_at=read.received_at
            ),
            read.body,
        )


def _since(symbol: str, pages: list[FillsSnapshot], since: TimeNs) -> FillsSnapshot:
    return _joined(symbol, pages, keep=lambda row: row.at >= since // MS * MS)


def _joined(
    symbol: str,
    pages: list[FillsSnapshot],
    *,
    from_id: int = 0,
    keep: Callable[[FillRow], bool] = lambda _: True,
) -> FillsSnapshot:
    rows = {row.trade_id: row for page in pages for row in page.rows if keep(row)}
    return FillsSnapshot(
        symbol=symbol,
        rows=tuple(rows[number] for number in sorted(rows)),
        requested_at=pages[0].requested_at,
        received_at=pages[-1].received_at,
        product=Product.SPOT,
        from_id=from_id,
    )


def _queried(
    symbol: str, ctx_id: str, requested_at: TimeNs, received_at: TimeNs, order: OrderReport | None
) -> OrderQueried:
    return OrderQueried(
        symbol=symbol,
        ctx_id=ctx_id,
        surface=Surface.REGULAR,
        requested_at=requested_at,
        received_at=received_at,
        order=order,
        product=Product.SPOT,
    )
