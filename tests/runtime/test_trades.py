"""Reading trades goes on from the last known one, and notices when the venue has forgotten it."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.events import FillRow, FillsSnapshot
from backstay.core.types import MS, SECOND, Mode, PositionSide, Product, Scope, Side
from backstay.runtime.trades import LOOKBACK, REACH, Since, read_trades, unread_of, untold_of
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.strategies.swing.wanted import UNSERVED
from backstay.testing.builders import OPENED_AT
from backstay.testing.evidence import hydrated, position_row
from backstay.testing.spot_scene import SpotScene

SYMBOL = "TRUMPUSDC"


class Served:
    """A venue that still has these trades."""

    def __init__(self, *numbers):
        self.numbers = numbers

    async def read_fills(self, symbol, _since, from_id=0):
        one = Decimal(1)
        rows = tuple(
            FillRow(
                symbol=symbol,
                position_side=PositionSide.BOTH,
                order_id=1,
                trade_id=n,
                side=Side.BUY,
                price=one,
                quantity=one,
                commission=Decimal(0),
                commission_asset="USDC",
                maker=False,
                at=n,
            )
            for n in self.numbers
            if n >= from_id
        )
        return FillsSnapshot(
            symbol=symbol, rows=rows, requested_at=1, received_at=2, product=Product.SPOT, from_id=from_id
        )


@pytest.mark.parametrize(
    ("numbers", "complete"),
    [((4, 5), True), ((5,), True), ((5, 8), True), ((8, 9), False), ((), False)],
)
def test_trades_are_complete_while_the_venue_shows_the_last_known_one(numbers, complete):
    (read,) = asyncio.run(read_trades(Served(*numbers), [Since(SYMBOL, 0, 5, 5)]))
    assert read.complete is complete


def test_without_a_known_trade_there_is_nothing_to_miss():
    (read,) = asyncio.run(read_trades(Served(), [Since(SYMBOL, 7, 0)]))
    assert read.complete


def bought():
    scene = SpotScene(SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL))
    scene.buy(("4", "1.2345"))
    scene.recover()
    scene.rest()
    return scene


@pytest.mark.parametrize(("mode", "behind", "known"), [(Mode.LIVE, 0, True), (Mode.PAPER, 1, False)])
def test_the_read_begins_with_the_last_known_trade_but_in_paper_behind_it(mode, behind, known):
    scene = bought()
    last = scene.lots.read_to
    assert last
    account = replace(scene.account, run=replace(scene.account.run, mode=mode))
    found = unread_of(account, SYMBOL, scene.now)
    assert (found.from_id, found.known) == (last + behind, last * known)


def test_i32_until_a_trade_is_known_a_read_reaches_back_over_what_the_last_one_could_not_show_yet():
    scene = SpotScene(SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL))
    key = Scope(Product.SPOT, SYMBOL, PositionSide.BOTH)
    began = scene.account.scopes[key].lots.followed_at
    assert began

    def read(at):
        empty = FillsSnapshot(
            symbol=SYMBOL, rows=(), requested_at=at, received_at=at, product=Product.SPOT, from_id=0
        )
        scene.fold(empty)
        return unread_of(scene.account, SYMBOL, at)

    assert began - MS < read(began + 1).at <= began, "not what was traded before we came"
    assert began - MS < read(began + 10 * SECOND).at <= began
    assert read(began + 3600 * SECOND).at == began + 3540 * SECOND
    lots = scene.account.scopes[key].lots
    older = replace(scene.account.scopes[key], lots=replace(lots, followed_at=0))
    account = replace(scene.account, scopes={**scene.account.scopes, key: older})
    assert unread_of(account, SYMBOL, began).at == lots.read_at - SECOND, "as a state of before tells it"


@pytest.mark.parametrize(
    ("known", "begins"),
    [
        ((0, 0), LOOKBACK),
        ((SECOND, 0), LOOKBACK),
        ((300 * SECOND, SECOND), 300 * SECOND),
        ((SECOND, 300 * SECOND), 300 * SECOND),
        ((3 * REACH, 0), REACH),
    ],
)
def test_5_1_trades_are_read_from_the_last_known_fill_of_either_side_on(known, begins):
    """By how long ago: the last fill of LONG and of SHORT (0: none is known), and where the read begins."""
    now = OPENED_AT + 10 * REACH
    sides = PositionSide.LONG, PositionSide.SHORT
    account = hydrated(*(position_row("0.010", side=side) for side in sides))
    scopes = dict(account.scopes)
    for side, ago in zip(sides, known, strict=True):
        key = Scope(Product.USDM, "BTCUSDT", side)
        scopes[key] = replace(scopes[key], fill_at=now - ago if ago else 0)
    assert untold_of(replace(account, scopes=scopes), "BTCUSDT", now) == Since("BTCUSDT", now - begins, 0)
    assert untold_of(account, "ETHUSDT", now).at == now - LOOKBACK


def test_trades_that_are_gone_are_told_until_the_owner_acknowledges_and_lots_go_on():
    scene = bought()
    lost = FillsSnapshot(
        symbol=SYMBOL,
        rows=(),
        requested_at=scene.now,
        received_at=scene.now,
        product=Product.SPOT,
        complete=False,
    )
    scene.fold(lost)
    assert UNSERVED in scene.plan().decision.notes
    assert len(scene.open_lots()) == 1, "what is known is neither forgotten nor held"
    scene.buy(("5", "1.2"))
    scene.rest()
    assert len(scene.sells()) == 2
    assert UNSERVED in scene.plan().decision.notes
