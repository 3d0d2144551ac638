"""Foreseen fills: the stop, or a lot's SELL, leaves first; the bookkeeping follows in the same call.

A fill comes as several frames of one read. Folding them and deciding costs more than sending, and for a
resting entry all of that was done while the market was quiet (`core.foresight`). So the frames of a fill that
was foreseen are held until position and trade are both there (B-1), the prepared stop is handed to the
socket, and then every frame is folded, recorded and planned as ever. The plan must ask for what has left
already; the executor sees to it that nothing leaves twice. On spot the trade alone settles it: the SELL of
its lot is prepared but for the lot's number (`core.foreseen_sale`), and nothing is held.

A frame is held until its read is over at the latest, and nothing is held while no forecast fits.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from backstay.core.account_scopes import scope_of
from backstay.core.contexts import Request
from backstay.core.engine import Engine
from backstay.core.events import AccountReport, AnyEvent, FillNotice, OrderReport
from backstay.core.foreseen_sale import SaleForecast, foresee_sale
from backstay.core.foresight import Forecast, foresee
from backstay.core.next_sale import of_lot
from backstay.core.standby import named_scopes
from backstay.core.state import AccountState
from backstay.core.types import PositionMode, Product, Scope, TimeNs
from backstay.runtime.arming import standby_requests
from backstay.runtime.executor import Executor
from backstay.runtime.ports import Clock, Entropy

_TRADES = (FillNotice, OrderReport)

type AnyForecast = Forecast | SaleForecast


class Host(Protocol):
    """What foresight needs of the owner."""

    @property
    def account(self) -> AccountState: ...

    @property
    def executor(self) -> Executor: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def live(self) -> bool:
        """Events are folded as they come: no read of the account is under way."""
        ...

    def take_in(self, event: AnyEvent) -> None: ...

    def keep(self, deed: Callable[[], None]) -> None: ...


class Foresight:
    """The forecasts of one account, and the frames of the fill that is arriving."""

    def __init__(self, host: Host, engine: Engine, entropy: Entropy) -> None:
        self._host = host
        self._engine = engine
        self._entropy = entropy
        self._loop = asyncio.get_running_loop()
        self._by_scope: dict[Scope, AnyForecast] = {}
        self._by_order: dict[str, AnyForecast] = {}
        self._requests: dict[str, Request] = {}
        """By the custom id of the order that is expected to fill: what will leave."""
        self._wished: set[Scope] = set()
        self._held: list[AnyEvent] = []
        self._arriving: AnyForecast | None = None
        """The forecast that the held events are about."""
        self._filled = self._positioned = False

    def begin(self, mode: PositionMode) -> None:
        """The account is read: look ahead also where nothing was ever heard of, but a manager names it."""
        for key in named_scopes(self._engine, mode):
            self.wish(key)

    def wish(self, key: Scope) -> None:
        """A flat scope came to rest: look ahead when whatever is under way is over."""
        if not self._wished:
            self._loop.call_soon(self._look_ahead)
        self._wished.add(key)

    def takes(self, event: AnyEvent) -> bool:
        """Whether `event` belongs to a foreseen fill and is dealt with; anything else ends the holding."""
        if not self._by_order:
            return False
        forecast = self._forecast(event)
        if forecast is None or (self._arriving is not None and self._arriving is not forecast):
            self._release()
            return False
        host = self._host
        if not host.live or not forecast.holds(host.account, event):
            self._release()
            return False
        self._arriving = forecast
        if type(event) is AccountReport:
            self._positioned = True
        else:
            self._filled = True
        self._held.append(event)
        if self._filled and (self._positioned or forecast.by_trade_alone):
            host.executor.place_ahead(_answer(self._requests[forecast.order], event))
            self._release()
        elif len(self._held) == 1:
            self._loop.call_soon(self._release)
        return True

    def _forecast(self, event: AnyEvent) -> AnyForecast | None:
        """The forecast that `event` is one half of."""
        if isinstance(event, _TRADES):
            forecast = self._by_order.get(event.client_id)
            return forecast if forecast is not None and forecast.is_filled_by(event) else None
        if isinstance(event, AccountReport):
            for row in event.positions:
                forecast = self._by_scope.get(scope_of(event.product, row.symbol, row.position_side))
                if forecast is not None and forecast.is_position_of(event):
                    return forecast
        return None

    def _release(self) -> None:
        """Take in what was put aside, in order of arrival."""
        if not self._held:
            return
        held, self._held = self._held, []
        self._arriving = None
        self._filled = self._positioned = False
        for event in held:
            self._host.take_in(event)
        self._host.keep(self._host.executor.settle_ahead)

    def _look_ahead(self) -> None:
        wished, self._wished = self._wished, set()
        now = self._host.clock.now_ns()
        self._stand_by(wished, now)
        for key in wished:
            stale = self._by_scope.pop(key, None)
            if stale is not None:
                self._by_order.pop(stale.order, None)
                self._requests.pop(stale.order, None)
            forecast = self._foreseen(key, now) if self._host.live else None
            if forecast is not None:
                self._by_scope[key] = self._by_order[forecast.order] = forecast

    def _foreseen(self, key: Scope, now: TimeNs) -> AnyForecast | None:
        """The forecast for a scope whose request is ready as well."""
        look = foresee_sale if key.product is Product.SPOT else foresee
        forecast = look(self._host.account, key, self._engine, now)
        if forecast is None:
            return None
        request = self._host.executor.foreseen(forecast.answer, forecast.after)
        if request is None:
            return None
        self._requests[forecast.order] = request
        return forecast

    def _stand_by(self, wished: Iterable[Scope], now: TimeNs) -> None:
        """See that a position opened by hand finds the context of its first stop written (decision 0024).

        Before the forecasts: they hold for the state that they were made from.
        """
        host = self._host
        if not host.live or not host.executor.may_send():
            return
        groups = []
        for key in sorted(wished):
            requests = standby_requests(host.account, key, self._engine, self._entropy, now)
            if requests:
                groups.append(requests)
        host.keep(partial(host.executor.stand_by, groups))


def _answer(request: Request, event: AnyEvent) -> Request:
    """What leaves for this fill: the prepared request, with the lot that the trade has made of it."""
    ctx = request.context
    if ctx is None or not ctx.slot.lots or not isinstance(event, OrderReport):
        return request
    slot = of_lot(ctx.slot, event.trade_id)
    return replace(request, key=slot.key, context=replace(ctx, slot=slot))
