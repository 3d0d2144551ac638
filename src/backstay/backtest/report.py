"""The report of a run as one HTML page without scripts: figures, curves, prices with trades, a table."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape

import numpy as np

from backstay.backtest.bars import Bars
from backstay.backtest.results import Curve, Results
from backstay.backtest.trades import Trade
from backstay.core.types import SECOND, Direction, TimeNs
from backstay.signals.bars import Floats, Ints

WIDTH, HEIGHT, LEFT, BOTTOM = 960, 220, 84, 22
POINTS = 1200
"""Of a curve on the page; of a stretch of bars the lowest and highest are kept."""
ROWS_MAX = 2000
type Place = Callable[[float, float], tuple[float, float]]
"""(time, value) -> (x, y) on the chart."""

STYLE = """
:root{color-scheme:light dark;--ink:#17202b;--soft:#5b6b7c;--paper:#fbfcfd;--line:#d5dde5;--good:#0f7a52;
--bad:#b3343a;--blue:#2463b8;--fill:#2463b81f}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf5;--soft:#93a4b6;--paper:#11171e;--line:#2b3743;
--good:#3fbf8a;--bad:#f07178;--blue:#6aa7f0;--fill:#6aa7f026}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1200px;padding:20px 16px 48px;background:var(--paper);
color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px}p{margin:0 0 12px;color:var(--soft)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:12px 20px;margin:16px 0}
dt{color:var(--soft);font-size:12.5px}dd{margin:0;font-size:16px;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;min-width:620px;height:auto}svg text{fill:var(--soft);font-size:12px}
.grid{stroke:var(--line);stroke-width:1}.curve{fill:none;stroke:var(--blue);stroke-width:1.6}
.under{fill:var(--fill)}.good{color:var(--good);fill:var(--good)}.bad{color:var(--bad);fill:var(--bad)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px;white-space:nowrap}
th,td{padding:5px 10px 5px 0;text-align:left;border-bottom:1px solid var(--line);
font-variant-numeric:tabular-nums}th{color:var(--soft);font-weight:500}.n{text-align:right}
td.why{white-space:normal;min-width:260px;color:var(--soft)}
"""


def moment(at: TimeNs) -> str:
    """UTC, to the minute."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M")


def figures(results: Results) -> list[tuple[str, str]]:
    """(name, value) of what people look at first."""
    r = results
    share = f" ({r.wins / r.trades:.0%} won)" if r.trades else ""
    rows = [
        ("net result", f"{r.net_pnl:+.2f} USDT"),
        ("balance", f"{r.start_balance:.2f} to {r.end_balance:.2f} USDT"),
        ("trades", f"{r.trades}{share}" + (f", {r.open_positions} still open" if r.open_positions else "")),
        ("before costs", f"{r.realized:+.2f} USDT"),
        ("fees", f"{r.fees:.2f} USDT"),
        ("funding", f"{r.funding:+.2f} USDT"),
        ("largest drawdown", f"{r.max_drawdown:.2%}"),
        ("time in the market", f"{r.exposure:.1%}"),
        ("bars", f"{r.bars}, {r.bars_stepped} of them stepped through, {r.bars_per_s} a second"),
        ("decisions", f"{r.decisions}, digest {r.decisions_digest[:16]}"),
    ]
    if r.attribution:
        parts = ", ".join(f"{name} {value:+.2f}" for name, value in r.attribution.items() if value)
        rows.append(("result by factor", parts or "none"))
    return rows


def page(markets: Sequence[Bars], results: Results, trades: Sequence[Trade], steps: Curve) -> str:
    """The whole page."""
    names = ", ".join(b.symbol for b in markets)
    first, last = int(steps.at[0]), int(steps.at[-1])
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width,initial-scale=1">',
        f"<title>Backtest {escape(names)}</title><style>{STYLE}</style></head><body>",
        f"<h1>Backtest of {escape(names)}</h1>",
        f"<p>{moment(first)} to {moment(last)} UTC. Takers are filled worse than the price by a share of the "
        "average true range, stops come before targets inside a bar, resting orders fill only when traded "
        "through: a pessimistic model, not a promise.</p>",
        "<dl>",
        *(f"<div><dt>{escape(n)}<dd>{escape(v)}</div>" for n, v in figures(results)),
        "</dl>",
        "<h2>Equity, USDT</h2>",
        _chart(steps.at, steps.equity, "equity"),
        "<h2>Below the highest equity, %</h2>",
        _chart(steps.at, 0.0 - 100 * steps.drawdown, "drawdown"),
    ]
    for bars in markets:
        mine = [t for t in trades if t.symbol == bars.symbol]
        parts += [
            f"<h2>{escape(bars.symbol)}, price and trades</h2>",
            _chart(bars.open_time + bars.interval, bars.series.close, "price", mine),
        ]
    return "\n".join([*parts, *_table(trades), "</body></html>", ""])


