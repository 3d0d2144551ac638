"""Positions and lots as text: two lines for each, so that every column fits 100 characters."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

WIDTH = 100
LOUD = frozenset({"UNPROTECTED", "MANUAL_REVIEW"})

HEADS = ("id", "side size", "entry", "pnl", "stop", "take-profit", "DCA", "liq", "protected")
UNDER = ("status", "age", "mark", "%", "", "", "next", "opened", "since")
RIGHT = frozenset({"entry", "pnl", "liq"})


def positions_table(rows: Sequence[dict[str, Any]]) -> "Table":
    """Positions with their protection; digits that do not fit are folded, never cut."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for head, under in zip(HEADS, UNDER, strict=True):
        table.add_column(
            f"{head}\n{under}",
            justify="right" if head in RIGHT else "left",
            overflow="fold",
            no_wrap=head == "id",
        )
    for row in rows:
        stop, profit, dca = row["stop"], row["take_profit"], row["dca"]
        naked = row["protected"] == "no" and row["status"] != "UNMANAGED"
        away = row["distance_to_liquidation"]
        since = row["protected_since"] or row["unprotected_since"] or ""
        table.add_row(
            _two(row["id"], row["status"], loud=row["status"] in LOUD),
            _two(f"{row['side']} {row['quantity']}", age_of(row)),
            _two(row["entry_price"], row["mark_price"]),
            _pnl(row),
            _two(stop["price"], stop["state"]),
            _two(profit["price"], profit["state"]),
            _two(f"{dca['done']}/{dca['total']}", dca["next_price"]),
            _two(f"{away}%" if away else "", moment(row["entry_time"])[3:]),
            _two(row["protected"], since[11:19], loud=naked, style="green"),
        )
    return table


def lots_text(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Swing lots, plain and quick: there may be ten thousand of them."""
    yield from _aligned(
        ("id", "quantity", "buy price", "target", "mark", "pnl"),
        ("status", "dust", "bought", "SELL", "age", "%"),
        [
            (
                (
                    row["id"],
                    row["quantity"],
                    row["buy_price"],
                    row["target"],
                    row["mark_price"],
                    pnl["quote"],
                ),
                (
                    f"{row['status']} {row['reason']}" if row["reason"] else row["status"],
                    row["dust"],
                    moment(row["entry_time"]),
                    row["sell_price"],
                    age_of(row),
                    pnl["percent"],
                ),
            )
            for row in rows
            for pnl in (row["unrealised_pnl"],)
        ],
    )


type _Cells = tuple[Any, ...]


def _aligned(head: _Cells, under: _Cells, rows: Sequence[tuple[_Cells, _Cells]]) -> Iterator[str]:
    """Two lines a row; the first column to the left, the others to the right."""
    texts = [tuple(str(cell or "") for cell in line) for pair in ((head, under), *rows) for line in pair]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    # A long status may reach into the next column's room, which is empty or short on that line.
    widths[0] = max(len(line[0]) for line in texts[::2])
    for line in texts:
        first = line[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        over = len(first) - widths[0]
        if over > 0:
            room = len(rest[0]) - len(rest[0].lstrip())
            rest[0] = rest[0][min(over, room) :]
        yield " ".join((first, *rest)).rstrip()


def _two(first: object, second: object, *, loud: bool = False, style: str = "") -> "Text":
    """Two lines in one cell, the second one dim."""
    from rich.text import Text

    return Text.assemble(
        (str(first or ""), "bold red" if loud else style),
        "\n",
        (str(second or ""), "bold red" if loud else "dim"),
    )


def _pnl(row: dict[str, Any]) -> "Text | str":
    from rich.text import Text

    pnl = row["unrealised_pnl"]
    if pnl["percent"] is None:
        return ""
    colour = "red" if pnl["percent"].startswith("-") else "green"
    return Text(f"{pnl['quote']}\n{pnl['percent']}%", style=colour)


def moment(at: str | None) -> str:
    """`26-11-22 05:12`, UTC."""
    return (at or "")[2:16].replace("T", " ")


def age_of(row: dict[str, Any]) -> str:
    """`3d 4h`; empty where no age is known."""
    from backstay.app.units import span

    return span(row["age"] * 1_000_000_000) if row["age"] is not None else ""
