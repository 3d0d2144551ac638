"""Rows and documents from states: pure, so every case is a value."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.app import status
from backstay.core.contexts import OrderContext, Phase, Premise
from backstay.core.engine import Engine, Manager
from backstay.core.reviews import REVIEWS
from backstay.core.scope import block_exposure
from backstay.core.slots import Slot, SlotKey
from backstay.core.state import FLAT, AccountState, Block, Gate, Position, ScopeState
from backstay.core.types import (
    Direction,
    OrderType,
    PositionSide,
    Product,
    Role,
    Scope,
    Side,
    Trust,
)
from backstay.strategies.position_manager.policy import DcaPolicy, OnExternal, PositionPolicy
from backstay.strategies.position_manager.wanted import PositionManager
from backstay.testing import evidence
from backstay.testing.builders import instrument

SECOND = 1_000_000_000
NOW = 1_780_000_000 * SECOND
KEY = Scope(Product.USDM, "BTCUSDT", PositionSide.BOTH)
POLICY = PositionPolicy(dca=DcaPolicy(steps=3, first_deviation=Decimal("0.01"), first_size=Decimal("0.01")))
ENGINE = Engine((Manager(PositionManager(), POLICY, frozenset({"BTCUSDT"})),))


def context(name, role, phase, *, step=0, trigger=None, price=None, filled="0"):
    kind = OrderType.STOP_MARKET if role is Role.SL else OrderType.LIMIT
    slot = Slot(
        key=SlotKey(role, step),
        side=Side.SELL,
        kind=kind,
        trigger=Decimal(trigger) if trigger else None,
        price=Decimal(price) if price else None,
        quantity=None if role is Role.SL else Decimal("0.01"),
        close_position=role is Role.SL,
    )
    return OrderContext(
        ctx_id=name,
        scope=KEY,
        direction=Direction.LONG,
        slot=slot,
        epoch=1,
        generation=1,
        premise=Premise(1, Decimal("0.02")),
        created_at=NOW,
        phase=phase,
        filled=Decimal(filled),
        updated_at=NOW - 60 * SECOND,
    )


STOP = context("s", Role.SL, Phase.ARMED, trigger="57000")
TAKE = context("t", Role.TP, Phase.LIVE, price="61000.50")
STEP_1 = context("d1", Role.DCA, Phase.FILLED, step=1, price="59400", filled="0.01")
STEP_2 = context("d2", Role.DCA, Phase.LIVE, step=2, price="58500")


def state(*contexts, **changes):
    s = ScopeState(
        scope=KEY,
        trust=Trust.TRUSTED,
        position=Position(quantity=Decimal("0.020"), entry_price=Decimal(60000)),
        epoch=1,
        opened_at=NOW - 3720 * SECOND,
        contexts={c.ctx_id: c for c in contexts},
    )
    return replace(s, **changes)


def row(s, **more):
    account = AccountState(scopes={KEY: s}, connected=True)
    (found,) = status.rows(account, ENGINE, NOW, **more)
    return found


def test_a_guarded_position_shows_every_column():
    found = row(
        state(STOP, TAKE, STEP_1, STEP_2),
        marks={"BTCUSDT": Decimal(60600)},
        liquidations={KEY: Decimal(30300)},
    )
    assert set(status.COLUMNS) <= set(found)
    assert found["id"] == "BTCUSDT-BOTH-1"
    assert (found["side"], found["quantity"], found["entry_price"]) == ("LONG", "0.02", "60000")
    assert found["unrealised_pnl"] == {"quote": "12", "percent": "1.00"}
    assert found["age"] == 3720
    assert found["stop"] == {"price": "57000", "state": "ARMED"}
    assert found["take_profit"] == {"price": "61000.5", "state": "LIVE", "levels": 1}
    assert found["dca"] == {"done": 1, "total": 3, "next_price": "58500"}
    assert found["distance_to_liquidation"] == "50.00"
    assert (found["protected"], found["status"]) == ("yes", "GUARDED")
    assert found["protected_since"] == status.iso(NOW - 60 * SECOND)


@pytest.mark.parametrize("phase", [Phase.IN_FLIGHT, Phase.ACCEPTED, Phase.TRIGGERING, Phase.UNKNOWN])
def test_i37_only_a_stop_that_is_proven_resting_protects(phase):
    found = row(state(replace(STOP, phase=phase), naked_since=NOW - 5 * SECOND))
    assert (found["protected"], found["status"]) == ("no", "UNPROTECTED")
    assert found["unprotected_since"] == status.iso(NOW - 5 * SECOND)
    assert found["stop"]["state"] == phase.value


def test_i37_a_stop_for_a_part_is_no_protection_and_what_is_bare_is_shown():
    half = replace(STOP, slot=replace(STOP.slot, quantity=Decimal("0.005"), close_position=False))
    found = row(state(half, naked_since=NOW - 5 * SECOND))
    assert (found["protected"], found["status"], found["uncovered"]) == ("no", "UNPROTECTED", "0.015")


def test_a_position_that_waits_for_an_acknowledgement_says_so_and_what_to_do():
    policy = replace(POLICY, on_external_position=OnExternal.REVIEW)
    engine = Engine((Manager(PositionManager(), policy, frozenset({"BTCUSDT"})),))
    bare = state(naked_since=NOW, anchor=Decimal(60000))
    account = AccountState(
        run=evidence.run(), scopes={KEY: bare}, connected=True, instruments={"BTCUSDT": instrument()}
    )
    table = status.rows(account, engine, NOW)
    assert (table[0]["status"], table[0]["protected"]) == ("REVIEW", "no")
    assert "backstay ack usdm:BTCUSDT:BOTH" in table[0]["todo"]
    assert status.health(account, table)[0] == "attention"
    assert status.counts(table)["review"] == 1
    seen = AccountState(
        run=evidence.run(),
        scopes={KEY: replace(bare, reviewed=1)},
        connected=True,
        instruments={"BTCUSDT": instrument()},
    )
    assert status.rows(seen, engine, NOW)[0]["status"] == "UNPROTECTED"


def test_a_pre_armed_context_is_no_order():
    found = row(state(replace(STOP, phase=Phase.PRE_ARMED)))
    assert found["stop"] == {"price": None, "state": "NONE"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"trust": Trust.MANUAL_REVIEW}, "MANUAL_REVIEW"),
        ({"trust": Trust.RECOVERING}, "RECOVERING"),
        ({"flatten_since": NOW, "flatten_reason": "kill"}, "CLOSING"),
    ],
)
def test_the_most_urgent_word_is_the_status(changes, expected):
    assert row(state(STOP, **changes))["status"] == expected


@pytest.mark.parametrize("effect", list(REVIEWS))
def test_a_protected_position_in_review_says_so_everywhere_and_what_to_do(effect):
    held = block_exposure(state(STOP), effect, NOW)
    account = AccountState(scopes={KEY: held}, connected=True)
    table = status.rows(account, ENGINE, NOW)
    assert (table[0]["status"], table[0]["protected"], table[0]["trusted"]) == ("MANUAL_REVIEW", "yes", True)
    assert f"backstay ack {KEY}" in table[0]["todo"]
    (waits,) = status.reviews(account, {})
    assert (waits["scope"], waits["why"]) == (str(KEY), REVIEWS[effect])
    assert status.health(account, table, [waits])[0] == "attention"
    assert status.counts(table)["manual_review"] == 1
    flat = AccountState(scopes={KEY: replace(held, position=FLAT)}, connected=True)
    assert status.reviews(flat, {}) == [waits], "it outlives the position"


def test_a_position_whose_stop_is_refused_for_good_is_in_review_and_alarms():
    refused = Block(key=SlotKey(Role.SL), effect="filter", since=NOW, until=0, position=Decimal("0.020"))
    bare = state(naked_since=NOW, blocks=(refused,))
    account = AccountState(scopes={KEY: bare}, connected=True)
    table = status.rows(account, ENGINE, NOW)
    assert (table[0]["status"], table[0]["protected"]) == ("MANUAL_REVIEW", "no")
    (waits,) = status.reviews(account, {})
    assert waits["why"] == "its stop is missing, and refused (filter)"
    assert status.health(account, table, [waits])[0] == "alarm"
    assert status.counts(table)["unprotected"] == 1
    for milder in (replace(refused, until=NOW + 1), replace(refused, position=Decimal("0.010"))):
        account = AccountState(scopes={KEY: replace(bare, blocks=(milder,))}, connected=True)
        assert status.rows(account, ENGINE, NOW)[0]["status"] == "UNPROTECTED"


def test_what_no_manager_has_is_unmanaged_and_no_alarm():
    other = Scope(Product.USDM, "ETHUSDT", PositionSide.BOTH)
    account = AccountState(scopes={other: state(scope=other)}, connected=True)
    table = status.rows(account, ENGINE, NOW)
    assert table[0]["status"] == "UNMANAGED"
    assert status.health(account, table)[0] == "ok"
    assert status.counts(table)["unprotected"] == 0


def test_without_a_mark_price_nothing_is_made_up():
    found = row(state(STOP))
    assert found["mark_price"] is None
    assert found["unrealised_pnl"] == {"quote": None, "percent": None}
    assert found["distance_to_liquidation"] is None


def test_a_short_gains_when_the_price_falls():
    s = state(position=Position(quantity=Decimal("-0.02"), entry_price=Decimal(60000)))
    found = row(s, marks={"BTCUSDT": Decimal(59400)})
    assert found["side"] == "SHORT"
    assert found["unrealised_pnl"]["quote"] == "12"


def test_an_average_without_end_is_shown_to_twelve_places():
    entry = Decimal(7660) / 3
    found = row(state(STOP, position=Position(quantity=Decimal("0.03"), entry_price=entry)))
    assert found["entry_price"] == "2553.333333333333"
    exact = row(state(STOP, position=Position(quantity=Decimal("0.03"), entry_price=Decimal("0.00001234"))))
    assert exact["entry_price"] == "0.00001234"


def test_flat_scopes_have_no_row():
    assert status.rows(AccountState(scopes={KEY: ScopeState(scope=KEY)}), ENGINE, NOW) == []


def test_rows_are_chosen_and_sorted():
    table = [
        {"symbol": s, "status": st, "age": age, "unrealised_pnl": {"quote": pnl}, "id": f"{s}-BOTH-1"}
        for s, st, age, pnl in [
            ("A", "GUARDED", 10, "5"),
            ("B", "UNMANAGED", 7200, "-3"),
            ("C", "GUARDED", 60, None),
        ]
    ]
    assert [r["symbol"] for r in status.chosen(table, sort="age")] == ["B", "C", "A"]
    assert [r["symbol"] for r in status.chosen(table, sort="pnl")] == ["B", "C", "A"]
    assert [r["symbol"] for r in status.chosen(table, status="guarded")] == ["A", "C"]
    assert [r["symbol"] for r in status.chosen(table, min_age=3600 * SECOND)] == ["B"]
    assert [r["symbol"] for r in status.chosen(table, symbol="c")] == ["C"]


def test_a_position_is_found_by_its_id_or_by_what_is_unique_of_it():
    table = [{"id": "A-LONG-1"}, {"id": "A-SHORT-4"}, {"id": "B-BOTH-2"}]
    find = status.scope_of_id
    assert find(table, "a-short-4") == {"id": "A-SHORT-4"}
    assert find(table, "B") == {"id": "B-BOTH-2"}
    assert find(table, "A-LONG") == {"id": "A-LONG-1"}
    assert find(table, "A") is None
    assert find(table, "A-LONG-2") is None


def test_health_names_the_worst():
    naked = AccountState(scopes={KEY: state(naked_since=NOW)}, connected=True)
    assert status.health(naked, status.rows(naked, ENGINE, NOW))[0] == "alarm"
    deaf = AccountState(scopes={KEY: state(STOP)})
    assert status.health(deaf, status.rows(deaf, ENGINE, NOW)) == ("attention", "the private stream is down")
    well = replace(deaf, connected=True)
    assert status.health(well, status.rows(well, ENGINE, NOW))[0] == "ok"


def test_an_exchange_that_takes_nothing_is_an_alarm_and_says_what_opens_it():
    halt = {"venue_halt": Gate(reason="the venue banned this address", since=NOW, until=NOW + 60 * SECOND)}
    well = AccountState(scopes={KEY: state(STOP)}, connected=True, gates=halt)
    told = "nothing can be sent: the venue banned this address"
    assert status.health(well, status.rows(well, ENGINE, NOW)) == ("alarm", told)
    naked = replace(well, scopes={KEY: state(naked_since=NOW)})
    grade, why = status.health(naked, status.rows(naked, ENGINE, NOW))
    assert (grade, why) == ("alarm", f"BTCUSDT-BOTH-1 without a stop; {told}")
    (gate,) = status.gates(well)
    assert "`backstay ack`" in gate["todo"]
    assert gate["until"]


def test_a_symbol_that_a_kill_keeps_flat_is_told_until_it_is_resumed():
    flat = ScopeState(scope=KEY, trust=Trust.TRUSTED, flatten_since=NOW, flatten_reason="kill: enough")
    account = AccountState(scopes={KEY: flat}, connected=True)
    (gate,) = status.gates(account)
    assert (gate["gate"], gate["reason"]) == ("kill_switch usdm:BTCUSDT:BOTH", "kill: enough")
    assert gate["todo"] == "`backstay resume usdm:BTCUSDT:BOTH` ends it"
    assert status.health(account, ()) == ("attention", "shut: kill_switch usdm:BTCUSDT:BOTH")
    everything = replace(account, gates={"kill_switch": Gate(reason="enough", since=NOW)})
    assert [gate["gate"] for gate in status.gates(everything)] == ["kill_switch"]


def test_health_tells_one_scope_in_doubt_as_one():
    other = replace(state(STOP), scope=replace(KEY, symbol="ETHUSDT"), trust=Trust.RECOVERING)
    doubtful = replace(state(STOP), trust=Trust.RECOVERING)
    one = AccountState(scopes={KEY: doubtful}, connected=True)
    two = AccountState(scopes={KEY: doubtful, other.scope: other}, connected=True)
    assert status.health(one, ()) == ("attention", "1 scope is being recovered")
    assert status.health(two, ()) == ("attention", "2 scopes are being recovered")


def test_exposure_that_waits_for_the_operator_is_named_with_what_to_do():
    held = block_exposure(state(STOP), "stale_data", NOW)
    account = AccountState(scopes={KEY: held}, connected=True)
    grade, why = status.health(account, status.rows(account, ENGINE, NOW))
    assert grade == "attention"
    assert why == f"no exposure until your `backstay ack`: {KEY} (stale data)"
