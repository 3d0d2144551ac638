"""`backstay run`."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from backstay.cli import common
from backstay.cli.common import ConfigOption, JsonOption, loop, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from backstay.app.config import Settings
    from backstay.app.session import Session


def run(*, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Guard the configured account until Ctrl-C or SIGTERM. Orders stay resting at the exchange."""
    settings = common.settings(config, quiet=False)
    loop(_run(settings, json=json))
    if not json:
        complain("stopped; orders stay resting at the exchange")
    return Exit.DONE


async def _run(settings: "Settings", *, json: bool) -> None:
    from backstay.app.run import run as guard

    await guard(
        settings,
        page=_page(settings),
        started=lambda session: _started(session, json=json),
        delayed=complain,
    )


def _page(settings: "Settings") -> "Callable[[Session], Awaitable[Callable[[], Awaitable[None]]]] | None":
    if not settings.dashboard.enabled:
        return None

    async def page(session: "Session") -> Callable[[], Awaitable[None]]:
        from backstay.dashboard.server import serve_page

        host, port = settings.dashboard.host, settings.dashboard.port
        served = await serve_page(host, port, session.host.snapshot, chosen_by="dashboard.port")
        session.page_url = served.url
        return served.close

    return page


def _started(session: "Session", *, json: bool) -> None:
    from backstay.core.names import counted

    status: dict[str, Any] = session.host.status()
    if json:
        show_json(
            {"ready": True, "page": session.page_url, **{k: status[k] for k in ("pid", "mode", "positions")}}
        )
        return
    positions = status["positions"]
    complain(
        f"guarding {status['account']} in mode {status['mode']}: {counted(positions['open'], 'position')}, "
        f"{positions['protected']} protected"
    )
    if session.page_url:
        complain(f"status page: {session.page_url}")
