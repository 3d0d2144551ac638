"""The page in a real browser; skipped where there is none."""

import pytest

from tests.position_row import position


def document(rows, grade="ok", why="all as it should be"):
    return {
        "status": {
            "account": "main",
            "mode": "DEMO",
            "now": "2026-11-01T11:00:00+00:00",
            "health": {"grade": grade, "why": why},
            "positions": {"open": len(rows), "protected": 1, "unprotected": len(rows) - 1},
            "naked_ms": {"p50": 7.5, "p99": 9.0, "max": 9.0, "count": 3},
            "counters": {"stops_placed": 3, "duplicates": 0, "foreign_touched": 0, "incidents": 0},
            "streams": {"private": "up", "orders": "up", "market": "down"},
            "last_event_age_s": 2,
            "gates": [{"gate": "operator_pause", "reason": "paused by anna"}],
            "news": [
                {
                    "seq": 1,
                    "at": "2026-11-01T10:59:00+00:00",
                    "grade": "warn",
                    "text": "<b>not markup</b>" + "x" * 90,
                }
            ],
        },
        "positions": rows,
    }


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_everything_fits_and_an_unprotected_position_cannot_be_overlooked(looked_at, width, height):
    naked = position(
        id="ETHUSDT-BOTH-1",
        symbol="ETHUSDT",
        stop={"price": None, "state": "NONE"},
        protected="no",
        unprotected_since="2026-11-01T10:58:00+00:00",
        status="UNPROTECTED",
    )
    naked["distance_to_liquidation"] = "1078.23"
    state = document([position(), naked], "alarm", "ETHUSDT-BOTH-1 without a stop")

    async def talk(window, _served):
        wide = await window.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "nothing may stick out to the side"
        cells = await window.eval_on_selector_all(
            ".cell", "all => all.filter(c => c.scrollWidth > c.clientWidth + 1).map(c => c.textContent)"
        )
        assert cells == []
        told = await window.locator(".cell", has_text="liquidation").all_text_contents()
        assert told == ["liquidation48% away", "liquidation1\u2009078% away"]
        badges = await window.eval_on_selector_all(".position .badge", "all => all.map(b => b.textContent)")
        assert badges == ["protected", "NO STOP since 10:58:00"]
        assert await window.text_content("#verdict-word") == "Alarm"
        assert "(1 without stop)" in await window.title()
        assert await window.text_content("#mode") == "DEMO"
        assert "paused by anna" in await window.text_content("#works")

    looked_at(talk, lambda: state, width, height)


def test_one_is_told_as_one_and_more_as_many(looked_at):
    few, many = document([position()]), document([position()])
    for state, count in ((few, 1), (many, 2)):
        state["status"] |= {
            "lots": {"waiting_for_profit": count, "flagged": count},
            "naked_ms": {"p50": 7.5, "p99": 9.0, "max": 9.0, "count": count},
            "ledger": {"records": count},
        }
        state["status"]["counters"] |= {"events": 5, "recoveries": count}
        state["lots"] = {"open": [], "ended": [], "more": 0}

    def told(*expected):
        async def talk(window, _served):
            found = [await window.text_content(part) for part in ("#lots-count", "#figures", "#works")]
            for text, words in zip(found, expected, strict=True):
                assert all(word in text for word in words), (text, words)

        return talk

    one = told(
        ["1 waits for its price, 1 waits for your word"],
        ["longest 9 ms, 1 time"],
        ["5 taken in, 1 recovery", "1 record"],
    )
    two = told(
        ["2 wait for their price, 2 wait for your word"],
        ["longest 9 ms, 2 times"],
        ["5 taken in, 2 recoveries", "2 records"],
    )
    looked_at(one, lambda: few, 1280, 900)
    looked_at(two, lambda: many, 1280, 900)


def test_text_from_the_ledger_never_becomes_markup(looked_at):
    async def talk(window, _served):
        assert await window.locator("#news b").count() == 0
        assert "<b>not markup</b>" in await window.text_content("#news")

    looked_at(talk, lambda: document([position()]), 1280, 900)


def test_a_dead_engine_looks_dead(looked_at):
    async def talk(window, served):
        assert await window.is_hidden("#dead")
        await served.close()
        await window.wait_for_selector("body[data-life=dead]", timeout=10_000)
        assert "No sign of life" in await window.text_content("#dead")
        assert "DEAD" in await window.title()

    looked_at(talk, lambda: document([position()]), 1280, 900)
