"""Every position of the account has its row in trades.csv and its two milestones, and every sum of the row is
the venue's own.

What is expected is made of the venue's fills alone, and what a gap hid is read in the end: nothing is excused
of what an entry of ours opened. A position that somebody else opened and closed in a gap is shown by trades
alone, which define nothing (0023), so it has no number and no milestones; and where somebody else traded in a
gap, what is told of first decides which of several positions a quantity belongs to.
"""

from decimal import Decimal
from typing import Any

from backstay.ledger.audit.trade import CLOSED, OPEN, Trade
from backstay.simulation.observers.base import leg_name
from backstay.simulation.observers.scored_base import ScoredObserver
from backstay.simulation.observers.scored_watch import ScoredStory
from backstay.simulation.scored_scene import Fill, Life

CENT = Decimal("0.000001")
AROUND_MS = 20_000


class Audited(ScoredObserver):
    name = "audited"
    words = "every position has one row and its milestones, and its sums are the venue's"

    def over(self, world: Any) -> None:
        story = self.watch.story()
        if story is None:
            return
        for name, rows in story.trades.items():
            if len(rows) > 1:
                self.say(f"{name} has {len(rows)} rows")
        rows_of: dict[tuple[str, str], list[Trade]] = {}
        for rows in story.trades.values():
            rows_of.setdefault((rows[0].symbol, rows[0].position_side), []).append(rows[0])
        for key, lives in self.watch.truth.lives.items():
            if self.watch.managed(key):
                known = [life for life in lives if life.opened_ms >= story.began_ms]
                older = [life for life in lives if life.opened_ms < story.began_ms]
                rows = sorted(rows_of.get(key, ()), key=lambda t: (t.opened_at, t.opened_seq))
                # What the ledger found open has a row of the part that it saw, which nothing is held against.
                found = [row for row in rows if any(self._is_of(row, life) for life in older)]
                self._compare(known, [row for row in rows if row not in found], story)

    def _compare(self, lives: list[Life], rows: list[Trade], story: ScoredStory) -> None:
        """Each life with the row that overlaps it."""
        left = list(rows)
        for life in lives:
            row = next((t for t in left if self._is_of(t, life)), None)
            if row is None:
                if not self._unseen(life):
                    self.say(f"{self._named(life)} has no row", life.opened_ms)
                continue
            left.remove(row)
            self._judge(life, row, story)
        for row in left:
            if not any(self._touched(life) for life in lives):
                self.say(f"row {row.id} is of no position that the venue knows")

    def _is_of(self, row: Trade, life: Life) -> bool:
        opened = row.opened_at // 1_000_000
        ends = life.closed_ms or self.watch.now_ms()
        return (row.side == "LONG") is life.long and life.opened_ms <= opened <= ends

    def _unseen(self, life: Life) -> bool:
        """Somebody else's, which came and went while the process could not have been told of it."""
        return not life.ours and bool(life.closed_ms) and self._troubled(life)

    def _troubled(self, life: Life) -> bool:
        end = (life.closed_ms or self.watch.now_ms()) + AROUND_MS
        return self.watch.in_trouble(life.opened_ms - AROUND_MS, end)

    def _touched(self, life: Life) -> bool:
        """Somebody else traded in it during a gap: what is told of first makes the rows, out of order."""
        theirs = any(not self.watch.truth.owns(f.client_id) for f in life.fills)
        return theirs and self._troubled(life)

    def _named(self, life: Life) -> str:
        side = "LONG" if life.long else "SHORT"
        return f"the {side} position of {leg_name(life.key)} opened at {life.opened_ms - self.watch.start_ms}"

    def _judge(self, life: Life, row: Trade, story: ScoredStory) -> None:
        if self._touched(life):
            return
        if (row.status == CLOSED) is not bool(life.closed_ms) or row.status not in {OPEN, CLOSED}:
            self.say(f"{row.id} is {row.status}, and at the venue {life.held} is held", life.closed_ms)
            return
        self._milestones(life, row, story)
        if row.guess_note:
            self.say(f"{row.id}: {row.guess_note}, and the venue tells all of its fills", life.opened_ms)
            return
        entered, left = life.part(enters=True), life.part(enters=False)
        expected = {
            "entry_quantity": _quantity(entered),
            "exit_quantity": _quantity(left),
            "entry_value": _value(entered),
            "exit_value": _value(left),
            "fees": sum((f.fee for f in life.fills), Decimal(0)),
            "gross": life.realized,
        }
        told = {
            "entry_quantity": row.entry_quantity,
            "exit_quantity": row.exit_quantity,
            "entry_value": row.entry_value,
            "exit_value": row.exit_value,
            "fees": row.fee,
            "gross": row.gross,
        }
        for name, value in expected.items():
            if abs(told[name] - value) > CENT * max(1, len(life.fills)):
                self.say(f"{row.id}: {name} is {told[name]}, the venue's fills say {value}", life.opened_ms)
        if life.ours and not row.signal_seq:
            self.say(f"{row.id} names no score, and it was entered by us", life.opened_ms)

    def _milestones(self, life: Life, row: Trade, story: ScoredStory) -> None:
        """Its beginning was noted, and its end where it has ended; neither twice."""
        name = row.id
        if name not in story.opened and name not in story.closed and self._unseen(life):
            return
        for what, notes, wanted in (
            ("beginning", story.opened, True),
            ("end", story.closed, bool(life.closed_ms)),
        ):
            count = notes.count(name)
            if count != wanted:
                self.say(f"the {what} of {name} was noted {count} times", life.closed_ms or life.opened_ms)


def _quantity(fills: list[Fill]) -> Decimal:
    return sum((f.quantity for f in fills), Decimal(0))


def _value(fills: list[Fill]) -> Decimal:
    return sum((f.quantity * f.price for f in fills), Decimal(0))