def _chart(at: Ints, values: Floats, what: str, trades: Sequence[Trade] = ()) -> str:
    """A line over time, with a mark where each trade began and ended."""
    x0, x1 = int(at[0]), max(int(at[-1]), int(at[0]) + 1)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        low, high = low - 1, high + 1

    def place(t: float, v: float) -> tuple[float, float]:
        x = LEFT + (t - x0) / (x1 - x0) * (WIDTH - LEFT - 8)
        return round(x, 1), round(8 + (high - v) / (high - low) * (HEIGHT - BOTTOM - 16), 1)

    line = " ".join("{},{}".format(*place(float(t), float(v))) for t, v in _thinned(at, values))
    base = HEIGHT - BOTTOM
    out = [f'<div class=scroll><svg viewBox="0 0 {WIDTH} {HEIGHT}" role=img aria-label="{what} over time">']
    for value in (low, (low + high) / 2, high):
        _, y = place(x0, value)
        out.append(f"<line class=grid x1={LEFT} x2={WIDTH} y1={y} y2={y} />")
        out.append(
            f"<text x={LEFT - 6} y={y + 4} text-anchor=end>{value + 0.0:,.{_places(high - low)}f}</text>"
        )
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        t = x0 + (x1 - x0) * share
        x, _ = place(t, low)
        out.append(f"<text x={x} y={HEIGHT - 4} text-anchor={anchor}>{moment(int(t))[:10]}</text>")
    ends = f"{WIDTH - 8},{base} {LEFT},{base}"
    out += [f'<polygon class=under points="{line} {ends}" />', f'<polyline class=curve points="{line}" />']
    out += _marks(trades, place)
    return "".join([*out, "</svg></div>"])


def _marks(trades: Sequence[Trade], place: Place) -> Iterator[str]:
    for trade in trades[:ROWS_MAX]:
        kind = "good" if trade.net > 0 else "bad"
        x, y = place(float(trade.opened_at), float(trade.entry))
        up = trade.direction is Direction.LONG
        tip = f"{x - 4},{y + (8 if up else -8)} {x + 4},{y + (8 if up else -8)} {x},{y + (1 if up else -1)}"
        words = f"{trade.direction} {moment(trade.opened_at)}: {trade.net:+.2f}, out by {trade.why_out}"
        yield f'<polygon class={kind} points="{tip}"><title>{escape(words)}</title></polygon>'
        if trade.closed_at:
            x, y = place(float(trade.closed_at), float(trade.exit))
            yield f"<circle class={kind} cx={x} cy={y} r=2.2 />"


def _thinned(at: Ints, values: Floats) -> Iterator[tuple[int, float]]:
    """At most about `POINTS` points, with the extremes of each stretch."""
    width = max(1, 2 * len(at) // POINTS)
    for start in range(0, len(at), width):
        part = values[start : start + width]
        for offset in sorted({int(np.argmin(part)), int(np.argmax(part))}):
            yield int(at[start + offset]), float(part[offset])


def _places(span: float) -> int:
    return 0 if span >= 100 else 2 if span >= 1 else 4


def _table(trades: Sequence[Trade]) -> Iterator[str]:
    yield "<h2>Trades</h2>"
    if not trades:
        yield "<p>None: no entry was wanted, or none was filled.</p>"
        return
    heads = ("opened", "closed", "symbol", "side", "quantity", "entry", "exit", "fees", "funding", "net", "R")
    numbers = set(heads[4:])
    yield "<div class=scroll><table><tr>"
    yield "".join(f"<th{' class=n' if h in numbers else ''}>{h}" for h in (*heads, "out by", "why in"))
    for t in trades[:ROWS_MAX]:
        multiple = t.multiple
        kind = "good" if t.net > 0 else "bad"
        cells = (
            moment(t.opened_at),
            moment(t.closed_at) if t.closed_at else "open",
            t.symbol,
            t.direction.value,
        )
        sums = (_short(t.quantity), _short(t.entry), _short(t.exit), f"{t.fees:.2f}", f"{t.funding:+.2f}")
        yield "<tr>" + "".join(f"<td>{escape(c)}" for c in cells) + "".join(f"<td class=n>{s}" for s in sums)
        yield f'<td class="n {kind}">{t.net:+.2f}<td class=n>{"" if multiple is None else f"{multiple:+.2f}"}'
        yield f"<td>{escape(t.why_out)}<td class=why>{escape(t.why_in)}"
    yield "</table></div>"
    if len(trades) > ROWS_MAX:
        yield f"<p>and {len(trades) - ROWS_MAX} more</p>"


def _short(value: Decimal) -> str:
    """At most eight digits after the point, none of them idle."""
    text = f"{value:.8f}".rstrip("0").rstrip(".")
    return text or "0"
