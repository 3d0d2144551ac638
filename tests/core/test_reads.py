"""What a read tells which scope, and what it leaves alone: rows, balances, trades, account mode."""

from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.events import (
    AccountModeSnapshot,
    FillRow,
    FillsSnapshot,
    LeverageRow,
    TimePassed,
)
from backstay.core.types import PositionMode, PositionSide
from backstay.testing import evidence
from backstay.testing.evidence import algo, hydrated, ms, order, position_row, scope, state

from tests.core.scenes import account_with, asked
from tests.core.wishes import SELL, D, ladder

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def hedged():
    rows = [position_row("0.010", side=LONG), position_row("-0.010", side=SHORT)]
    return hydrated(*rows, position_row(3, symbol="ETHUSDT", side=LONG), position_mode=PositionMode.HEDGE)


def test_i27_the_rows_of_one_read_go_each_to_its_own_scope():
    regular = [
        order(order_id=1, client_id="a", at=100, position_side=LONG),
        order(order_id=2, client_id="b", at=100, position_side=SHORT),
        order(order_id=3, client_id="c", at=100, position_side=LONG, symbol="ETHUSDT"),
    ]
    stops = [
        algo(algo_id=4, client_id="d", at=100, position_side=LONG),
        algo(algo_id=5, client_id="e", at=100, position_side=SHORT),
        algo(algo_id=6, client_id="f", at=100, position_side=LONG, symbol="ETHUSDT"),
    ]
    reads = [
        evidence.orders_read(*regular, at=200, symbols=()),
        evidence.algos_read(*stops, at=200, symbols=()),
    ]
    account = evidence.folded(hedged(), reads, at=200)
    told = {
        (k.symbol, k.position_side): ([*s.orders], [*s.algos])
        for k, s in account.scopes.items()
        if s.orders or s.algos
    }
    assert told == {
        ("BTCUSDT", LONG): ([1], [4]),
        ("BTCUSDT", SHORT): ([2], [5]),
        ("ETHUSDT", LONG): ([3], [6]),
    }


def test_in_hedge_mode_a_read_of_both_makes_no_scope():
    rows = [position_row(0), position_row("0.020", side=LONG), position_row("-0.010", side=SHORT)]
    account = fold(hedged(), evidence.positions_read(*rows, at=9_000), ms(9_000))
    assert scope() not in account.scopes
    assert account.scopes[scope(LONG)].position.quantity == D("0.020")
    one_way = fold(hydrated(), evidence.positions_read(position_row("0.020"), at=9_000), ms(9_000))
    assert state(one_way).position.quantity == D("0.020")


def test_o5_a_balance_read_is_as_old_as_its_request():
    account = fold(hydrated(), evidence.balances_read(500, at=9_000), ms(9_100))
    assert account.balances_at == ms(9_000)
    assert fold(account, evidence.balances_read(700, at=8_999), ms(9_200)) is account
    assert fold(account, evidence.balances_read(700, at=9_000), ms(9_200)).balances["USDT"].wallet == 700
    assert fold(account, evidence.balances_read(500, at=9_500), ms(9_600)) is account


def test_r29_one_settled_late_request_among_others_is_a_strike():
    one, two = asked(name="o1"), asked(ladder(), name="o2")
    account = evidence.folded(account_with(one, two), [evidence.accepted(one, 1)])
    account = fold(account, TimePassed(scope=scope()), ms(6_000))
    assert [p.expired for p in state(account).pendings.values()] == [True, False]
    account = fold(account, evidence.orders_read(order(at=100), at=6_100), ms(6_200))
    assert account.deaf_strikes == 1


def trades(*rows):
    return FillsSnapshot(symbol="BTCUSDT", rows=rows, requested_at=ms(9_500), received_at=ms(9_500))


def trade(at, trade_id=1):
    return FillRow(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_id=7,
        trade_id=trade_id,
        side=SELL,
        price=D(60000),
        quantity=D("0.001"),
        at=ms(at),
    )


def test_o7_a_trade_that_only_a_read_shows_is_waited_for_like_any_other():
    account = hydrated(position_row("0.010"), at=1_000)
    account = fold(account, trades(trade(9_000)), ms(9_600))
    assert (state(account).fill_at, state(account).fill_seen_at) == (ms(9_000), ms(9_600))
    again = fold(account, trades(trade(9_000), trade(9_400, 2)), ms(9_700))
    assert (state(again).fill_at, state(again).fill_seen_at) == (ms(9_400), ms(9_600))
    assert fold(again, trades(trade(9_000)), ms(9_800)) is again


def test_o7_a_trade_that_the_position_shows_already_is_not_waited_for():
    account = hydrated(position_row("0.010"), at=9_000)
    account = fold(account, trades(trade(9_000)), ms(9_600))
    assert (state(account).fill_at, state(account).fill_seen_at) == (ms(9_000), 0)
    assert state(account).matched


def test_r17_a_read_of_the_account_mode_adds_to_what_is_known():
    first = AccountModeSnapshot(
        position_mode=PositionMode.ONE_WAY,
        received_at=ms(1),
        leverages=(LeverageRow("BTCUSDT", 5, False),),
        maker_fee=D("0.0001"),
        taker_fee=D("0.0004"),
    )
    account = fold(hydrated(), first, ms(1))
    second = replace(first, leverages=(LeverageRow("ETHUSDT", 7, False),), maker_fee=None, taker_fee=None)
    account = fold(account, second, ms(2))
    assert account.leverages == {"BTCUSDT": 5, "ETHUSDT": 7}
    assert (account.maker_fee, account.taker_fee) == (D("0.0001"), D("0.0004"))
    assert fold(account, second, ms(3)) is account
    off = fold(account, replace(second, can_trade=False, multi_assets=True), ms(4))
    assert (off.can_trade, off.multi_assets) == (False, True)


def test_r17_the_mismatch_gate_says_which_mode_the_account_is_in():
    other = AccountModeSnapshot(position_mode=PositionMode.HEDGE, received_at=ms(1))
    account = fold(hydrated(), other, ms(1))
    assert account.gates["account_mode_mismatch"].reason == "the account is in hedge mode"
    nobody = fold(replace(hydrated(), run=None), other, ms(1))
    assert nobody.gates == {}
