"""Record bodies for the ledger's tests: a few of each shape, and hypothesis strategies."""

from decimal import Decimal

from hypothesis import strategies as st

from backstay.core.contexts import OrderContext, Premise, Request
from backstay.core.decisions import Converged, Wait
from backstay.core.events import (
    AccountReport,
    BalanceRow,
    OrderReport,
    PositionRow,
    RequestsRegistered,
    TimePassed,
    Unidentified,
)
from backstay.core.records import Body, Decided, Noted
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import (
    Action,
    Direction,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionSide,
    Product,
    Role,
    Scope,
    Side,
)

T0 = 1_732_170_000_000_000_000
SCOPE = Scope(Product.USDM, "BTCUSDT", PositionSide.BOTH)


def order_report(number: int, **changes) -> OrderReport:
    values = {
        "symbol": "BTCUSDT",
        "position_side": PositionSide.BOTH,
        "order_id": 8_886_774_000 + number,
        "client_id": f"bst-{number:026d}",
        "side": Side.SELL,
        "kind": OrderType.LIMIT,
        "status": OrderStatus.NEW,
        "execution": ExecutionType.NEW,
        "quantity": Decimal("0.010"),
        "filled": Decimal(0),
        "at": T0 + number,
        "price": Decimal("64250.10"),
        "reduce_only": True,
    }
    return OrderReport(**{**values, **changes})


def registered(number: int) -> RequestsRegistered:
    slot = Slot(
        key=SlotKey(Role.SL),
        side=Side.SELL,
        kind=OrderType.STOP_MARKET,
        trigger=Decimal("61000.1"),
        close_position=True,
    )
    context = OrderContext(
        ctx_id=f"bst-{number:026d}",
        scope=SCOPE,
        direction=Direction.LONG,
        slot=slot,
        epoch=1,
        generation=number,
        premise=Premise(1, Decimal("0.010")),
        created_at=T0 + number,
    )
    request = Request(ctx_id=context.ctx_id, action=Action.PLACE, scope=SCOPE, key=slot.key, context=context)
    return RequestsRegistered(requests=(request,))


def account_report(number: int) -> AccountReport:
    row = PositionRow(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        quantity=Decimal("0.010"),
        entry_price=Decimal("64250.10"),
        unrealized=Decimal("-0.1234"),
    )
    balance = BalanceRow("USDT", Decimal("10000.12345678"), Decimal("10000.12345678"))
    return AccountReport(reason="ORDER", at=T0 + number, positions=(row,), balances=(balance,))


def body(number: int) -> Body:
    """A typical mixture: reports mostly, with decisions and small facts in between."""
    match number % 6:
        case 0 | 1:
            return order_report(number)
        case 2:
            return account_report(number)
        case 3:
            return registered(number)
        case 4:
            return Decided(SCOPE, Wait("protection is pending", T0 + number))
        case _:
            return TimePassed(scope=SCOPE)


texts = st.text(max_size=40)
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(Unidentified, kind=texts, detail=texts),
    st.builds(Noted, texts, st.dictionaries(texts, st.integers(-(2**62), 2**62) | texts, max_size=3)),
    st.builds(
        order_report,
        st.integers(0, 10**9),
        price=st.decimals(0, 10**9, places=8),
        expiry_reason=texts,
    ),
    st.builds(Decided, st.just(SCOPE), st.builds(Converged, st.tuples(texts))),
    st.builds(TimePassed, scope=st.just(SCOPE)),
)
