"""The limits on exposure besides the caps: each is a named refusal, and none of them holds up protection."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.decisions import Act, Approved, Refused
from backstay.core.events import BalanceRow
from backstay.core.limits import CorrelationGroup, expected_slippage, loss_streak
from backstay.core.placement import place
from backstay.core.risk import RiskLimits, exposure_refusal, gate
from backstay.core.scored import Book, Level
from backstay.core.state import ScopeState
from backstay.core.types import SECOND, Family, OrderType, Role, Trust
from backstay.core.wanted import Wanted
from backstay.testing import evidence
from backstay.testing.builders import instrument, slot
from backstay.testing.evidence import hydrated, ms, position_row
from backstay.testing.market import book, signal
from backstay.testing.scene import Scene

from tests.core.scenes import at_rest
from tests.core.wishes import BUY, entry, guarded, ladder, stop

D = Decimal
HOUR = 3600 * SECOND
NOW = ms(600_000)


def account_of(*others: ScopeState, leverage=5, wallet="10000"):
    """A hydrated account with a flat BTCUSDT, and other scopes."""
    account = hydrated(position_row(0))
    scopes = {**account.scopes, **{s.scope: s for s in others}}
    balances = {"USDT": BalanceRow("USDT", D(wallet), D(wallet), available=D(wallet))}
    return replace(account, scopes=scopes, balances=balances, leverages={"BTCUSDT": leverage})


def lived(symbol: str, *results: tuple[int, str], held: str = "0", **facts) -> ScopeState:
    """A scope whose lives were closed at these minutes with these results."""
    ended = tuple((ms(minute * 60_000), D(result)) for minute, result in results)
    closed_at, realized = ended[-1] if ended else (0, D(0))
    s = ScopeState(scope=evidence.scope(symbol=symbol), trust=Trust.TRUSTED, epoch=len(results))
    position = replace(s.position, quantity=D(held), entry_price=D(100))
    return replace(s, results=ended[:-1], closed_at=closed_at, realized=realized, position=position, **facts)


def judged(limits, account=None, wanted=None, *, now=NOW, **facts):
    """The gate's answer to one order in BTCUSDT: a gate's name, or nothing."""
    account = account or account_of()
    key = evidence.scope()
    s = replace(account.scopes[key], **facts)
    account = replace(account, scopes={**account.scopes, key: s})
    family = Family.EXPOSURE if (wanted or entry()).key.role is Role.ENTRY else Family.PROTECT
    act = Act(family, (place(s, wanted or entry(), 1, "missing"),), "test")
    (verdict,) = gate(act, account, s, limits, now)
    assert isinstance(verdict, (Approved, Refused))
    return (verdict.gate, verdict.reason) if isinstance(verdict, Refused) else ("", "")


# --- losses ---------------------------------------------------------------------------------------


def test_losses_in_a_row_over_all_symbols_pause_exposure_for_a_while():
    limits = RiskLimits(loss_streak=2, loss_pause=HOUR)
    lost = account_of(lived("ETHUSDT", (1, "-5")), lived("SOLUSDT", (0, "7"), (2, "-3")))
    assert loss_streak(lost) == (2, ms(120_000))
    name, reason = judged(limits, lost, now=ms(120_000) + HOUR - 1)
    assert (name, "2 positions" in reason) == ("loss_streak", True)
    assert judged(limits, lost, now=ms(120_000) + HOUR)[0] == ""
    won = account_of(lived("ETHUSDT", (1, "-5")), lived("SOLUSDT", (0, "-7"), (2, "3")))
    assert loss_streak(won)[0] == 0
    assert judged(limits, won)[0] == ""


@given(st.lists(st.integers(-3, 3), max_size=12))
def test_a_streak_counts_the_latest_losses_and_ends_at_the_first_that_is_none(results):
    scopes = [lived(f"S{i}USDT", (i, str(r))) for i, r in enumerate(results)]
    count = 0
    for result in reversed(results):
        if result >= 0:
            break
        count += 1
    assert loss_streak(account_of(*scopes))[0] == count


# --- figures --------------------------------------------------------------------------------------


def test_one_symbol_has_a_cap_of_its_own():
    assert judged(RiskLimits(max_symbol_notional=D(600)))[0] == ""
    assert judged(RiskLimits(max_symbol_notional=D("599.99")))[0] == "max_symbol_notional"


def test_slices_that_will_follow_count_from_the_first_one_on():
    sliced = replace(entry(quantity="0.002"), total=D("0.010"))
    assert judged(RiskLimits(max_notional=D(599)), wanted=sliced)[0] == "max_notional"
    assert judged(RiskLimits(max_notional=D(600)), wanted=sliced)[0] == ""


def test_a_market_entry_is_valued_at_its_signals_price():
    at_market = slot(Role.ENTRY, OrderType.MARKET, BUY, quantity="0.010")
    limits = RiskLimits(max_notional=D(599))
    assert judged(limits, wanted=at_market, entry_signal=signal())[0] == "max_notional"


def test_a_liquidation_that_is_too_near_forbids_exposure():
    limits = RiskLimits(min_liquidation_distance=D("0.1"))
    assert judged(limits, account_of(leverage=5))[0] == ""
    assert judged(limits, account_of(leverage=10))[0] == "liquidation_distance"
    poor = account_of(leverage=5, wallet="50")  # 600 of notional
    assert judged(limits, poor)[0] == "liquidation_distance"
    unknown = replace(account_of(), leverages={})
    assert "not known" in judged(limits, unknown)[1]


def test_a_stop_beyond_liquidation_forbids_exposure():
    limits = RiskLimits(min_liquidation_distance=D("0.01"))
    name, reason = judged(limits, account_of(leverage=20), entry_signal=signal(stop="0.045"))
    assert (name, "before the stop" in reason) == ("liquidation_distance", True)


def test_exposure_orders_are_counted_by_the_minute():
    def sent(at):
        ctx = evidence.context(ladder(), f"o{at}", at=at)
        return {ctx.ctx_id: replace(ctx, phase="CANCELED")}

    limits = RiskLimits(max_orders_per_minute=1)
    assert judged(limits, contexts=sent(550_000))[0] == "max_orders_per_minute"
    assert judged(limits, contexts=sent(540_000))[0] == ""
    assert judged(RiskLimits(max_orders_per_minute=2), contexts=sent(550_000))[0] == ""


def test_symbols_that_move_together_count_together():
    majors = CorrelationGroup(name="majors", symbols=("BTCUSDT", "ETHUSDT"), max_positions=1)
    limits = RiskLimits(groups=(majors,))
    assert judged(limits, account_of(lived("ETHUSDT", held="1")))[0] == "correlation"
    assert judged(limits, account_of(lived("SOLUSDT", held="1")))[0] == ""
    capped = RiskLimits(groups=(replace(majors, max_positions=None, max_notional=D(650)),))
    assert judged(capped, account_of(lived("ETHUSDT", held="1")))[0] == "correlation"
    assert judged(capped, account_of(lived("SOLUSDT", held="1")))[0] == ""


def test_a_leverage_beyond_the_limit_forbids_exposure():
    assert judged(RiskLimits(max_leverage=5), account_of(leverage=5))[0] == ""
    limits = RiskLimits(max_leverage=4)
    assert exposure_refusal(account_of(leverage=5), evidence.scope(), limits, NOW).startswith("max_leverage")
    assert exposure_refusal(replace(account_of(), leverages={}), evidence.scope(), limits, NOW) == ""


def test_a_scope_that_waits_for_a_person_pauses_exposure_everywhere_where_that_is_asked():
    other = lived("ETHUSDT")
    waiting = account_of(replace(other, trust=Trust.MANUAL_REVIEW))
    limits = RiskLimits(pause_on_review=True)
    refusal = exposure_refusal(waiting, evidence.scope(), limits, NOW)
    assert refusal == f"manual_review: {other.scope} waits for a person"
    assert exposure_refusal(waiting, evidence.scope(), RiskLimits(), NOW) == ""
    assert exposure_refusal(account_of(other), evidence.scope(), limits, NOW) == ""


def test_a_full_number_of_positions_forbids_another_and_not_more_of_the_same():
    limits = RiskLimits(max_open_positions=1)
    assert judged(limits, account_of(lived("ETHUSDT", held="1")))[0] == "max_open_positions"
    assert judged(limits, account_of(lived("ETHUSDT")))[0] == ""
    held = replace(ScopeState(scope=evidence.scope()).position, quantity=D("0.010"), entry_price=D(60000))
    assert judged(limits, account_of(lived("ETHUSDT", held="1")), ladder(), position=held)[0] == ""


def test_an_account_of_which_too_little_is_known_takes_no_exposure():
    account = account_of()
    key = evidence.scope()
    assert exposure_refusal(replace(account, balances={}), key, RiskLimits(), NOW) == "balances_unknown"
    assert exposure_refusal(replace(account, instruments={}), key, RiskLimits(), NOW) == (
        "symbol_closed: no filters"
    )
    rules = instrument(status="SETTLING")
    closed = replace(account, instruments={"BTCUSDT": rules})
    assert exposure_refusal(closed, key, RiskLimits(), NOW) == "symbol_closed: SETTLING"
    assert judged(RiskLimits(), replace(account, run=None))[0] == "mode_not_armed"


def test_an_exposure_order_without_a_quantity_is_refused():
    unsized = replace(entry(), quantity=None)
    assert judged(RiskLimits(), wanted=unsized) == ("malformed", "an exposure order needs a quantity")


# --- the market -----------------------------------------------------------------------------------


def market(bid, ask, size="1", at=599_000):
    return book(bid, ask, size, at=at).book


@pytest.mark.parametrize(
    ("seen", "gate_name"),
    [
        (None, "book_unknown"),
        (market("59999", "60001", at=590_000), "book_unknown"),
        (market("59999", "60001"), ""),
        (market("59900", "60100"), "max_spread"),
        (replace(market("59999", "60001"), bids=()), "max_spread"),
    ],
)
def test_a_wide_or_unknown_spread_forbids_exposure(seen, gate_name):
    assert judged(RiskLimits(max_spread=D("0.001")), book=seen)[0] == gate_name


def test_an_order_that_would_slip_too_far_is_refused():
    seen = Book(at=NOW, bids=(), asks=tuple(Level(D(p), D("0.004")) for p in (60000, 60030, 60090)))
    at_market = slot(Role.ENTRY, OrderType.MARKET, BUY, quantity="0.010")
    assert expected_slippage(seen, at_market) == D("0.0015")
    assert judged(RiskLimits(max_slippage=D("0.001")), wanted=at_market, book=seen)[0] == "max_slippage"
    assert judged(RiskLimits(max_slippage=D("0.002")), wanted=at_market, book=seen)[0] == ""
    too_large = replace(at_market, quantity=D("0.013"))
    assert "does not show" in judged(RiskLimits(max_slippage=D("0.5")), wanted=too_large, book=seen)[1]
    assert expected_slippage(seen, entry("60040")) == D("0.0005"), "a limit order stops at its price"
    assert expected_slippage(seen, entry("59000")) == 0, "or reaches nothing"


def test_a_limit_that_needs_the_book_asks_for_it():
    limits = RiskLimits(max_spread=D("0.001"))
    scene = Scene(Wanted(slots=(entry(),)), limits=limits)
    scene.account = evidence.folded(scene.account, [evidence.position(0, at=1)], at=1)
    scene.tick(300)
    plan = scene.plan()
    assert plan.book
    assert [r.gate for r in plan.refused] == ["book_unknown"]
    scene.fold(replace(book("59999", "60001"), book=market("59999", "60001", at=300)))
    assert len(scene.plan().approved) == 1


def test_every_limit_lets_protection_pass():
    strict = RiskLimits(
        max_symbol_notional=D(1), loss_streak=1, min_liquidation_distance=D("0.9"), max_spread=D("0.000001"),
        max_slippage=D("0.000001"), max_orders_per_minute=1,
        groups=(CorrelationGroup(name="all", symbols=("BTCUSDT", "ETHUSDT"), max_notional=D(1)),),
    )  # fmt: skip
    lost = account_of(lived("ETHUSDT", (9, "-5")))
    assert judged(strict, lost, entry())[0]
    assert judged(strict, lost, stop())[0] == ""
    scene = at_rest(guarded(), limits=strict)
    assert len(scene.venue.open_algos()) == 1
