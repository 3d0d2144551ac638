"""docs/order-lifecycle.md says what the tables say."""

from backstay.core import algo_orders, orders, recovery
from tools import make_diagrams


def test_the_page_is_what_the_tables_generate():
    written = make_diagrams.PAGE.read_text(encoding="utf-8")
    assert written == make_diagrams.page(), "run python tools/make_diagrams.py"


def test_the_page_has_every_transition_of_both_order_tables():
    body = make_diagrams.rows()
    for table in (orders.TRANSITIONS, algo_orders.TRANSITIONS):
        for (phase, evidence), after in table.items():
            line = next(x for x in body.splitlines() if x.startswith(f"| {phase.value} | {evidence.value} |"))
            assert after.value in line


def test_the_trust_picture_has_every_transition():
    page = make_diagrams.page()
    for (trust, evidence), after in recovery.TRANSITIONS.items():
        if trust is not after:
            arrow = next(x for x in page.splitlines() if f"{trust.value} --> {after.value}:" in x)
            assert evidence.value in arrow
