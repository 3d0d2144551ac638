"""`backstay watch`: the running process, live in the terminal."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backstay.app.errors import ConfigError
from backstay.cli import common
from backstay.cli.common import ConfigOption, JsonOption, loop, show_json
from backstay.cli.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType


def watch(
    *,
    every: Annotated[str, Parameter(show_default=True, help="How often it is drawn.")] = "1s",
    count: Annotated[int, Parameter(show_default=True, help="End after so many updates; 0: never.")] = 0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Positions, health and news of the running process; Ctrl-C ends the watching, not the process."""
    from backstay.app.units import duration
    from backstay.runtime.control import socket_path

    try:
        every_ms = duration(every) // 1_000_000
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from None
    path = socket_path(common.settings(config).data_dir)
    loop(_watch(path, every_ms, count, json=json))
    return Exit.DONE


async def _watch(path: "Path", every_ms: int, count: int, *, json: bool) -> None:
    import contextlib

    from backstay.runtime.control import ControlClient

    client = await ControlClient.connect(path)
    seen = 0
    with contextlib.ExitStack() as stack:
        console = common.console()
        live = None
        if console.is_terminal and not json:
            from rich.live import Live

            live = stack.enter_context(Live(console=console, auto_refresh=False))
        async for update in client.subscribe(every_ms):
            seen += 1
            status, positions = update["status"], update["positions"]
            if json:
                show_json({"status": status, "positions": positions})
            elif live is not None:
                live.update(screen(status, positions), refresh=True)
            else:
                console.print(screen(status, positions), end="\n\n")  # a file or a pipe: one after the other
            if count and seen >= count:
                break
    await client.close()


def screen(status: dict[str, Any], positions: list[dict[str, Any]]) -> "RenderableType":
    """One drawing."""
    from rich.console import Group
    from rich.text import Text

    from backstay.app.units import span
    from backstay.cli.tables import positions_table

    health = status["health"]
    colours = {"ok": "green", "attention": "yellow", "alarm": "bold red"}
    age = status["last_event_age_s"]
    accounts = [("", status), *([("spot ", status["spot"])] if "spot" in status else [])]
    head = Text.assemble(
        (f" {health['grade'].upper()} ", f"reverse {colours[health['grade']]}"),
        f"  {health['why']}\n",
        f"{status['account']}  {status['mode']}  up {span(status['uptime_s'] * 1_000_000_000)}  ",
        f"last event {'none yet' if age is None else f'{age} s ago'}  ",
        *(
            f"{of}streams {' '.join(f'{k} {v}' for k, v in part['streams'].items())}  "
            for of, part in accounts
        ),
    )
    naked, counters = status["naked_ms"], status["counters"]
    figures = Text(
        f"naked p50 {naked['p50']:g} ms, p99 {naked['p99']:g} ms, max {naked['max']:g} ms   "
        f"stops placed {counters['stops_placed']}   duplicates {counters['duplicates']}   "
        f"foreign touched {counters['foreign_touched']}",
        style="dim",
    )
    news = [
        Text(
            f"{item['at'][11:19]}  {item['text']}",
            style={"bad": "red", "warn": "yellow"}.get(item["grade"], ""),
        )
        for item in status["news"][:12]
    ]
    table: RenderableType = positions_table(positions) if positions else Text("no open position")
    return Group(head, Text(), table, Text(), figures, Text(), *news)
