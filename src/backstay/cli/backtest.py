"""`backtest`: the configured managers over recorded bars, by the live planner."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from backstay.app.errors import ConfigError
from backstay.cli.common import ConfigOption, JsonOption, console, settings, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from decimal import Decimal

    from backstay.app.backtest_setup import Outcome, Setup
    from backstay.backtest.trades import Trade

SHOWN = 30
"""Trades in the table; the report has all."""

type BarsOption = Annotated[
    tuple[Path, ...],
    Parameter(
        consume_multiple=True,
        negative=(),
        help="Files of bars (.parquet, .csv, .csv.gz), one for each symbol; may be repeated.",
    ),
]
type RatesOption = Annotated[
    tuple[Path, ...],
    Parameter(
        consume_multiple=True,
        negative=(),
        help="Files of funding rates, with the symbol in the name; left out: the usual rate.",
    ),
]


def backtest(
    *,
    data: BarsOption,
    config: ConfigOption = None,
    funding: RatesOption = (),
    positions: Annotated[
        Path | None,
        Parameter(help="A CSV of positions opened by hand: time,symbol,side,quantity (time in UTC, ISO)."),
    ] = None,
    balance: Annotated[str, Parameter(show_default=True, help="USDT at the start.")] = "10000",
    leverage: Annotated[int, Parameter(show_default=True, help="Leverage of every symbol.")] = 5,
    alpha: Annotated[
        str,
        Parameter(show_default=True, help="Takers are filled worse by this multiple of the bar's ATR."),
    ] = "0.5",
    seed: Annotated[int, Parameter(show_default=True, help="Of order ids and the exchange's dice.")] = 1,
    every_bar: Annotated[
        bool, Parameter(negative=(), help="Go through idle bars too: slower, the same decisions.")
    ] = False,
    report: Annotated[Path | None, Parameter(help="Write an HTML report there.")] = None,
    ledger: Annotated[
        Path | None, Parameter(help="Keep the ledger in this new folder, for `ledger replay` and `why`.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Run the configured USD-M managers over recorded bars: the live planner on a simulated exchange."""
    from backstay.app.backtest_inputs import Options, prepare, run
    from backstay.app.backtest_setup import doubts

    found = settings(config, quiet=False)
    options = Options(
        data=data,
        funding=funding,
        positions=positions,
        balance=_number(balance, "--balance"),
        leverage=leverage,
        alpha=_number(alpha, "--alpha"),
        seed=seed,
        every_bar=every_bar,
    )
    setup = prepare(found, options)
    for doubt in doubts(setup):
        complain(f"warning: {doubt}")
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise ConfigError(f"--report: {report} is no file in a folder that is there")
    outcome = run(setup, ledger)
    for symbol, defect in outcome.defects.items():
        complain(f"warning: {symbol}: {defect}; the figures say nothing of that strategy")
    if json:
        import msgspec

        show_json(msgspec.to_builtins(outcome.results))
    else:
        _show(outcome)
    if report is not None:
        _write(report, setup, outcome)
        complain(f"the report is in {report}")
    return Exit.DONE


def _number(text: str, option: str) -> "Decimal":
    from backstay.app.units import decimal

    try:
        found = decimal(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if found < 0:
        raise ConfigError(f"{option}: {text} is below zero")
    return found


def _write(path: Path, setup: "Setup", outcome: "Outcome") -> None:
    from backstay.backtest.report import page

    try:
        path.write_text(page(setup.bars, outcome.results, outcome.trades, outcome.curve), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--report: {path} cannot be written ({error.strerror})") from None


def _show(outcome: "Outcome") -> None:
    from rich.table import Table

    from backstay.backtest.report import figures

    out = console()
    table = Table(box=None, pad_edge=False)
    for name in ("opened", "symbol", "side", "quantity", "entry", "exit", "net", "R", "out by"):
        table.add_column(
            name, justify="right" if name in {"quantity", "entry", "exit", "net", "R"} else "left"
        )
    for trade in outcome.trades[:SHOWN]:
        table.add_row(*_row(trade))
    if outcome.trades:
        out.print(table)
    if len(outcome.trades) > SHOWN:
        out.print(f"and {len(outcome.trades) - SHOWN} more; --report PATH has them all")
    for name, value in figures(outcome.results):
        out.print(f"{name:<22} {value}", markup=False)


def _row(trade: "Trade") -> tuple[str, ...]:
    from backstay.backtest.report import moment

    multiple = trade.multiple
    return (
        moment(trade.opened_at),
        trade.symbol,
        trade.direction.value,
        f"{trade.quantity:f}",
        f"{trade.entry:.6f}".rstrip("0").rstrip("."),
        f"{trade.exit:.6f}".rstrip("0").rstrip(".") if trade.exit else "",
        f"{trade.net:+.2f}",
        f"{multiple:+.2f}" if multiple is not None else "",
        trade.why_out,
    )
