"""The daily loss limit: counted from wallets and marks, refuses what adds, never what protects."""

from decimal import Decimal

import pytest

from backstay.core import daily
from backstay.core.events import AccountReport, BalanceRow, PriceReached
from backstay.core.risk import RiskLimits
from backstay.core.types import SECOND, ZERO, Action, Role, Side
from backstay.testing import evidence
from backstay.testing.evidence import ms

from tests.core.scenes import at_rest, long_of, said
from tests.core.wishes import D, guarded, ladder

LIMIT = RiskLimits(daily_loss_limit=D("0.03"))
HOUR = 3600 * SECOND


def wallet_of(scene):
    return scene.account.balances["USDT"].wallet


def moves(scene, amount, reason="ORDER", at=None):
    """The wallet changes by `amount`."""
    after = wallet_of(scene) + D(amount)
    when = at if at is not None else scene.now
    row = BalanceRow("USDT", after, after, change=ZERO)
    scene.fold(AccountReport(reason=reason, at=when, emitted_at=when, balances=(row,)))


def roles(decision):
    return {i.key.role for i in getattr(decision, "intents", ())}


def marked(scene, price):
    scene.fold(PriceReached(symbol="BTCUSDT", price=D(price), at=scene.now))


def notes(scene):
    scene.rest()
    scene.tick(300)
    return " ".join(getattr(scene.step(), "notes", ()))


def test_from_the_limit_on_no_step_is_placed_and_protection_is():
    scene = long_of(guarded(ladder()), limits=LIMIT)
    moves(scene, -wallet_of(scene) * D("0.03"))
    scene.tick(300)
    assert roles(scene.step()) == {Role.SL, Role.TP}
    scene.confirm()
    assert "daily_loss_limit" in notes(scene)
    assert Role.DCA not in {r.key.role for r in scene.requests}


def test_below_the_limit_nothing_is_refused():
    scene = long_of(guarded(ladder()), limits=LIMIT)
    moves(scene, -wallet_of(scene) * D("0.0299"))
    scene.tick(300)
    scene.rest()
    assert Role.DCA in {r.key.role for r in scene.requests}


def test_the_open_loss_counts_and_its_price_is_watched():
    scene = long_of(guarded(ladder()), limits=LIMIT)
    (watch,) = scene.plan().watches
    assert watch.price == 60000 - wallet_of(scene) * D("0.03") / D("0.010")
    marked(scene, watch.price)
    scene.tick(300)
    scene.rest()
    assert Role.DCA not in {r.key.role for r in scene.requests}
    assert scene.plan().watches == ()


def test_a_mark_of_an_earlier_life_says_nothing_about_this_position():
    scene = at_rest(guarded(), limits=LIMIT)
    marked(scene, 10_000)
    scene.see(scene.venue.trade_by_hand(Side.SELL, D("0.010"), D(60000)))
    scene.see(scene.venue.trade_by_hand(Side.BUY, D("0.010"), D(60000)))
    assert daily.unrealised(scene.state) == 0


@pytest.mark.parametrize("reason", ["WITHDRAW", "DEPOSIT", "MARGIN_TRANSFER", "ASSET_TRANSFER"])
def test_transfers_are_neither_loss_nor_gain(reason):
    scene = long_of(guarded(ladder()), limits=LIMIT)
    moves(scene, -5_000, reason)
    assert daily.realised(scene.account, scene.now, 0) == 0
    scene.tick(300)
    scene.rest()
    assert Role.DCA in {r.key.role for r in scene.requests}


def test_fees_and_funding_count():
    scene = long_of(guarded())
    moves(scene, -3)
    scene.tick(1)
    moves(scene, -2, "FUNDING_FEE")
    assert daily.realised(scene.account, scene.now, 0) == -5


def test_i2_the_same_report_twice_is_one_loss():
    scene = long_of(guarded())
    row = BalanceRow("USDT", D(9_000), D(9_000), change=ZERO)
    lost = AccountReport(reason="ORDER", at=scene.now, emitted_at=scene.now, balances=(row,))
    before = wallet_of(scene)
    scene.fold(lost, lost)
    assert daily.realised(scene.account, scene.now, 0) == 9_000 - before


@pytest.mark.parametrize(("after", "counts"), [(9_000, -1_000), (11_000, 0)])
def test_what_only_a_read_shows_counts_when_it_is_a_loss(after, counts):
    scene = long_of(guarded())
    moves(scene, 10_000 - wallet_of(scene), "DEPOSIT")
    scene.tick(1)
    scene.fold(evidence.balances_read(after, at=(scene.now - ms(0)) / 1_000_000))
    assert daily.realised(scene.account, scene.now, 0) == counts


@pytest.mark.parametrize("hour", [0, 7, 23])
def test_the_day_begins_at_its_hour_and_the_scope_is_planned_then(hour):
    limits = RiskLimits(daily_loss_limit=D("0.03"), daily_loss_hour=hour)
    scene = long_of(guarded(ladder()), limits=limits)
    moves(scene, -1_000)
    began = daily.day_began(scene.now, hour)
    assert began <= scene.now < began + 24 * HOUR
    assert began // HOUR % 24 == hour
    assert daily.is_used_up(scene.account, D("0.03"), began + 24 * HOUR - 1, hour)
    assert not daily.is_used_up(scene.account, D("0.03"), began + 24 * HOUR, hour)
    assert scene.plan().wake_at == began + 24 * HOUR


def test_the_share_is_of_the_wallets_as_the_day_found_them():
    scene = long_of(guarded())
    start = wallet_of(scene)
    moves(scene, -100)
    assert daily.allowance(scene.account, D("0.03"), scene.now, 0) == start * D("0.03")


def test_a_step_that_rests_is_left_alone():
    scene = at_rest(guarded(ladder()), limits=LIMIT)
    moves(scene, -1_000)
    scene.tick(300)
    decision = scene.step()
    assert said(decision) == "Converged"
    assert Action.CANCEL not in {r.action for r in scene.requests}


def test_only_so_many_hours_are_kept():
    hours = ()
    known = {"USDT": BalanceRow("USDT", Decimal(0), Decimal(0))}
    for h in range(100):
        hours = daily.booked(hours, known, (BalanceRow("USDT", Decimal(1), Decimal(1)),), h * HOUR)
    assert len(hours) == daily.HOURS_KEPT + 1
