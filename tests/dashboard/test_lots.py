"""The table of lots in a real browser; skipped where there is none."""

import pytest

from tests.dashboard.test_page import document
from tests.position_row import position


def open_lot(number, **changes):
    return {
        "id": f"TRUMPUSDC-LOT-{number}",
        "symbol": "TRUMPUSDC",
        "quantity": "5.99412345",
        "buy_price": "1.2345",
        "target": "1.2407",
        "sell_price": None,
        "sell_order": None,
        "status": "WAITING_FOR_PROFIT",
        "reason": None,
        "flagged": False,
        "bought_at": "2026-11-01T10:00:00+00:00",
        "age": 39_600,
    } | changes


def held(**changes):
    flagged = open_lot(1000001, flagged=True, reason="cancelled_by_owner")
    small = open_lot(1000002, status="UNSELLABLE", reason="notional_below_min", target=None, quantity="0.5")
    placed = open_lot(
        1000003, status="SELL_PLACED", sell_price="1.2407", sell_order="bs-01K9Z3J8Q4RXW5T6V7Y8A9BCDE"
    )
    ended = {
        "id": "TRUMPUSDC-LOT-999999",
        "symbol": "TRUMPUSDC",
        "quantity": "3.99",
        "buy_price": "1.2345",
        "sell_price": "1.2407",
        "status": "COMPLETED",
        "ended_at": "2026-11-01T10:30:00+00:00",
        "held": 7_260,
        "dust": "0.006",
    }
    waiting = [open_lot(1000004 + i) for i in range(37)]
    return {"open": [flagged, small, placed, *waiting], "ended": [ended], "more": 9_960} | changes


def state(lots):
    shown = document([position()])
    shown["status"]["lots"] = {"waiting_for_profit": 37, "sell_placed": 1, "unsellable": 1, "flagged": 1}
    return shown | {"lots": lots}


COLUMNS = ["lot", "quantity", "bought at", "target", "SELL", "state", "held"]


@pytest.mark.parametrize(
    ("width", "height", "shown"), [(1280, 900, 40), (390, 844, 12)], ids=["desktop", "phone"]
)
def test_every_lot_shows_what_it_waits_for_and_nothing_sticks_out(looked_at, width, height, shown):
    async def talk(window, _served):
        wide = await window.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "nothing may stick out to the side"
        cut = await window.eval_on_selector_all(
            "#lots td, #lots th",
            "all => all.filter(c => c.scrollWidth > c.clientWidth + 1).map(c => c.textContent)",
        )
        assert cut in ([], COLUMNS), "only the head may be hidden"
        assert (
            await window.eval_on_selector_all("#lots thead th", "all => all.map(c => c.textContent)")
            == COLUMNS
        )
        rows = await window.eval_on_selector_all(
            "#lots tbody tr", "all => all.map(r => [...r.cells].map(c => c.textContent.trim()))"
        )
        assert len(rows) == shown + 1
        flagged, small, placed, waiting = rows[:4]
        assert flagged[0] == "TRUMPUSDC LOT-1000001"
        assert flagged[5] == "waiting for profitcancelled by owner"
        assert small[5] == "unsellablenotional below min"
        assert placed[4] == "1.2407bs-01K9Z3J8Q4RXW5T6V7Y8A9BCDE"
        assert waiting[1:] == ["5.99412345", "1.2345", "1.2407", "none yet", "waiting for profit", "11h"]
        assert rows[-1][1:] == ["3.99", "1.2345", "", "1.2407", "completeddust 0.006", "2h 1m"]
        more = 9_960 + 40 - shown
        assert await window.text_content("#lots-more") == f"and {more} more: backstay positions list"
        counts = "37 wait for their price, 1 offered, 1 cannot be sold, 1 waits for your word"
        assert await window.text_content("#lots-count") == counts
        if width < 500:
            names = await window.evaluate(
                "getComputedStyle(document.querySelector('#lots td'), '::before').content"
            )
            assert names == '"quantity"', "without its head, each figure says what it is"

    looked_at(talk, lambda: state(held()), width, height)


def test_without_spot_there_is_no_table_and_without_lots_a_sentence(looked_at):
    async def none(window, _served):
        assert await window.is_hidden("#lots-section")

    looked_at(none, lambda: document([position()]) | {"lots": None}, 1280, 900)

    async def empty(window, _served):
        assert await window.is_hidden("#lots")
        assert await window.is_hidden("#lots-more")
        assert "Each fill of a BUY will be one" in await window.text_content("#lots-count")

    nothing = document([]) | {"lots": held(open=[], ended=[], more=0)}
    looked_at(empty, lambda: nothing, 390, 844)
