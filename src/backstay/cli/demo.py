"""`backstay demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backstay.app.errors import ConfigError
from backstay.cli.common import JsonOption, Port, console, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from backstay.app.demo import Attach, Close, Demo
    from backstay.app.demo_options import DemoOptions


def demo(
    *,
    feed: Annotated[
        str, Parameter(show_default=True, help="Market: synthetic, live, or a path to recorded data.")
    ] = "synthetic",
    seed: Annotated[
        int, Parameter(show_default=True, help="Another seed is another story; the same one is the same.")
    ] = 1,
    speed: Annotated[str, Parameter(help="Venue seconds per second, or max.")] = "",
    duration: Annotated[str, Parameter(help="Venue time, such as 10m or 2h.")] = "",
    headless: Annotated[
        bool, Parameter(negative=(), help="No page; run to the end and print figures.")
    ] = False,
    port: Annotated[Port, Parameter(help="Port of the status page; 0 takes a free one.")] = 8720,
    symbols: Annotated[str, Parameter(help="Of the synthetic or live market, separated by commas.")] = "",
    hedge: Annotated[bool, Parameter(negative=(), help="A hedge-mode account.")] = False,
    data_dir: Annotated[
        Path | None, Parameter(help="Where the ledger is kept [default: a temporary folder].")
    ] = None,
    json: JsonOption = False,
) -> int:
    """The whole product on the embedded simulated exchange: no key, no network."""
    from backstay.app.demo_options import DemoOptions
    from backstay.app.units import duration as parse_duration

    try:
        ns = parse_duration(duration) if duration else None
    except ValueError as error:
        raise ConfigError(f"--duration: {error}") from None
    if ns is None and headless:
        ns = parse_duration("10m")
    options = DemoOptions(
        feed=feed,
        seed=seed,
        speed=_speed(speed, headless=headless),
        duration_s=ns / 1e9 if ns is not None else None,
        headless=headless,
        port=port,
        data_dir=str(data_dir.expanduser()) if data_dir is not None else "",
        hedge=hedge,
        **({"symbols": tuple(symbols.upper().split(","))} if symbols else {}),
    )
    return _play(options, json=json)


def _speed(text: str, *, headless: bool) -> float:
    from backstay.app.demo_options import FULL_SPEED

    if text == "max" or (not text and headless):
        return FULL_SPEED
    try:
        speed = float(text or 1)
    except ValueError:
        raise ConfigError(f"--speed: {text!r} is not a number; write for example 60, or max") from None
    if not 0 < speed < float("inf"):
        raise ConfigError(f"--speed: {text} must be above 0")
    return speed


def _play(options: "DemoOptions", *, json: bool) -> int:
    """Play it, with a page unless headless; print the figures."""
    import msgspec

    from backstay.app.demo import play
    from backstay.app.session import prepare_folder

    if options.data_dir:
        prepare_folder(Path(options.data_dir), "--data-dir")
    attach = None if options.headless else _attach(options.port, json=json)
    summary = play(options, attach)
    document = msgspec.to_builtins(summary)
    if json:
        show_json(document)
    else:
        _print(document)
    for text in summary.broken:
        complain(f"promise broken: {text}")
    return Exit.DONE if summary.promises_held else Exit.DEFECT


def _attach(port: int, *, json: bool) -> "Attach":
    async def attach(demo: "Demo") -> "Close":
        from backstay.cli.demo_page import DemoView
        from backstay.dashboard.server import serve_page

        view = DemoView(demo)
        page = await serve_page("127.0.0.1", port, view.snapshot, chosen_by="--port")
        complain(f"status page: {page.url}  (Ctrl-C ends the demo)")
        return page.close

    return attach


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(title="What the simulated exchange saw", title_justify="left", show_header=False)
    for key, value in document.items():
        if key in {"broken", "lots_completed", "lots_waiting", "min_net_profit_pct"}:
            continue
        shown = value
        if isinstance(value, dict):
            shown = "  ".join(f"{k} {v:g}" for k, v in value.items())
        elif isinstance(value, bool):
            shown = "yes" if value else "NO"
        elif key == "lots":
            shown = _lots(document)
        table.add_row(key.replace("_", " "), str(shown))
    console().print(table)


def _lots(document: dict[str, Any]) -> str:
    """The spot story in one line."""
    lowest = document["min_net_profit_pct"]
    profit = f", each for {lowest:g} % net or more" if lowest is not None else ""
    completed, waiting = document["lots_completed"], document["lots_waiting"]
    return f"{document['lots']} bought by hand on spot: {completed} sold{profit}, {waiting} waiting"
