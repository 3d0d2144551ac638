"""What an account is told as a whole: trades without a side, balances, leverage, alarms, a deaf stream."""

import pytest
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.events import (
    AccountReport,
    BalanceRow,
    ConfigReport,
    ExecutionType,
    InstrumentsSnapshot,
    MarginCall,
    StreamChanged,
    StreamState,
    TimePassed,
    TriggerRejected,
    Unidentified,
)
from backstay.core.state import AccountState, Block
from backstay.core.types import AlgoStatus, OrderStatus, PositionMode, PositionSide, Trust
from backstay.testing import builders, evidence
from backstay.testing.evidence import (
    algo,
    hydrated,
    ms,
    order,
    position,
    position_row,
    scope,
    state,
    trade_lite,
)

from tests.core.scenes import account_with, asked
from tests.core.wishes import BUY, SELL, D, stop

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def hedged():
    return hydrated(
        position_row("0.010", side=LONG), position_row("-0.010", side=SHORT), position_mode=PositionMode.HEDGE
    )


def two_symbols():
    return hydrated(position_row("0.010"), position_row(3, symbol="ETHUSDT"))


def seen(account, key):
    """Whether the scope knows of a trade that its position does not show yet."""
    return not account.scopes[key].matched


# --- a trade that does not say its position side (section 10, TRADE_LITE) ---------------------------


def test_o7_in_one_way_mode_a_trade_notice_is_of_the_one_scope():
    account = fold(hydrated(position_row("0.010")), trade_lite(5, "web_1", SELL, "0.001", 9_000), ms(9_000))
    assert seen(account, scope())


def test_i27_a_trade_notice_of_our_own_order_is_of_its_context_alone():
    mine = asked(name="tp1")
    ctx = replace(mine.context, scope=scope(SHORT))
    mine = replace(mine, scope=scope(SHORT), context=ctx)
    account = evidence.folded(hedged(), [evidence.registered(mine)])
    account = fold(account, trade_lite(5, "tp1", BUY, "0.001", 9_000), ms(9_000))
    assert seen(account, scope(SHORT))
    assert not seen(account, scope(LONG))


def test_i27_a_trade_notice_of_a_known_order_is_of_the_side_where_it_rests():
    account = fold(hedged(), order(order_id=5, client_id="web_1", at=100, position_side=LONG), ms(100))
    account = fold(account, trade_lite(5, "web_1", SELL, "0.001", 9_000), ms(9_000))
    assert seen(account, scope(LONG))
    assert not seen(account, scope(SHORT))


def test_i27_a_trade_notice_that_nobody_can_place_waits_for_the_orders_report():
    account = hedged()
    assert fold(account, trade_lite(5, "web_1", SELL, "0.001", 9_000), ms(9_000)) is account


def test_a_trade_notice_before_the_position_mode_is_known_goes_to_the_one_way_scopes_alone():
    account = replace(hedged(), position_mode=None)
    account = fold(account, position("0.5", at=100), ms(100))
    account = fold(account, trade_lite(5, "web_1", SELL, "0.001", 9_000), ms(9_000))
    assert seen(account, scope())
    assert not seen(account, scope(LONG))
    assert not seen(account, scope(SHORT))


# --- positions and balances --------------------------------------------------------------------------


def test_one_report_moves_every_position_that_it_names():
    rows = (position_row("0.020"), position_row(5, symbol="ETHUSDT"))
    account = fold(two_symbols(), AccountReport(reason="ORDER", at=ms(9_000), positions=rows), ms(9_000))
    quantities = {s.scope.symbol: s.position.quantity for s in account.scopes.values()}
    assert quantities == {"BTCUSDT": D("0.020"), "ETHUSDT": D(5)}


def test_in_hedge_mode_the_row_of_both_carries_nothing():
    rows = (position_row(0), position_row("0.020", side=LONG))
    account = fold(hedged(), AccountReport(reason="ORDER", at=ms(9_000), positions=rows), ms(9_000))
    assert scope() not in account.scopes
    assert account.scopes[scope(LONG)].position.quantity == D("0.020")


