"""Nothing is entered while something forbids it, judged by what the venue knows and had told a while before.

A request that was on its way when the reason came is no breach: whatever forbids must have been known for
`LAG_MS`. Clocks that a fault has set wrong, and answers that were lost, widen what can be asked for.
"""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from backstay.core.types import MS
from backstay.simulation.observers.base import Sent, leg_name
from backstay.simulation.observers.scored_base import ScoredObserver
from backstay.simulation.scene import ZERO, LegKey
from backstay.simulation.scored_scene import Life, ScoredScene

LAG_MS = 1_500
CLOCK_MS = 6_000
"""What a local clock may be off, and more than what the venue's is."""
SILENCE_MS = 15_000
DRIFT = Decimal("1.03")
"""Between the price that a limit was judged by and the one that was paid."""
BALANCE = Decimal(100_000)
"""Of the account, in the margin asset, when a run begins."""


class Gated(ScoredObserver):
    name = "gated"
    words = "nothing is entered while something forbids it"

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._entries: deque[int] = deque()
        self._used_up_ms = 0
        """Since when the process has been told of a day's loss beyond the limit; 0: it has not."""

    def heard(self, legs: set[LegKey]) -> None:
        share = self.watch.setup.limits.daily_loss_limit
        if share is None:
            return
        if self.watch.told.wallet > -share * BALANCE * DRIFT:
            self._used_up_ms = 0
        elif not self._used_up_ms:
            self._used_up_ms = self.watch.now_ms()

    def arrived(self, sent: Sent) -> None:
        if not self.watch.enters(sent) or sent.held_up or not self.watch.managed(sent.key):
            return
        for why in self._reasons(sent):
            self.say(f"{leg_name(sent.key)}: {sent.client_id} enters, and {why}")
        self._entries.append(sent.at_ms)

    def _reasons(self, sent: Sent) -> Iterator[str]:
        """Everything that forbids this entry."""
        watch, before = self.watch, sent.at_ms - LAG_MS
        if 0 < watch.flattening_ms < before:
            yield "the kill switch is on"
        if 0 < watch.paused_ms < before:
            yield "the operator has paused it"
        silent = sent.at_ms - max(watch.marked_ms.get(sent.key[0], 0), watch.ready_ms)
        if silent > SILENCE_MS + CLOCK_MS:
            yield f"no mark price was heard for {silent} ms"
        if 0 < self._used_up_ms < before and watch.truth.wallet <= -self._daily():
            yield f"{watch.truth.wallet} was lost today"
        yield from self._review(sent, before)
        yield from self._pauses(sent)
        yield from self._caps(sent, before)

    def _daily(self) -> Decimal:
        share = self.watch.setup.limits.daily_loss_limit
        return share * BALANCE if share is not None else ZERO

    def _review(self, sent: Sent, before: int) -> Iterator[str]:
        """Somebody else's order or position, known to the process and not acknowledged."""
        watch, key = self.watch, sent.key
        theirs = {
            o.venue_id for o in watch.truth.resting(key, ours=False) if o.since_ms < before
        } - watch.acked_orders
        if theirs & {o.venue_id for o in watch.told.resting(key, ours=False) if o.since_ms < before}:
            yield "an order that is not ours rests there"
        life, known = watch.truth.life(key), watch.told.life(key)
        if life is not None and known is not None and life.opened_ms == known.opened_ms < before:
            if not life.ours:
                yield "the position there was opened by hand"
            elif life.long is not (sent.params["side"] == "BUY"):
                yield "the position there is of the other direction"

    def _pauses(self, sent: Sent) -> Iterator[str]:
        """After a close, a loss, a row of losses; and so many orders in a minute."""
        watch, limits, rule = self.watch, self.watch.setup.limits, self.watch.setup.policy.cool_down
        if watch.truth.life(sent.key) is None:
            last = self._known(sent.key)[-1:]
            for life in last:
                lost = life.realized < 0
                pause = rule.after_loss if lost else rule.after_close
                if self._troubled(life):  # what it brought may not be known
                    pause = min(rule.after_loss, rule.after_close)
                if sent.at_ms < life.closed_ms + pause // MS - CLOCK_MS:
                    yield f"its last position ended {sent.at_ms - life.closed_ms} ms ago"
        if limits.loss_streak is not None:
            ended = sorted(
                (x for key in watch.truth.lives for x in self._known(key)), key=lambda x: -x.closed_ms
            )
            streak = ended[: limits.loss_streak]
            lost = all(x.realized < 0 and not self._troubled(x) for x in streak)
            if lost and len(streak) == limits.loss_streak:
                since = sent.at_ms - streak[0].closed_ms
                if LAG_MS < since < limits.loss_pause // MS - CLOCK_MS:
                    yield f"the last {len(streak)} positions lost"
        if limits.max_orders_per_minute is not None:
            while self._entries and self._entries[0] <= sent.at_ms - 60_000 + CLOCK_MS:
                self._entries.popleft()
            if len(self._entries) >= limits.max_orders_per_minute:
                yield f"{len(self._entries)} entries left within the last minute"

    def _known(self, key: LegKey) -> list[Life]:
        """Lives of a leg that have ended, oldest first, and of whose end the process was told."""
        told = {x.closed_ms for x in self.watch.told.lives.get(key, ())}
        lives = self.watch.truth.lives.get(key, ())
        return [x for x in lives if x.closed_ms and x.closed_ms in told]

    def _troubled(self, life: Life) -> bool:
        """The process may have missed what the life brought."""
        return self.watch.in_trouble(life.opened_ms, life.closed_ms + LAG_MS)

    def _caps(self, sent: Sent, before: int) -> Iterator[str]:
        watch, limits = self.watch, self.watch.setup.limits
        scenes = (watch.truth, watch.told)
        if limits.max_open_positions is not None and not watch.truth.amount(sent.key):
            held = min(self._others(scene, sent.key, before) for scene in scenes)
            if held >= limits.max_open_positions:
                yield f"{held} other positions are held"
        price = sent.price or watch.price(sent.key[0])
        for most, symbol in (
            (limits.max_notional, ""),
            (limits.max_symbol_notional, sent.key[0]),
        ):
            if most is None:
                continue
            worst = min(self._worst(scene, symbol) for scene in scenes) + sent.quantity * price
            if worst > most * DRIFT:
                yield f"with everything filled {worst:.0f} would be held, above {most}"

    @staticmethod
    def _others(scene: ScoredScene, key: LegKey, before: int) -> int:
        legs = (leg for other, leg in scene.legs.items() if other != key)
        return sum(1 for leg in legs if leg.amount and leg.epoch_ms < before)

    def _worst(self, scene: ScoredScene, symbol: str) -> Decimal:
        legs = ((key, leg) for key, leg in scene.legs.items() if symbol in {"", key[0]})
        total = sum((abs(leg.amount) * leg.entry for _, leg in legs), ZERO)
        for order in scene.orders.values():
            mine = scene.owns(order.client_id) and symbol in {"", order.symbol}
            if mine and not order.reduce_only and not order.closes(scene.amount(order.key)):
                total += order.left * (order.price or self.watch.price(order.symbol))
        return total
