"""What a running guard shows and takes: the control socket and the page ask here."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

import msgspec

from backstay import __version__
from backstay.app import status
from backstay.app.flatness import cancel_strangers, left_at_venue
from backstay.app.guard import Guard
from backstay.app.lot_figures import held_lots, lot_figures, why_not_offered
from backstay.app.lot_table import lot_table
from backstay.app.news import News
from backstay.app.words import number
from backstay.binance.net.gateway import VenueStatus
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import SECOND, Product
from backstay.runtime.control import ControlError
from backstay.telemetry.redaction import redact

FRESH = 3 * SECOND
"""Prices younger than this are not read again."""
PATIENCE_S = 2.0


class GuardHost:
    """Implements `runtime.control.Host` for a guard; `extra` adds to the status (the demo's figures)."""

    def __init__(self, guard: Guard, *, extra: Callable[[], dict[str, Any]] | None = None) -> None:
        self.guard = guard
        self.news = News(lambda: guard.owner.account)
        self._extra = extra
        self.missing = ""
        """Why this account could finally not be had while another one is guarded; empty: it was not so."""
        self.database: Callable[[], str] = lambda: "none"
        """One line on the store, for who keeps one."""
        self._refreshed_at = 0
        self._refreshing: asyncio.Task[None] | None = None
        self._cancelling: asyncio.Task[None] | None = None
        guard.listeners.append(self.news.record)

    @property
    def ready(self) -> bool:
        """The account was taken over."""
        return self.guard.owner.ready.is_set()

    def command(self, event: OperatorCommand) -> int:
        """Fold, record and act upon an operator's command.

        `ack` and `resume` of everything also end a venue halt in the gateway. A reason is kept as it was
        given, but for secrets.
        """
        event = msgspec.structs.replace(event, reason=redact(event.reason))
        ends_halt = event.scope is None and event.action in {OperatorAction.ACK, OperatorAction.RESUME}
        released = 0
        if ends_halt and self.guard.venue.status().halted:
            self.guard.venue.release_halt(event.reason or f"{event.action} by {event.who}")
            released = self.guard.journal.seq
        seq = self.guard.owner.command(event) or released
        if event.action is OperatorAction.KILL and event.cancel_foreign:
            symbol = event.scope.symbol if event.scope is not None else ""
            self._cancelling = asyncio.get_running_loop().create_task(self._cancel_strangers(symbol))
        return seq

    async def _cancel_strangers(self, symbol: str) -> None:
        try:
            await cancel_strangers(self.guard, symbol)
        except VenueUnavailable as failure:
            self.guard.world.log(f"not every order of others is cancelled: {failure}")

    async def verify(self) -> dict[str, Any]:
        """What the venue, read again, still shows. Raises ControlError."""
        if self._cancelling is not None:
            await self._cancelling
        try:
            left = await left_at_venue(self.guard)
        except VenueUnavailable as failure:
            raise ControlError(f"the exchange cannot be read: {failure}", exit_code=5) from None
        return {"positions": list(left.positions), "strangers": list(left.strangers)}

    async def refresh(self) -> None:
        """Read mark and liquidation prices anew, because somebody looks; a fresh reading is kept.

        Only for screens: nothing of it is evidence. Without an answer the older prices stay.
        """
        owner = self.guard.owner
        now = owner.clock.now_ns()
        venue = self.guard.venue.status()
        idle = self.guard.config.product is Product.SPOT or not any(
            s.position.quantity for s in owner.account.scopes.values()
        )
        fresh = now - self._refreshed_at < FRESH
        if fresh or idle or not venue.private_up or venue.halted or venue.limited_until > now:
            return
        self._refreshed_at = now
        with contextlib.suppress(VenueUnavailable, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                self.news.prices(await self.guard.venue.read_positions(None))

    def refresh_soon(self) -> None:
        """Start a reading, unless one is under way; its prices are there when it is next looked."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self.refresh())

    def positions(self) -> list[dict[str, Any]]:
        owner = self.guard.owner
        return status.rows(
            owner.account,
            owner.engine,
            owner.clock.now_ns(),
            marks={**self.news.marks, **self.guard.owner.marks},
            liquidations=self.news.liquidations,
        )

    def lots(self) -> dict[str, Any] | None:
        """The lots that a page shows (`lot_table`); None: this account has none."""
        if self.guard.config.product is not Product.SPOT:
            return None
        owner = self.guard.owner
        return lot_table(owner.account, owner.engine, owner.clock.now_ns())

    def status(self) -> dict[str, Any]:
        """The document of `positions status` and of the page."""
        owner, config, news = self.guard.owner, self.guard.config, self.news
        account, stats, now = owner.account, owner.stats, owner.clock.now_ns()
        table, venue = self.positions(), self.guard.venue.status()
        waiting = status.reviews(account, owner.last)
        held = tuple(held_lots(account, owner.engine, now)) if config.product is Product.SPOT else ()
        grade, why = status.health(account, table, waiting)
        if self.missing:
            grade, why = "alarm", f"not guarded: {self.missing}"
        elif grade == "ok" and (hold := why_not_offered(held)):
            grade, why = "attention", hold
        document: dict[str, Any] = {
            "version": __version__,
            "pid": os.getpid(),
            "product": config.product.value,
            "account": config.account,
            "mode": config.mode.value,
            "environment": config.environment,
            "armed": config.armed,
            "position_mode": config.position_mode.value,
            "now": status.iso(now),
            "started_at": status.iso(stats.started_at),
            "uptime_s": (now - stats.started_at) // SECOND if stats.started_at else 0,
            "ready": owner.ready.is_set(),
            "health": {"grade": grade, "why": why},
            "last_event_age_s": (now - stats.last_event_at) // SECOND if stats.last_event_at else None,
            "positions": status.counts(table),
            **_links(venue),
            "gates": status.gates(account),
            "reviews": waiting,
            "naked_ms": {**status.percentiles(stats.naked_ms), "count": len(stats.naked_ms)},
            "counters": self._counters(),
            "ledger": {"records": self.guard.journal.seq, "durable": self.guard.journal.durable_seq},
            "marks": {name: number(price) for name, price in {**news.marks, **owner.marks}.items()},
            "database": self.database(),
            "errors": news.errors(),
            "news": news.recent(),
            "market": self.guard.market.status() if self.guard.market is not None else [],
        }
        if config.product is Product.SPOT:
            document["lots"] = lot_figures(held)
        return document | (self._extra() if self._extra is not None else {})

    def _counters(self) -> dict[str, int]:
        """Since the start of this process."""
        stats, news = self.guard.owner.stats, self.news
        return {
            "events": stats.events,
            "dropped": stats.dropped,
            "passes": stats.passes,
            "recoveries": stats.recoveries,
            "requests_sent": news.requests_sent,
            "stops_placed": news.stops_placed,
            "duplicates": news.duplicates,
            "foreign_touched": news.foreign_touched,
            "refused": news.refused,
            "incidents": news.incidents,
            "unprotected_alarms": stats.unprotected_alarms,
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything that the page shows, in one document."""
        self.refresh_soon()
        return {"status": self.status(), "positions": self.positions(), "lots": self.lots()}


def _links(venue: VenueStatus) -> dict[str, Any]:
    """How the venue is reached."""
    return {
        "streams": {
            "private": "up" if venue.private_up else "down",
            "orders": "up" if venue.orders_up else "down",
            "market": "up" if venue.market_up else "down",
        },
        "clock": {"offset_ms": venue.clock_offset_ms, "round_trip_ms": venue.clock_round_trip_ms},
        "rate_budget": {
            "limited_until": status.iso(venue.limited_until),
            "halted": venue.halted,
            "refused_429": venue.refused_by_limit,
            "banned_418": venue.banned,
            "orders_outstanding": venue.orders_outstanding,
            "orders_by_ws": venue.orders_by_ws,
            "orders_by_rest": venue.orders_by_rest,
            "left": venue.headroom,
        },
    }
