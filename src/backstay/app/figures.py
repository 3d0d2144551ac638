"""What running guards show to Prometheus: read at each scrape, on the scraper's thread.

Only immutable states and single figures are read, so nothing is locked and nobody waits.
"""

from collections.abc import Sequence

from backstay.app import status
from backstay.app.guard import Guard
from backstay.core.types import SECOND, Product
from backstay.telemetry.metrics import Gauges, Label

LEAST = frozenset({"up", "armed", "last_event_age_seconds"})
"""Gauges that say the least of all guards; others are added up."""


def gauges(guards: Sequence[Guard]) -> Gauges:
    """Values of every gauge of `telemetry.metrics.GAUGES`, of all guards of the process together."""
    together: dict[str, dict[Label, float]] = {}
    for found in map(_of, guards):
        for name, values in found.items():
            known = together.setdefault(name, {})
            for label, value in values.items():
                if label not in known or name == "mode":
                    known[label] = value
                else:
                    known[label] = min(known[label], value) if name in LEAST else known[label] + value
    return together


def _of(guard: Guard) -> Gauges:
    """One guard's values. What has a name but no product, spot's is told by a name of its own."""
    owner, config = guard.owner, guard.config
    account, stats, venue = owner.account, owner.stats, guard.venue.status()
    now = owner.clock.now_ns()
    held = [s for s in account.scopes.values() if status.is_position(s, owner.engine)]
    spot = "spot_" if config.product is Product.SPOT else ""
    states: dict[Label, float] = {}
    exposure: dict[Label, float] = {}
    notional: dict[Label, float] = {}
    results: dict[Label, float] = {}
    open_results: dict[str, float] = {}
    marks = {**account.marks, **owner.marks}
    for s in held:
        word = (status.status_of(account, s, owner.engine, now).lower(),)
        states[word] = states.get(word, 0) + 1
        side = s.position.direction.value if s.position.direction is not None else ""
        place = (s.scope.product.value, s.scope.symbol, side)
        quantity, entry = s.position.quantity, s.position.entry_price
        exposure[place] = float(abs(quantity) * entry)
        mark = marks.get(s.scope.symbol)
        if mark is None:
            continue
        notional[place] = float(abs(quantity) * mark)
        results[place] = float(quantity * (mark - entry))
        rules = account.instruments.get(s.scope.symbol)
        if rules is not None and config.product is not Product.SPOT:
            asset = rules.margin_asset
            open_results[asset] = open_results.get(asset, 0.0) + results[place]
    product = config.product.value
    wallets = {asset: float(row.wallet) for asset, row in account.balances.items() if row.wallet}
    streams = {"private": venue.private_up, "orders": venue.orders_up, "market": venue.market_up}
    return {
        "up": {(): float(owner.ready.is_set() and not owner.failed.done())},
        "mode": {(config.mode.value,): 1.0},
        "armed": {(): float(config.armed)},
        "positions": states or {("guarded",): 0.0},
        "exposure": exposure,
        "notional": notional,
        "unrealised_pnl": results,
        "wallet": {(product, asset): wallet for asset, wallet in wallets.items()},
        "equity": {
            (product, asset): wallet + open_results.get(asset, 0.0) for asset, wallet in wallets.items()
        },
        "naked_positions": {(): float(sum(1 for s in held if s.naked_since))},
        "manual_reviews": {(): float(len(status.reviews(account, owner.last)))},
        "gates_shut": {(f"{spot}{gate}",): 1.0 for gate in account.gates},
        "stream_up": {(f"{spot}{name}",): float(up) for name, up in streams.items()},
        "stream_reconnects": {(f"{spot}{name}",): float(n) for name, n in venue.losses.items()},
        "rate_budget_used": {(f"{spot}{name}",): share for name, share in venue.used.items()},
        "rate_budget_left": {(f"{spot}{name}",): float(left) for name, left in venue.headroom.items()},
        "limit_refusals": {(): float(venue.refused_by_limit)},
        "bans": {(): float(venue.banned)},
        "orders_outstanding": {(): float(venue.orders_outstanding)},
        "last_event_age_seconds": {
            (): max(now - stats.last_event_at, 0) / SECOND if stats.last_event_at else 0.0
        },
        "ledger_records": {(): float(guard.journal.seq)},
        "events": {(): float(stats.events)},
        "passes": {(): float(stats.passes)},
    }
