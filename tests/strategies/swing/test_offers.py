"""A lot's SELL nets its profit after the commissions that were really taken."""

from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from backstay.core.lots import Lot
from backstay.core.money import ONE, round_down
from backstay.strategies.swing.offers import Rules, buy_commission, offer
from backstay.testing.spot import spot_instrument

D = Decimal
TICKS = [D(t) for t in ("0.0001", "0.01", "0.1", "0.00000001", "0.05", "1")]
STEPS = [D(s) for s in ("0.01", "0.00001", "1", "0.1", "0.005")]
RATES = [D(r) for r in ("0", "0.00075", "0.001", "0.0012", "0.01")]
PROFITS = [D(p) for p in ("0.0001", "0.003", "0.05", "1.5")]


@st.composite
def cases(draw):
    tick, step = draw(st.sampled_from(TICKS)), draw(st.sampled_from(STEPS))
    price = draw(st.integers(50, 10**6)) * tick
    quantity = draw(st.integers(2, 10**5)) * step
    rate, asset = draw(st.sampled_from(RATES)), draw(st.sampled_from(["TRUMP", "USDC", "BNB"]))
    # The venue cuts commissions to eight decimals.
    fee = round_down(
        {"TRUMP": quantity, "USDC": quantity * price, "BNB": quantity * price / 600}[asset] * rate,
        D("0.00000001"),
    )
    lot = Lot(
        trade_id=1,
        order_id=1,
        at=1,
        price=price,
        quantity=quantity,
        received=quantity - fee if asset == "TRUMP" else quantity,
        commission=fee,
        commission_asset=asset if fee else "",
        maker=draw(st.booleans()),
    )
    account = draw(st.sampled_from([r for r in RATES if r >= rate]))
    least = draw(st.sampled_from([D(0), D(5)]))
    rules = Rules(
        spot_instrument(
            tick=tick,
            step=step,
            min_price=tick,
            max_price=D(10**9),
            min_qty=step,
            max_qty=D(10**9),
            min_notional=least,
        ),
        draw(st.sampled_from(PROFITS)),
        account,
        account,
        account,
        None,
        ("BNB",),
    )
    return lot, rules, rate


@given(cases(), st.sampled_from(RATES))
def test_the_sale_nets_the_profit_after_the_actual_commissions(case, sell_rate):
    lot, rules, rate = case
    made = offer(lot, rules)
    assume(not made.reason)
    assume(sell_rate <= rules.fee_sell)
    quantity, instrument = made.quantity, rules.instrument
    assert quantity <= lot.received < quantity + instrument.step
    assert made.target % instrument.tick == 0
    # What was really paid, in quote currency, and this sale's share of it; BNB at the price it was taken at.
    paid = {
        "": D(0),
        "TRUMP": lot.commission * lot.price,
        "USDC": lot.commission,
        "BNB": lot.price * lot.quantity * rate,
    }[lot.commission_asset]
    share = paid * quantity / lot.quantity
    proceeds = quantity * made.target
    net = proceeds - proceeds * sell_rate - quantity * lot.price - share
    slack = D("1e-20") * proceeds  # the share is a quotient of 28 digits
    assert net >= rules.profit * quantity * lot.price - slack
    # And not a tick more than that needs.
    low = made.target - instrument.tick
    commission = buy_commission(lot, rules)
    assert (
        low * lot.quantity * (ONE - rules.fee_sell)
        < lot.price * lot.quantity * (ONE + rules.profit) + commission
    )


@given(cases())
def test_an_offer_keeps_every_filter_or_says_which_one_forbids_it(case):
    lot, rules, _ = case
    made, instrument = offer(lot, rules), rules.instrument
    if made.reason:
        small = {"quantity_below_min", "notional_below_min"}
        assert made.reason in small | {"quantity_above_max", "price_above_max"}
    else:
        assert made.quantity % instrument.step == 0
        assert made.quantity >= instrument.min_qty
        assert made.quantity * made.target >= instrument.min_notional
        assert made.target % instrument.tick == 0