def test_o5_an_older_balance_does_not_overrule_a_newer_one():
    account = fold(hydrated(), evidence.wallet(500, at=9_000), ms(9_000))
    assert fold(account, evidence.wallet(700, at=8_000), ms(9_100)) is account
    assert fold(account, evidence.wallet(700, at=9_000), ms(9_100)).balances["USDT"].wallet == 700
    assert fold(account, evidence.wallet(700, at=9_001), ms(9_100)).balances_at == ms(9_001)


def test_o5_a_balance_that_did_not_change_still_moves_the_watermark():
    account = fold(hydrated(), evidence.wallet(500, at=9_000), ms(9_000))
    again = fold(account, evidence.wallet(500, at=9_500), ms(9_500))
    assert again.balances_at == ms(9_500)
    assert fold(again, evidence.wallet(500, at=9_500), ms(9_600)) is again
    assert fold(again, evidence.balances_read(9, at=9_400), ms(9_700)) is again


def test_a_wallet_report_keeps_what_only_a_read_tells():
    account = fold(hydrated(), evidence.wallet(500, at=9_000), ms(9_000))
    assert account.balances["USDT"] == BalanceRow("USDT", D(500), D(500), available=D(10_000))


def test_a_report_about_one_asset_leaves_the_others():
    row = BalanceRow("BNB", D(2), D(2))
    account = fold(hydrated(), AccountReport(reason="DEPOSIT", at=ms(9_000), balances=(row,)), ms(9_000))
    assert set(account.balances) == {"USDT", "BNB"}
    assert account.balances["BNB"].available is None
    both = (BalanceRow("BNB", D(2), D(2)), BalanceRow("USDT", D(7), D(7)))
    account = fold(account, AccountReport(reason="ORDER", at=ms(9_100), balances=both), ms(9_100))
    assert account.balances["USDT"].wallet == 7


def test_8_1_another_balance_releases_what_waited_for_margin_and_nothing_else():
    account = two_symbols()
    margin = Block(key=None, effect="margin", since=1, until=0)
    other = Block(key=None, effect="margin_call", since=1, until=0)
    scopes = {k: replace(s, blocks=(margin, other)) for k, s in account.scopes.items()}
    account = replace(account, scopes=scopes)
    same = fold(account, evidence.wallet(10_000, at=9_000), ms(9_000))
    assert {s.blocks for s in same.scopes.values()} == {(margin, other)}
    after = fold(account, evidence.wallet(11, at=9_000), ms(9_000))
    assert {s.blocks for s in after.scopes.values()} == {(other,)}


def test_8_1_other_filters_release_what_a_filter_refused():
    account = hydrated(position_row("0.010"))
    blocks = tuple(Block(key=None, effect=e, since=1, until=0) for e in ("filter", "min_notional", "margin"))
    account = replace(account, scopes={scope(): replace(state(account), blocks=blocks)})
    same = InstrumentsSnapshot(instruments=tuple(account.instruments.values()), received_at=ms(1))
    assert fold(account, same, ms(1)) is account
    new = InstrumentsSnapshot(instruments=(builders.instrument(step="0.01"),), received_at=ms(1))
    assert [b.effect for b in state(fold(account, new, ms(1))).blocks] == ["margin"]


# --- account mode, alarms ------------------------------------------------------------------------------


def test_r17_leverage_is_kept_per_symbol_and_releases_the_limit_of_that_symbol():
    account = two_symbols()
    limit = Block(key=None, effect="position_limit", since=1, until=0)
    account = replace(account, scopes={k: replace(s, blocks=(limit,)) for k, s in account.scopes.items()})
    account = fold(account, ConfigReport(at=ms(1), symbol="BTCUSDT", leverage=5), ms(1))
    account = fold(account, ConfigReport(at=ms(2), symbol="ETHUSDT", leverage=7), ms(2))
    assert account.leverages == {"BTCUSDT": 5, "ETHUSDT": 7}
    assert not any(s.blocks for s in account.scopes.values())
    assert fold(account, ConfigReport(at=ms(3), symbol="ETHUSDT", leverage=7), ms(3)) is account


