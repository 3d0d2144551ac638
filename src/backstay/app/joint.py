"""One host for all guards of a process: what is asked by scope goes to its product's owner, the rest to each.

The document of a process with one guard is that guard's own. With two it is that of USD-M, with spot's
figures beneath `spot`; what people must not overlook (health, shut gates, errors, news) is put together.
"""

from collections.abc import Callable, Sequence
from typing import Any

from backstay.app.host import GuardHost
from backstay.app.preflight import NAMES
from backstay.core.events import OperatorCommand
from backstay.runtime.control import ControlError

GRADES = ("alarm", "attention", "ok")
"""The worst first."""
OF_SPOT = (
    "environment",
    "armed",
    "ready",
    "health",
    "last_event_age_s",
    "streams",
    "clock",
    "rate_budget",
    "counters",
    "ledger",
    "marks",
)


class JointHost:
    """Implements `runtime.control.Host` for the guards of a process, at least one; USD-M first."""

    def __init__(self, hosts: Sequence[GuardHost]) -> None:
        self._hosts = tuple(hosts)

    def set_database(self, line: Callable[[], str]) -> None:
        """One line on the store, which is everybody's."""
        for host in self._hosts:
            host.database = line

    def command(self, event: OperatorCommand) -> int:
        """Give a command to the owner of its scope, or to each in turn where it means everything.

        Returns the first record's number. Raises ControlError for a product that this process does not guard,
        or not yet; what means everything is then done to the accounts that are guarded.
        """
        if event.scope is None:
            numbers = [host.command(event) for host in self._hosts if host.ready]
            waiting = [host for host in self._hosts if not host.ready]
            if waiting:
                done = "it was done to the others" if numbers else "nothing was done"
                raise ControlError(f"{_starting(waiting[0])}; {done}. Say it again then", exit_code=5)
            return next((seq for seq in numbers if seq), 0)
        for host in self._hosts:
            if host.guard.config.product is event.scope.product:
                if not host.ready:
                    raise ControlError(f"{_starting(host)}; nothing was done", exit_code=5)
                return host.command(event)
        name = NAMES[event.scope.product]
        raise ControlError(
            f"{event.scope} is not guarded: no manager of this configuration works on {name}", exit_code=3
        )

    async def refresh(self) -> None:
        for host in self._hosts:
            await host.refresh()

    async def verify(self) -> dict[str, Any]:
        """What the venues, read again, still show. Raises ControlError."""
        found = [await host.verify() for host in self._hosts]
        return {name: [one for part in found for one in part[name]] for name in ("positions", "strangers")}

    def positions(self) -> list[dict[str, Any]]:
        return [row for host in self._hosts for row in host.positions()]

    def status(self) -> dict[str, Any]:
        """The document of `positions status` and of the page."""
        first, *others = [host.status() for host in self._hosts]
        for other in others:
            first = _joined(first, other)
        return first

    def snapshot(self) -> dict[str, Any]:
        """Everything that the page shows, in one document."""
        for host in self._hosts:
            host.refresh_soon()
        lots = next((found for host in self._hosts if (found := host.lots()) is not None), None)
        return {"status": self.status(), "positions": self.positions(), "lots": lots}


def _starting(host: GuardHost) -> str:
    name = NAMES[host.guard.config.product]
    if host.missing:
        return f"the {name} account is not guarded: {host.missing}"
    return f"the {name} account is not guarded yet, its start is under way"


def _joined(usdm: dict[str, Any], spot: dict[str, Any]) -> dict[str, Any]:
    both = (usdm, spot)
    healths = sorted((d["health"] for d in both), key=lambda h: GRADES.index(h["grade"]))
    grade = healths[0]["grade"]
    ages = [d["last_event_age_s"] for d in both if d["last_event_age_s"] is not None]
    return {
        **usdm,
        "product": "usdm and spot",
        "ready": usdm["ready"] and spot["ready"],
        "health": {"grade": grade, "why": "; ".join(_whys(both, grade))},
        "last_event_age_s": min(ages) if ages else None,
        "positions": {name: usdm["positions"][name] + count for name, count in spot["positions"].items()},
        "gates": [*usdm["gates"], *({**gate, "gate": f"spot {gate['gate']}"} for gate in spot["gates"])],
        "reviews": [*usdm["reviews"], *spot["reviews"]],
        "errors": _merged(usdm["errors"], spot["errors"], 10),
        "news": _merged(usdm["news"], spot["news"], 40),
        "lots": spot["lots"],
        "spot": {name: spot[name] for name in OF_SPOT},
    }


def _whys(both: Sequence[dict[str, Any]], grade: str) -> list[str]:
    """Why it stands so, each reason once."""
    named = [(d["product"], d["health"]["why"]) for d in both if d["health"]["grade"] == grade]
    if grade == "ok":
        return [named[0][1]]
    return [f"spot: {why}" if product == "spot" else why for product, why in named]


def _merged(one: list[dict[str, Any]], other: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """News of both, the newest first."""
    return sorted([*one, *other], key=lambda item: item["at"] or "", reverse=True)[:most]
