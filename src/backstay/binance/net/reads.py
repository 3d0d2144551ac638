"""Snapshots over REST, as core's events with the venue times of their request and answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.rest import Read
from backstay.binance.wire import decode_klines, decode_rest, endpoints
from backstay.binance.wire.decode_klines import KlineRow
from backstay.binance.wire.endpoints import Endpoint
from backstay.binance.wire.errors import WireError
from backstay.binance.wire.sign import WsValue
from backstay.core.events import (
    AccountModeSnapshot,
    AlgoReport,
    AlgosSnapshot,
    BalancesSnapshot,
    FillRow,
    FillsSnapshot,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    PositionsSnapshot,
)
from backstay.core.types import MS, Surface, TimeNs

NO_SUCH_ORDER = -2013
FILLS_PER_PAGE = ORDERS_PER_PAGE = 1000
FILLS_WINDOW_MS = 7 * 24 * 3600 * 1000 - 1
"""The venue refuses windows above 7 days."""
FILLS_REACH_MS = 90 * 24 * 3600 * 1000
"""Trades are kept for about three months (2026-08)."""
MAX_PAGES = 200


class Asks(Protocol):
    """Whoever gets the body of a read: REST, or a venue in the same process."""

    async def read(self, endpoint: Endpoint, params: Mapping[str, WsValue] | None = None) -> Read: ...


class Reads:
    """Every `read_*` of the venue port. All raise VenueUnavailable."""

    def __init__(self, rest: Asks, *, fee_symbol: str = "") -> None:
        """`fee_symbol`: the symbol whose fee rates stand for the account's; empty: fees are not read."""
        self._rest = rest
        self._fee_symbol = fee_symbol

    async def account_mode(self) -> AccountModeSnapshot:
        config = await self._rest.read(endpoints.ACCOUNT_CONFIG)
        symbols = await self._rest.read(endpoints.SYMBOL_CONFIG)
        last = symbols
        fees = None
        if self._fee_symbol:
            last = await self._rest.read(endpoints.COMMISSION_RATE, {"symbol": self._fee_symbol})
            fees = decoded(decode_rest.commission_rate, last.body)
        return decode_rest.account_mode(
            decoded(decode_rest.account_config, config.body),
            decoded(decode_rest.symbol_config, symbols.body),
            fees,
            received_at=last.received_at,
        )

    async def instruments(self) -> tuple[decode_rest.ExchangeInfo, TimeNs]:
        """exchangeInfo with what it says besides (dropped symbols, the venue's limits), and when it came."""
        read = await self._rest.read(endpoints.EXCHANGE_INFO)
        return decoded(decode_rest.exchange_info, read.body), read.received_at

    async def positions(self, symbol: str | None) -> PositionsSnapshot:
        read = await self._rest.read(endpoints.POSITION_RISK, only(symbol))
        return decoded(
            lambda body: decode_rest.positions(
                body, requested_at=read.requested_at, received_at=read.received_at, symbols=covering(symbol)
            ),
            read.body,
        )

    async def balances(self) -> BalancesSnapshot:
        read = await self._rest.read(endpoints.BALANCE)
        return decoded(
            lambda body: decode_rest.balances(
                body, requested_at=read.requested_at, received_at=read.received_at
            ),
            read.body,
        )

    async def orders(self, symbol: str | None) -> OrdersSnapshot:
        read = await self._rest.read(endpoints.OPEN_ORDERS, only(symbol))
        return decoded(
            lambda body: decode_rest.open_orders(
                body, requested_at=read.requested_at, received_at=read.received_at, symbols=covering(symbol)
            ),
            read.body,
        )

    async def algos(self, symbol: str | None) -> AlgosSnapshot:
        read = await self._rest.read(endpoints.OPEN_ALGOS, only(symbol))
        return decoded(
            lambda body: decode_rest.open_algos(
                body, requested_at=read.requested_at, received_at=read.received_at, symbols=covering(symbol)
            ),
            read.body,
        )

    async def fills(self, symbol: str, since: TimeNs, now: TimeNs) -> FillsSnapshot:
        """Every trade of ours in `symbol` from `since` on, oldest first.

        Windows of 7 days at most; inside a full page on by trade id, because equal times would be skipped
        by paging on time (binance-usdm.md 1).
        """
        rows: dict[int, FillRow] = {}
        end = now // MS
        start = max(since // MS, end - FILLS_REACH_MS)
        first: FillsSnapshot | None = None
        last: FillsSnapshot | None = None
        for _ in range(MAX_PAGES):
            stop = min(start + FILLS_WINDOW_MS, end)
            page = last = await self._fills(symbol, {"startTime": start, "endTime": stop})
            first = first or page
            while len(page.rows) >= FILLS_PER_PAGE and page.rows[-1].at <= stop * MS:
                rows.update((row.trade_id, row) for row in page.rows)
                page = last = await self._fills(symbol, {"fromId": page.rows[-1].trade_id + 1})
            rows.update((row.trade_id, row) for row in page.rows)
            if stop >= end:
                return FillsSnapshot(
                    symbol=symbol,
                    rows=tuple(sorted(rows.values(), key=lambda row: (row.at, row.trade_id))),
                    requested_at=first.requested_at,
                    received_at=last.received_at,
                )
            start = stop + 1
        raise VenueUnavailable(f"userTrades {symbol}: more than {MAX_PAGES} pages since {since // MS}")

    async def klines(self, symbol: str, interval: str, start: TimeNs, end: TimeNs) -> tuple[KlineRow, ...]:
        """Bars that open from `start` to before `end`, at most `KLINES_MOST`, oldest first."""
        window = {"startTime": start // MS, "endTime": end // MS - 1, "limit": endpoints.KLINES_MOST}
        read = await self._rest.read(endpoints.KLINES, {"symbol": symbol, "interval": interval, **window})
        return decoded(decode_klines.klines, read.body)

    async def _fills(self, symbol: str, window: dict[str, int]) -> FillsSnapshot:
        read = await self._rest.read(
            endpoints.USER_TRADES, {"symbol": symbol, "limit": FILLS_PER_PAGE, **window}
        )
        page = decoded(
            lambda body: decode_rest.fills(
                body, symbol=symbol, requested_at=read.requested_at, received_at=read.received_at
            ),
            read.body,
        )
        return msgspec.structs.replace(page, rows=tuple(sorted(page.rows, key=lambda row: row.trade_id)))

    async def order(self, symbol: str, ctx_id: str, surface: Surface) -> OrderQueried:
        """Look one order up by its custom id; neither `order` nor `algo` set: the venue does not show it."""
        if surface is Surface.ALGO:
            return await self._algo(symbol, ctx_id)
        try:
            read = await self._rest.read(
                endpoints.ORDER_QUERY, {"symbol": symbol, "origClientOrderId": ctx_id}
            )
        except VenueUnavailable as failure:
            return self._absent(symbol, ctx_id, surface, failure)
        return _queried(symbol, ctx_id, surface, read, decoded(decode_rest.order, read.body))

    async def _algo(self, symbol: str, ctx_id: str) -> OrderQueried:
        """The open list, then the list of all, then the single query: the last one has been seen to say
        "no such order" about an order that the first one showed (binance.md 9).
        """
        requested_at = 0
        for endpoint in (endpoints.OPEN_ALGOS, endpoints.ALL_ALGOS):
            read = await self._rest.read(endpoint, {"symbol": symbol})
            requested_at = requested_at or read.requested_at
            for row in decoded(decode_rest.algos, read.body):
                if row.client_id == ctx_id:
                    return _queried(symbol, ctx_id, Surface.ALGO, read, row, requested_at)
        try:
            read = await self._rest.read(endpoints.ALGO_QUERY, {"clientAlgoId": ctx_id})
        except VenueUnavailable as failure:
            return self._absent(symbol, ctx_id, Surface.ALGO, failure, requested_at)
        row = decoded(decode_rest.algo, read.body)
        return _queried(symbol, ctx_id, Surface.ALGO, read, row, requested_at)

    async def several(self, symbol: str, ctx_ids: Sequence[str], surface: Surface) -> list[OrderQueried]:
        """Look several recent orders of a symbol up by one read of all that it had in the last 7 days.

        Each by itself where the page is full: then it may not hold all of them.
        """
        endpoint = endpoints.ALL_ALGOS if surface is Surface.ALGO else endpoints.ALL_ORDERS
        read = await self._rest.read(endpoint, {"symbol": symbol, "limit": ORDERS_PER_PAGE})
        rows: Sequence[AlgoReport | OrderReport]
        if surface is Surface.ALGO:
            rows = decoded(decode_rest.algos, read.body)
        else:
            rows = decoded(decode_rest.orders, read.body)
        if len(rows) >= ORDERS_PER_PAGE:
            return [await self.order(symbol, ctx_id, surface) for ctx_id in ctx_ids]
        found = {row.client_id: row for row in rows}
        return [_queried(symbol, ctx_id, surface, read, found.get(ctx_id)) for ctx_id in ctx_ids]

    def _absent(
        self, symbol: str, ctx_id: str, surface: Surface, failure: VenueUnavailable, requested_at: TimeNs = 0
    ) -> OrderQueried:
        if failure.code != NO_SUCH_ORDER:
            raise failure
        return OrderQueried(
            symbol=symbol,
            ctx_id=ctx_id,
            surface=surface,
            requested_at=requested_at or failure.requested_at,
            received_at=failure.received_at,
        )


def _queried(
    symbol: str,
    ctx_id: str,
    surface: Surface,
    read: Read,
    row: AlgoReport | OrderReport | None,
    asked_at: TimeNs = 0,
) -> OrderQueried:
    """What a read tells of one order; `asked_at`: when the first of several reads left, if there were any."""
    return OrderQueried(
        symbol=symbol,
        ctx_id=ctx_id,
        surface=surface,
        requested_at=asked_at or read.requested_at,
        received_at=read.received_at,
        order=row if isinstance(row, OrderReport) else None,
        algo=row if isinstance(row, AlgoReport) else None,
    )


def only(symbol: str | None) -> dict[str, WsValue]:
    return {} if symbol is None else {"symbol": symbol}


def covering(symbol: str | None) -> tuple[str, ...]:
    return () if symbol is None else (symbol,)


def decoded[T](decode: Callable[[bytes], T], body: bytes) -> T:
    """A body that cannot be read is a failed read, told as such."""
    try:
        return decode(body)
    except WireError as unreadable:
        raise VenueUnavailable(f"unreadable answer: {unreadable}") from None
