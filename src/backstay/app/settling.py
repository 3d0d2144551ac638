"""Account settings before the first entry: position mode, multi-assets mode, margin type, leverage.

What is configured is compared with what the venue says; a difference is settled only while no position and no
order of what it concerns exists, and again and again until that is so. Each outcome is a record, and until it
is as configured the symbol's gate keeps exposure away. Protection is never held up.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from backstay.binance.net.venue import BinanceVenue
from backstay.core import algo_orders, orders
from backstay.core.account_scopes import of_symbol
from backstay.core.account_settings import AccountSettingUpdated, SettingOutcome
from backstay.core.engine import Engine
from backstay.core.events import AccountModeSnapshot, LeverageRow
from backstay.core.modes import may_send
from backstay.core.outcomes import VenueUnavailable
from backstay.core.state import ScopeState
from backstay.core.types import Mode, PositionMode
from backstay.runtime.owner import Owner
from backstay.strategies.scored.policy import MarginType, ScoredPolicy

AGAIN_S = 30.0
OPEN = "a position or an order is open; it is set when there is none"
LAST_OF_TRANSPORT = -1100
"""Codes above it are about connections, clocks and limits: asked again, they may answer otherwise."""
ADVICE = {
    -4028: "the symbol does not allow this leverage: lower `settings.leverage`",
    -4161: "leverage is not lowered under an isolated position: close it first",
    -2027: "what is open does not fit this leverage: lower `settings.leverage`",
    -2028: "the balance does not suffice for what is open at this leverage",
    -4168: "isolated margin does not exist in multi-assets mode: set `settings.multi_assets: false`",
    -4167: "a symbol has isolated margin, which multi-assets mode does not know",
}


class Wish(msgspec.Struct, frozen=True):
    """One setting as configured."""

    setting: str
    value: str
    symbol: str = ""


def wishes(engine: Engine, position_mode: PositionMode) -> tuple[Wish, ...]:
    """What the managers want set, the account's before the symbols', margin types before leverages."""
    found: dict[Wish, None] = {}
    policies = [m.policy for m in engine.managers if isinstance(m.policy, ScoredPolicy)]
    for policy in policies:
        if policy.settings.switch_position_mode:
            found[Wish("position_mode", position_mode.value)] = None
        if policy.settings.multi_assets is not None:
            found[Wish("multi_assets", _word(policy.settings.multi_assets))] = None
    for policy in policies:
        for symbol in policy.symbols:
            if policy.settings.margin_type is not None:
                found[Wish("margin_type", policy.settings.margin_type.value, symbol)] = None
            if policy.settings.leverage is not None:
                found[Wish("leverage", str(policy.settings.leverage), symbol)] = None
    return tuple(found)


class Settling:
    """Settles the wishes of one account; `run` returns after the first attempt at all of them."""

    def __init__(
        self,
        owner: Owner,
        venue: BinanceVenue,
        wanted: Iterable[Wish],
        *,
        mode: Mode,
        armed: bool,
        tell: Callable[[str], None],
    ) -> None:
        self._owner = owner
        self._venue = venue
        self._open = list(wanted)
        self._sends = may_send(mode, armed)
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    @property
    def is_due(self) -> bool:
        """Something can be set now, and is tried again before long."""
        return any(not self._is_open(wish.symbol) for wish in self._open)

    async def run(self) -> None:
        """Settle what can be settled now; the rest is tried again in the background."""
        await self._attempt()
        if self._open:
            self._task = asyncio.get_running_loop().create_task(self._go_on(), name="account settings")

    def abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.abandon()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_on(self) -> None:
        while self._open:
            await asyncio.sleep(AGAIN_S)
            await self._attempt()

    async def _attempt(self) -> None:
        if not self._open:
            return
        try:
            known = await self._venue.read_account_mode()
        except VenueUnavailable as failure:
            for wish in self._open:
                self._record(wish, SettingOutcome.FAILED, reason=f"the account cannot be read: {failure}")
            return
        self._open = [wish for wish in self._open if not await self._settle(wish, known)]

    async def _settle(self, wish: Wish, known: AccountModeSnapshot) -> bool:
        """Whether nothing is left to do for it."""
        was = _actual(wish, known)
        if was == wish.value:
            self._record(wish, SettingOutcome.UNCHANGED, was)
            return True
        if not self._sends:
            self._record(wish, SettingOutcome.NOT_SENT, was, reason="this mode sends nothing")
            return True
        if self._is_open(wish.symbol):
            self._record(wish, SettingOutcome.WAITS, was, reason=OPEN)
            return False
        try:
            reason = await self._change(wish)
        except VenueUnavailable as failure:
            return self._failed(wish, was, failure)
        outcome = SettingOutcome.REFUSED if reason else SettingOutcome.APPLIED
        self._record(wish, outcome, was, reason=reason)
        return True

    async def _change(self, wish: Wish) -> str:
        """Ask the venue; returns why it is not as wanted, empty: it is. Raises VenueUnavailable."""
        settings = self._venue.settings
        match wish.setting:
            case "position_mode":
                await settings.position_mode(hedge=wish.value == PositionMode.HEDGE)
                self._owner.on_event(await self._venue.read_account_mode())
            case "multi_assets":
                await settings.multi_assets(on=wish.value == _word(True))
            case "margin_type":
                await settings.margin_type(wish.symbol, isolated=wish.value == MarginType.ISOLATED)
            case _:
                return await self._leverage(wish)
        return ""

    async def _leverage(self, wish: Wish) -> str:
        wanted = int(wish.value)
        brackets = await self._venue.settings.brackets(wish.symbol)
        highest = brackets[0].leverage if brackets else 0
        if highest and wanted > highest:
            return (
                f"{wish.symbol} allows at most {highest}x, and settings.leverage is {wanted}; "
                f"write {highest} or less"
            )
        applied = await self._venue.settings.leverage(wish.symbol, wanted)
        return "" if applied == wanted else f"the venue applied {applied}x instead of {wanted}x"

    def _failed(self, wish: Wish, was: str, failure: VenueUnavailable) -> bool:
        if failure.code in {-4047, -4048, -4067, -4068, -4170}:
            self._record(wish, SettingOutcome.WAITS, was, reason=OPEN, code=failure.code)
            return False
        if failure.code <= LAST_OF_TRANSPORT:
            advice = ADVICE.get(failure.code, str(failure))
            self._record(wish, SettingOutcome.REFUSED, was, reason=advice, code=failure.code)
            return True
        self._record(wish, SettingOutcome.FAILED, was, reason=str(failure))
        return False

    def _is_open(self, symbol: str) -> bool:
        """A position or an order that such a change would concern."""
        account = self._owner.account
        keys = of_symbol(account, symbol) if symbol else list(account.scopes)
        return any(_is_busy(account.scopes[key]) for key in keys)

    def _record(
        self, wish: Wish, outcome: SettingOutcome, was: str = "", *, reason: str = "", code: int = 0
    ) -> None:
        event = AccountSettingUpdated(
            setting=wish.setting,
            value=wish.value,
            outcome=outcome,
            symbol=wish.symbol,
            was=was,
            code=code,
            reason=reason,
        )
        self._owner.on_event(event)
        if outcome not in (SettingOutcome.UNCHANGED, SettingOutcome.APPLIED):
            self._tell(f"{wish.setting} {wish.symbol}".rstrip() + f" is not {wish.value}: {reason}")


def _is_busy(s: ScopeState) -> bool:
    return (
        bool(s.position.quantity or s.pendings)
        or any(orders.is_open(row) for row in s.orders.values())
        or any(algo_orders.is_open(row) for row in s.algos.values())
    )


def _word(on: bool) -> str:
    return "on" if on else "off"


def _actual(wish: Wish, known: AccountModeSnapshot) -> str:
    """What the venue says; empty: nothing."""
    if wish.setting == "position_mode":
        return known.position_mode.value
    if wish.setting == "multi_assets":
        return _word(known.multi_assets)
    row = next((r for r in known.leverages if r.symbol == wish.symbol), None)
    if row is None:
        return ""
    return str(row.leverage) if wish.setting == "leverage" else _margin(row)


def _margin(row: LeverageRow) -> str:
    return (MarginType.ISOLATED if row.isolated else MarginType.CROSSED).value
