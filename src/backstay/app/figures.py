"""What a running guard shows to Prometheus: read at each scrape, on the scraper's thread.

Only immutable states and single figures are read, so nothing is locked and nobody waits.
"""

from backstay.app import status
from backstay.app.guard import Guard
from backstay.core.types import SECOND, Trust
from backstay.telemetry.metrics import Gauges, Label


def gauges(guard: Guard) -> Gauges:
    """Values of every gauge of `telemetry.metrics.GAUGES`."""
    owner, config = guard.owner, guard.config
    account, stats, venue = owner.account, owner.stats, guard.venue.status()
    now = owner.clock.now_ns()
    held = [s for s in account.scopes.values() if s.position.quantity]
    states: dict[Label, float] = {}
    exposure: dict[Label, float] = {}
    for s in held:
        word = (status.status_of(account, s, owner.engine, now).lower(),)
        states[word] = states.get(word, 0) + 1
        side = s.position.direction.value if s.position.direction is not None else ""
        place = (s.scope.product.value, s.scope.symbol, side)
        exposure[place] = float(abs(s.position.quantity) * s.position.entry_price)
    streams = {"private": venue.private_up, "orders": venue.orders_up, "market": venue.market_up}
    alive = owner.ready.is_set() and not owner.failed.done()
    return {
        "up": {(): float(alive)},
        "mode": {(config.mode.value,): 1.0},
        "armed": {(): float(config.armed)},
        "positions": states or {("guarded",): 0.0},
        "exposure": exposure,
        "naked_positions": {(): float(sum(1 for s in held if s.naked_since))},
        "manual_reviews": {
            (): float(sum(1 for s in account.scopes.values() if s.trust is Trust.MANUAL_REVIEW))
        },
        "gates_shut": {(gate,): 1.0 for gate in account.gates},
        "stream_up": {(name,): float(up) for name, up in streams.items()},
        "rate_budget_left": {(name,): float(left) for name, left in venue.headroom.items()},
        "orders_outstanding": {(): float(venue.orders_outstanding)},
        "last_event_age_seconds": {
            (): max(now - stats.last_event_at, 0) / SECOND if stats.last_event_at else 0.0
        },
        "ledger_records": {(): float(guard.journal.seq)},
        "events": {(): float(stats.events)},
        "passes": {(): float(stats.passes)},
    }
