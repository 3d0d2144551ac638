"""What the checks of every product share: one finding, a host that answers, streams that shake hands."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from backstay.app.errors import AppError
from backstay.binance.net.transport import Transport, TransportError
from backstay.core.types import MS, SECOND
from backstay.runtime.virtual_time import WallClock

OFFSET_WARN = 250 * MS
OFFSET_FAIL = SECOND
CROWDED = 0.5
"""Share of the minute's request weight that somebody else may have used."""


class Check(msgspec.Struct, frozen=True):
    """One finding. `state`: pass, warn, fail, or skip (it could not be made, and why)."""

    name: str
    state: str
    detail: str
    todo: str = ""
    exit_code: int = 0
    """What a failure of this check means for a script."""


def tried(name: str, check: Callable[[], None], good: str) -> Check:
    """A check that raises where it fails."""
    try:
        check()
    except AppError as error:
        return Check(name, "fail", str(error), "see the message", error.exit_code)
    return Check(name, "pass", good)


def protection(table: Sequence[dict[str, Any]], prefix: str = "") -> list[Check]:
    """What rows of `positions list` say of stops and reviews."""
    told = {"UNMANAGED", "REVIEW"}
    naked = [r["id"] for r in table if r["protected"] == "no" and r["status"] not in told]
    waiting = [r for r in table if r["status"] == "REVIEW"]
    found = []
    if waiting:
        ids = ", ".join(r["id"] for r in waiting)
        todo = waiting[0]["todo"]
        found.append(Check(f"{prefix}reviews", "warn", f"unprotected until reviewed: {ids}", todo))
    found += [
        Check(f"{prefix}reviews", "warn", f"{r['id']} waits for a manual review", r["todo"])
        for r in table
        if r["status"] == "MANUAL_REVIEW"
    ]
    name = f"{prefix}positions"
    if naked:
        todo = "`backstay run` protects them, or place a stop by hand"
        found.append(Check(name, "fail", f"unprotected: {', '.join(naked)}", todo, 4))
    else:
        found.append(Check(name, "pass", f"{len(table)} open, none of the managed ones unprotected"))
    return found


async def reachable(
    transport: Transport, url: str, path: str, *, key: str, weight: int, prefix: str = ""
) -> list[Check]:
    """REST answers, this machine's clock against it, and the request weight that is used already.

    `key`: the key of the configuration that names the host; `weight`: what a minute has.
    """
    clock = WallClock()
    name = f"{prefix}exchange"
    try:
        before = clock.now_ns()
        reply = await transport.http("GET", f"{url}{path}", {}, b"", 10.0)
        after = clock.now_ns()
        stated = msgspec.json.decode(reply.body, type=dict[str, object]).get("serverTime")
    except (TransportError, msgspec.DecodeError) as error:
        return [Check(name, "fail", f"{url}: {error}", f"check the network and {key}", 5)]
    if reply.status in {418, 429}:
        todo = "it asks this address to wait: find what else uses it. A run waits by itself; see incidents.md"
        return [Check(name, "fail", f"{url} answered with {reply.status}", todo, 5)]
    if reply.status != 200 or not isinstance(stated, int):
        return [Check(name, "fail", f"{url} answered with {reply.status}", "is this the right host?", 5)]
    offset = stated * MS - (before + after) // 2
    text = f"{offset / MS:+.0f} ms against the exchange, round trip {(after - before) / MS:.0f} ms"
    state = "fail" if abs(offset) > OFFSET_FAIL else "warn" if abs(offset) > OFFSET_WARN else "pass"
    todo = "" if state == "pass" else "let a time service set this machine's clock"
    return [
        Check(name, "pass", f"{url} answers"),
        Check(f"{prefix}clock", state, text, todo, 5 if state == "fail" else 0),
        _headroom(f"{prefix}rate headroom", reply.headers.get("x-mbx-used-weight-1m", ""), weight),
    ]


def _headroom(name: str, used: str, weight: int) -> Check:
    if not used.isdigit():
        return Check(name, "skip", "the exchange did not state the used weight")
    crowded = int(used) > weight * CROWDED
    return Check(
        name,
        "warn" if crowded else "pass",
        f"{used} of {weight} request weight used in this minute",
        "something else uses this address: find it, or give this program its own" if crowded else "",
    )


async def streams(transport: Transport, hosts: Iterable[tuple[str, str]]) -> list[Check]:
    """Every WebSocket host shakes hands (what flows there is seen only in a run)."""
    found = []
    for name, url in hosts:
        try:
            socket = await transport.websocket(url, lambda _: None, lambda _: None, timeout_s=10.0)
        except TransportError as error:
            shown = url.partition("?")[0].partition("/ws/")[0]  # what follows is a listen key
            found.append(Check(name, "fail", f"{shown}: {error}", "check endpoints and network", 5))
        else:
            socket.close()
            found.append(Check(name, "pass", "connects"))
    return found
