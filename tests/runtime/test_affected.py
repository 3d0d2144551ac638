"""Which scopes an event has planned: what a read of balances changes on spot concerns every lot."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.events import BalanceRow, BalancesSnapshot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import PositionSide, Product, Scope
from backstay.runtime.affected import affected


@pytest.mark.parametrize(("product", "planned"), [(Product.SPOT, True), (Product.USDM, False)])
def test_o7_balances_that_were_read_have_the_lots_looked_at(product, planned):
    """No scope itself changes by them: what held its SELLs does."""
    key = Scope(product, "BTCUSDT", PositionSide.BOTH)
    account = AccountState(scopes={key: ScopeState(scope=key)})
    read = BalancesSnapshot(
        rows=(BalanceRow("BTC", Decimal(1), Decimal(1)),), requested_at=5, received_at=6, product=product
    )
    after = replace(account, balances={"BTC": read.rows[0]}, balances_at=5)
    assert affected(read, account, after) == [key] * planned
