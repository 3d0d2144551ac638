"""Funding: every eight hours (or the symbol's own interval), long pays short when the rate is positive."""

from backstay.simulator import events, execution
from backstay.simulator.accounts import Account, Position
from backstay.simulator.market import Market
from backstay.simulator.numbers import ZERO, cents
from backstay.simulator.world import World


def charge(world: World, market: Market) -> None:
    """Book the funding of one symbol now: amount * mark * rate on every position."""
    rate, mark, symbol = market.funding_rate, market.mark, market.spec.symbol
    market.fundings.append((world.now, rate, mark))
    market.next_funding = (world.now // market.funding_every + 1) * market.funding_every
    if market.next_funding <= world.now:
        market.next_funding += market.funding_every
    for account in world.accounts.values():
        for position in account.held_in(symbol):
            _charge_one(world, account, position, market)


def _charge_one(world: World, account: Account, position: Position, market: Market) -> None:
    """Cross: the frame carries balances only; isolated: that position too."""
    asset = market.spec.margin_asset
    amount = -cents(position.amount * market.mark * market.funding_rate)
    if amount == ZERO:
        return
    world.pay(account, asset, amount, "FUNDING_FEE", symbol=market.spec.symbol)
    rows: tuple[Position, ...] = ()
    if account.setup(position.symbol).isolated:
        position.iso_wallet += amount
        execution.touch(world, account, position)
        rows = (position,)
    frame = events.account_update(
        world,
        account,
        "FUNDING_FEE",
        assets=(asset,),
        positions=rows,
        change=amount,
        symbol=market.spec.symbol,
    )
    world.emit(account.name, frame)