def test_r17_multi_assets_mode_is_followed_and_is_no_leverage():
    account = hydrated()
    on = fold(account, ConfigReport(at=ms(1), multi_assets=True), ms(1))
    assert on.multi_assets
    assert on.leverages == {}
    assert fold(on, ConfigReport(at=ms(2), multi_assets=True), ms(2)) is on
    leverage = fold(on, ConfigReport(at=ms(2), symbol="BTCUSDT", leverage=5), ms(2))
    assert leverage.multi_assets


def test_a_margin_call_closes_the_exposure_of_the_scopes_that_it_names():
    account = fold(two_symbols(), MarginCall(at=ms(1), positions=(position_row("0.010"),)), ms(1))
    blocks = {s.scope.symbol: [b.effect for b in s.blocks] for s in account.scopes.values()}
    assert blocks == {"BTCUSDT": ["margin_call"], "ETHUSDT": []}
    assert fold(account, MarginCall(at=ms(2), positions=(position_row("0.010"),)), ms(2)) is account


def test_r21_a_legacy_trigger_reject_costs_the_trust_of_the_scope_that_knows_the_order():
    account = fold(hedged(), order(order_id=5, client_id="o", at=100, position_side=LONG), ms(100))
    account = fold(account, TriggerRejected(symbol="BTCUSDT", order_id=5, reason="x", at=ms(200)), ms(200))
    assert not account.scopes[scope(LONG)].trusted
    assert account.scopes[scope(SHORT)].trusted


@pytest.mark.parametrize(("symbol", "lost"), [("ETHUSDT", {"ETHUSDT"}), ("", {"BTCUSDT", "ETHUSDT"})])
def test_4_1_1_an_event_that_cannot_be_read_costs_trust_where_it_may_belong(symbol, lost):
    event = Unidentified(kind="ORDER_TRADE_UPDATE", detail="?", symbol=symbol)
    account = fold(two_symbols(), event, ms(1))
    assert {k.symbol for k, s in account.scopes.items() if not s.trusted} == lost


# --- a deaf stream (4.1.2, R-29) -------------------------------------------------------------------------


def struck():
    """An account with one strike: a request was settled by a read, its private event never came."""
    request = asked()
    account = evidence.folded(account_with(request), [evidence.accepted(request, 1)])
    account = fold(account, TimePassed(scope=scope()), ms(20_000))
    return fold(account, evidence.orders_read(order(at=100), at=20_100), ms(20_200))


def asks_more(account, slot=None):
    more = asked(slot, "o2")
    return evidence.folded(account, [evidence.registered(more), evidence.sent(more, at=20_300)])


def test_r29_a_second_strike_counts_on_from_the_first():
    account = asks_more(struck())
    account = fold(account, evidence.accepted(asked(name="o2"), 2), ms(20_400))
    account = fold(account, TimePassed(scope=scope()), ms(40_000))
    rows = [order(at=100), order(order_id=2, client_id="o2", at=20_300)]
    account = fold(account, evidence.orders_read(*rows, at=40_100), ms(40_200))
    assert account.deaf_strikes == 2


def test_r29_an_algo_read_strikes_as_well():
    request = asked(stop())
    account = evidence.folded(account_with(request), [evidence.accepted(request, 1)])
    account = fold(account, TimePassed(scope=scope()), ms(20_000))
    read = evidence.algos_read(algo(client_id="o1", at=100), at=20_100)
    assert fold(account, read, ms(20_200)).deaf_strikes == 1


def test_r29_an_answer_to_a_query_strikes_as_well_and_not_found_does_not():
    request = asked()
    account = evidence.folded(account_with(request), [evidence.accepted(request, 1)])
    account = fold(account, TimePassed(scope=scope()), ms(20_000))
    assert fold(account, evidence.not_found("o1", at=20_100), ms(20_200)).deaf_strikes == 0
    assert fold(account, evidence.found(order(at=100), at=20_100), ms(20_200)).deaf_strikes == 1


