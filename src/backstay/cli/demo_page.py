"""What the demo's page shows: the guard of the moment, and what the exchange itself saw."""

from typing import TYPE_CHECKING, Any

from backstay.app.auditor import percentiles
from backstay.app.host import GuardHost
from backstay.app.lot_figures import held_lots, lot_figures
from backstay.app.lot_table import lot_table
from backstay.app.status import iso

if TYPE_CHECKING:
    from backstay.app.demo import Demo
    from backstay.app.guard import Guard


class DemoView:
    """Follows a demo through its restarts."""

    def __init__(self, demo: "Demo") -> None:
        self._demo = demo
        self._host: GuardHost | None = None
        demo.listeners.append(self._opened)

    def _opened(self, guard: "Guard") -> None:
        self._host = GuardHost(guard, extra=self._figures)

    def snapshot(self) -> dict[str, Any]:
        """Status and positions, as the page wants them."""
        if self._host is None:
            return {"status": {"starting": True, **self._figures()}, "positions": []}
        document = self._host.snapshot()
        spot = self._demo.spot.guard
        if spot is not None:
            account, engine, now = spot.owner.account, spot.owner.engine, spot.owner.clock.now_ns()
            document["lots"] = lot_table(account, engine, now)
            document["status"]["lots"] = lot_figures(held_lots(account, engine, now))
        return document

    def _figures(self) -> dict[str, Any]:
        """As the auditor at the exchange counts them, across restarts."""
        demo, audit = self._demo, self._demo.auditor
        return {
            "demo": {
                "seed": demo.options.seed,
                "speed": demo.options.speed,
                "market": demo.options.feed,
                "now": iso(demo.clock.now_ns()),
                "positions_opened": audit.positions_opened,
                "stops_placed": audit.stops_placed,
                "duplicates": len(audit.duplicates),
                "foreign_touched": len(audit.foreign_touched),
                "unprotected_now": audit.unprotected_now,
                "naked_ms": {**percentiles(audit.windows), "count": len(audit.windows)},
                "incidents": demo.met,
                "incidents_survived": demo.survived,
                "story": [{"at": iso(at), "text": text} for at, text in reversed(demo.story[-40:])],
            }
        }