def test_r29_what_a_read_settles_within_its_deadline_is_no_strike():
    request = asked()
    account = evidence.folded(account_with(request), [evidence.accepted(request, 1)])
    account = fold(account, evidence.orders_read(order(at=100), at=200), ms(300))
    assert state(account).pendings == {}
    assert account.deaf_strikes == 0


@pytest.mark.parametrize(
    ("slot", "report"),
    [
        (None, order(order_id=2, client_id="o2", at=20_400)),
        (stop(), algo(algo_id=2, client_id="o2", at=20_400)),
    ],
)
def test_r29_a_private_event_that_settles_a_request_ends_the_suspicion(slot, report):
    assert fold(asks_more(struck(), slot), report, ms(20_500)).deaf_strikes == 0


@pytest.mark.parametrize(
    "report",
    [
        order(OrderStatus.PARTIALLY_FILLED, order_id=1, at=20_400, filled="0.001"),
        algo(algo_id=9, client_id="web_1", at=20_400),
    ],
)
def test_r29_an_event_that_settles_nothing_of_ours_does_not(report):
    assert fold(asks_more(struck()), report, ms(20_500)).deaf_strikes == 1


@pytest.mark.parametrize(
    ("slot", "row"),
    [
        (None, order(order_id=2, client_id="o2", at=20_400, execution=ExecutionType.SNAPSHOT)),
        (stop(), replace(algo(algo_id=2, client_id="o2", at=20_400), snapshot=True)),
    ],
)
def test_r29_a_row_of_a_read_is_nothing_that_was_heard(slot, row):
    assert fold(asks_more(struck(), slot), row, ms(20_500)).deaf_strikes == 1


def reconnected(account):
    account = fold(account, StreamChanged(state=StreamState.DEAF), ms(21_000))
    return fold(account, StreamChanged(state=StreamState.CONNECTED), ms(22_000))


def test_r29_a_new_connection_has_not_been_heard_yet_and_one_strike_is_enough():
    account = reconnected(struck())
    assert account.deaf_strikes == 1
    assert state(account).trust is Trust.RECOVERY_REQUIRED
    assert fold(account, StreamChanged(state=StreamState.CONNECTED), ms(23_000)) is account
    more = asked(name="o2")
    sent = [evidence.registered(more), evidence.sent(more, at=23_000), evidence.accepted(more, 2)]
    account = evidence.folded(account, sent, at=23_000)
    assert fold(account, order(order_id=2, client_id="o2", at=23_100), ms(23_200)).deaf_strikes == 0
    account = fold(account, TimePassed(scope=scope()), ms(40_000))
    rows = [order(at=100), order(order_id=2, client_id="o2", at=23_100)]
    assert fold(account, evidence.orders_read(*rows, at=40_100), ms(40_200)).deaf_strikes == 2


def test_r29_the_first_connection_of_a_run_is_no_reconnect():
    account = fold(AccountState(), StreamChanged(state=StreamState.CONNECTED), ms(1))
    assert (account.deaf_strikes, account.connected_at) == (0, ms(1))


def test_r29_what_was_sent_before_the_connection_came_up_was_heard_nowhere_and_is_no_strike():
    account = evidence.folded(asks_more(struck()), [evidence.accepted(asked(name="o2"), 2)])
    account = fold(reconnected(account), TimePassed(scope=scope()), ms(40_000))
    rows = [order(at=100), order(order_id=2, client_id="o2", at=20_300)]
    account = fold(account, evidence.orders_read(*rows, at=40_100), ms(40_200))
    assert state(account).pendings == {}
    assert account.deaf_strikes == 1


def test_algos_that_ended_are_no_strike():
    assert fold(struck(), algo(AlgoStatus.EXPIRED, algo_id=7, client_id="x", at=1), ms(2)).deaf_strikes == 1
