"""Spot mutations on real sockets: every kind, lists, cancel-replace, the REST fallback, refusals."""

from decimal import Decimal

import msgspec
import pytest

from backstay.binance.net.outcomes import NotSent
from backstay.binance.wire import encode_spot
from backstay.core.contexts import Request
from backstay.core.events import AnswerClass, Certainty, Effect, ListReport, OrderReport
from backstay.core.next_sale import of_lot
from backstay.core.types import Action, OrderStatus, OrderType, Role, Side, TimeInForce

from tests.binance.net.asyncs import run, until
from tests.binance.net.spot_stage import SYMBOL, spot_context, spot_stage, take_profit_and_stop

replace = msgspec.structs.replace


def resting(exchange, quantity="0.01", factor="0.9", **more):
    return spot_context(price=exchange.near(factor), quantity=quantity, **more)


def learnt(gateway, ctx):
    """The context with the order id that its answer taught."""
    return replace(ctx, order_id=gateway.answer_to(ctx)[0].order_id)


def reports(gateway, ctx):
    return [event for event in gateway.of(OrderReport) if event.client_id == ctx.ctx_id]


@pytest.mark.parametrize("microseconds", [False, True])
@pytest.mark.parametrize("ed25519", [False, True])
@run
async def test_place_amend_cancel_on_the_order_connection(ed25519, microseconds):
    async with spot_stage() as exchange:
        gateway = await exchange.opened(ed25519=ed25519, microseconds=microseconds)
        ctx = resting(exchange)
        before = gateway.venue.venue_now_ns()
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx) and reports(gateway, ctx))
        answer, report = gateway.answers[0], reports(gateway, ctx)[0]
        assert (answer.certainty, answer.answer) == (Certainty.EXECUTED, AnswerClass.ACCEPTED)
        assert (report.status, report.order_id) == (OrderStatus.NEW, answer.order_id)
        assert before - 10**9 < report.at < before + 5 * 10**9
        assert before - 10**9 < answer.at < before + 5 * 10**9
        gateway.venue.amend(ctx, ctx.slot.price, Decimal("0.006"), protective=False)
        await until(lambda: len(gateway.answers) == 2 and len(reports(gateway, ctx)) == 2)
        assert reports(gateway, ctx)[1].quantity == Decimal("0.006")
        gateway.venue.cancel(ctx, protective=True)
        await until(lambda: len(gateway.answers) == 3 and len(reports(gateway, ctx)) == 3)
        assert reports(gateway, ctx)[2].status is OrderStatus.CANCELED
        assert [answer.action for answer in gateway.answers] == [Action.PLACE, Action.AMEND, Action.CANCEL]
        assert {answer.certainty for answer in gateway.answers} == {Certainty.EXECUTED}
        status = gateway.venue.status()
        assert (status.orders_by_ws, status.orders_by_rest, status.orders_outstanding) == (3, 0, 0)


def sell_of(ctx, lot):
    """The context of this lot's SELL; `ctx` says all but the lot."""
    return replace(ctx, slot=replace(of_lot(ctx.slot, lot), hands_off=True))


@pytest.mark.parametrize("other", [{}, {"quantity": Decimal("0.02")}, {"lots": (5, 6)}], ids=str)
@run
async def test_a_request_that_was_spelt_before_its_lot_was_known_bears_it(monkeypatch, other):
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        bare = resting(exchange, factor="1.1", role=Role.TP, side=Side.SELL)
        gateway.venue.prepare(sell_of(bare, 1 << 62))
        ctx = sell_of(bare, 8123)
        ctx = replace(ctx, slot=replace(ctx.slot, **other))
        spelt = []
        place = encode_spot.place
        monkeypatch.setattr(encode_spot, "place", lambda c: spelt.append(c) or place(c))
        gateway.venue.place(ctx, protective=True)
        await until(lambda: gateway.answer_to(ctx) and reports(gateway, ctx))
        assert spelt == ([ctx] if other else []), "what is another order is spelt anew"
        report = reports(gateway, ctx)[0]
        assert (report.price, report.quantity) == (ctx.slot.price, ctx.slot.quantity)
        assert report.label == (0 if "lots" in other else 8123)


@pytest.mark.parametrize("trailing", [False, True])
@run
async def test_every_kind_of_order_is_taken_and_reported_in_the_words_that_asked_for_it(trailing):
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        low, high = exchange.near("0.9"), exchange.near("1.1")
        asked = [
            spot_context(price=low, quantity="0.01"),
            spot_context(price=low, quantity="0.01", tif=TimeInForce.GTX),
            spot_context(Role.EXIT, kind=OrderType.MARKET, quantity="0.01"),
            spot_context(Role.SL, kind=OrderType.STOP_MARKET, side=Side.SELL, trigger=low, quantity="0.01"),
            spot_context(
                Role.SL, kind=OrderType.STOP, side=Side.SELL, trigger=low, price=low, quantity="0.01"
            ),
            spot_context(
                Role.TP, kind=OrderType.TAKE_PROFIT_MARKET, side=Side.SELL, trigger=high, quantity="0.01"
            ),
            spot_context(
                Role.TP,
                kind=OrderType.TAKE_PROFIT,
                side=Side.SELL,
                trigger=high,
                price=high,
                quantity="0.01",
            ),
            spot_context(
                Role.SL,
                kind=OrderType.TRAILING_STOP_MARKET,
                side=Side.SELL,
                callback_rate="2.5",
                quantity="0.01",
            ),
            spot_context(
                Role.SL,
                kind=OrderType.TRAILING_STOP_MARKET,
                side=Side.SELL,
                callback_rate="2.5",
                activate_price=high,
                quantity="0.01",
            ),
        ]
        asked = [c for c in asked if (c.slot.kind is OrderType.TRAILING_STOP_MARKET) is trailing]
        for ctx in asked:
            gateway.venue.place(ctx, protective=True)
        await until(lambda: all(gateway.answer_to(ctx) for ctx in asked))
        assert [gateway.answer_to(ctx)[0].message for ctx in asked] == [""] * len(asked)
        await until(lambda: all(reports(gateway, ctx) for ctx in asked))
        for ctx in asked:
            report = reports(gateway, ctx)[0]
            assert (report.kind, report.side) == (ctx.slot.kind, ctx.slot.side)
            assert report.price == (ctx.slot.price or 0)
            assert report.trigger == (ctx.slot.trigger or ctx.slot.activate_price or 0)
            assert report.trailing_delta == (ctx.slot.callback_rate or 0) * 100
        assert trailing or reports(gateway, asked[1])[0].tif is TimeInForce.GTX
        snapshot = await gateway.venue.read_orders(SYMBOL)
        read = {row.client_id: row for row in snapshot.rows}
        for ctx in asked:
            if ctx.slot.kind is not OrderType.MARKET:
                assert read[ctx.ctx_id].kind is ctx.slot.kind
                assert read[ctx.ctx_id].on_book is (ctx.slot.kind is OrderType.LIMIT)


@run
async def test_a_fill_brings_its_trades_with_their_commission_and_the_balances():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        ctx = spot_context(kind=OrderType.MARKET, quantity="0.01")
        gateway.venue.place(ctx, protective=False)
        await until(lambda: any(r.status is OrderStatus.FILLED for r in reports(gateway, ctx)))
        trades = [r for r in reports(gateway, ctx) if r.last_qty]
        assert sum(r.last_qty for r in trades) == Decimal("0.01")
        assert {r.commission_asset for r in trades} == {"BTC"}
        assert all(r.commission == r.last_qty / 1000 for r in trades)
        assert trades[-1].avg_price * trades[-1].filled == sum(r.last_qty * r.last_price for r in trades)
        fills = await gateway.venue.read_fills(SYMBOL, 0)
        assert {row.trade_id for row in fills.rows} == {r.trade_id for r in trades}
        assert sum(row.commission for row in fills.rows) == sum(r.commission for r in trades)


@run
async def test_an_oco_list_is_one_request_and_one_answer_for_each_leg():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        ctx = take_profit_and_stop(exchange)
        (stop,) = ctx.legs
        gateway.venue.place(ctx, protective=True)
        await until(lambda: gateway.answer_to(ctx) and gateway.answer_to(stop) and gateway.of(ListReport))
        assert gateway.venue.status().orders_by_ws == 1
        ids = {one.ctx_id: gateway.answer_to(one)[0].order_id for one in (ctx, stop)}
        await until(lambda: reports(gateway, ctx) and reports(gateway, stop))
        group = gateway.of(ListReport)[0]
        assert (group.contingency, group.change, group.client_id) == ("OCO", "EXEC_STARTED", ctx.ctx_id)
        assert {leg.client_id: leg.order_id for leg in group.legs} == ids
        for one in (ctx, stop):
            report = reports(gateway, one)[0]
            assert (report.order_id, report.list_id) == (ids[one.ctx_id], group.list_id)
        assert reports(gateway, ctx)[0].tif is TimeInForce.GTX
        gateway.venue.cancel(stop, protective=True)
        await until(lambda: gateway.of(ListReport)[-1].status == "ALL_DONE")
        await until(lambda: len(gateway.answer_to(stop)) == 2)
        for one in (ctx, stop):
            assert reports(gateway, one)[-1].status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
            assert reports(gateway, one)[-1].order_id == ids[one.ctx_id]


@pytest.mark.parametrize("pending", [1, 2])
@run
async def test_an_order_that_others_wait_for(pending):
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        sell = take_profit_and_stop(exchange)
        waiting = (replace(sell, legs=()), *sell.legs)[:pending]
        ctx = resting(exchange, legs=waiting)
        gateway.venue.place(ctx, protective=False)
        await until(lambda: all(gateway.answer_to(one) for one in (ctx, *waiting)))
        await until(lambda: all(reports(gateway, one) for one in (ctx, *waiting)))
        assert reports(gateway, ctx)[-1].status is OrderStatus.NEW
        for one in waiting:
            report = reports(gateway, one)[0]
            assert (report.status, report.on_book) == (OrderStatus.PENDING_NEW, False)
        assert gateway.of(ListReport)[0].contingency == "OTO"


@run
async def test_a_refused_list_is_answered_for_each_leg_and_leaves_nothing():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        ctx = take_profit_and_stop(exchange, quantity="5")  # more than there is
        gateway.venue.place(ctx, protective=True)
        await until(lambda: len(gateway.answers) == 2)
        for answer in gateway.answers:
            assert (answer.certainty, answer.effect) == (Certainty.NOT_EXECUTED, Effect.MARGIN)
        assert (await gateway.venue.read_orders(None)).rows == ()


@run
async def test_cancel_replace_answers_both_of_its_orders():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        old, new = resting(exchange), resting(exchange, factor="0.85")
        gateway.venue.place(old, protective=False)
        await until(lambda: gateway.answer_to(old))
        old = learnt(gateway, old)
        gateway.venue.replace(old, new, protective=False)
        await until(lambda: len(gateway.answers) == 3)
        cancelled, placed = gateway.answer_to(old)[1], gateway.answer_to(new)[0]
        assert (cancelled.action, cancelled.certainty) == (Action.CANCEL, Certainty.EXECUTED)
        assert (placed.action, placed.certainty) == (Action.PLACE, Certainty.EXECUTED)
        assert (cancelled.order_id, placed.order_id > old.order_id) == (old.order_id, True)
        rows = (await gateway.venue.read_orders(SYMBOL)).rows
        assert [row.client_id for row in rows] == [new.ctx_id]


@pytest.mark.parametrize("by_rest", [False, True])
@run
async def test_8_1_a_cancel_replace_that_fails_is_read_half_by_half(by_rest):
    async with spot_stage() as exchange:
        gateway = await exchange.opened(order_connection=not by_rest)
        old, costly = resting(exchange), resting(exchange, quantity="5")
        gateway.venue.place(old, protective=False)
        await until(lambda: gateway.answer_to(old))
        # The cancel succeeds, and there is not enough for the new one: -2021.
        gateway.venue.replace(learnt(gateway, old), costly, protective=False)
        await until(lambda: len(gateway.answers) == 3)
        cancelled, refused = gateway.answer_to(old)[1], gateway.answer_to(costly)[0]
        assert (cancelled.certainty, refused.certainty) == (Certainty.EXECUTED, Certainty.NOT_EXECUTED)
        assert (refused.code, refused.effect) == (-2010, Effect.MARGIN)
        # The old order is gone: -2022, and nothing was attempted.
        new = resting(exchange)
        gateway.venue.replace(learnt(gateway, old), new, protective=False)
        await until(lambda: len(gateway.answers) == 5)
        gone, idle = gateway.answer_to(old)[2], gateway.answer_to(new)[0]
        assert (gone.certainty, gone.effect, gone.code) == (Certainty.NOT_EXECUTED, Effect.GONE, -2011)
        assert (idle.certainty, idle.answer) == (Certainty.NOT_EXECUTED, AnswerClass.RETRY)
        assert (await gateway.venue.read_orders(SYMBOL)).rows == ()


@run
async def test_orders_go_by_rest_while_the_order_connection_is_down():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(order_connection=False)
        ctx = resting(exchange)
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        assert gateway.answers[0].certainty is Certainty.EXECUTED
        pair = take_profit_and_stop(exchange)
        gateway.venue.place(pair, protective=True)
        await until(lambda: gateway.answer_to(pair) and gateway.answer_to(pair.legs[0]))
        assert gateway.answer_to(pair)[0].order_id != gateway.answer_to(pair.legs[0])[0].order_id
        gateway.venue.cancel(learnt(gateway, ctx), protective=True)
        await until(lambda: len(gateway.answer_to(ctx)) == 2)
        assert gateway.venue.status().orders_by_rest == 3


@pytest.mark.parametrize(
    ("slot", "effect"),
    [
        ({"price": "0.9", "quantity": "50"}, Effect.MARGIN),
        ({"price": "0.9", "quantity": "0.00001"}, Effect.MIN_NOTIONAL),
        ({"price": "0.1", "quantity": "0.1"}, Effect.PRICE_BAND),
        ({"price": "1.01", "quantity": "0.01", "tif": TimeInForce.GTX}, Effect.TIME_IN_FORCE),
        (
            {"trigger": "1.05", "quantity": "0.01", "kind": OrderType.STOP_MARKET, "side": Side.SELL},
            Effect.WOULD_TRIGGER,
        ),
    ],
)
@run
async def test_8_1_a_refusal_is_known_by_its_text(slot, effect):
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        given = {name: exchange.near(v) if name in ("price", "trigger") else v for name, v in slot.items()}
        ctx = spot_context(**given)
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        answer = gateway.answer_to(ctx)[0]
        assert (answer.certainty, answer.effect) == (Certainty.NOT_EXECUTED, effect)


@run
async def test_what_cannot_be_amended_is_refused_before_a_byte_leaves():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        ctx = resting(exchange)
        for price, quantity in ((ctx.slot.price - 10, "0.005"), (ctx.slot.price, "0.01")):
            with pytest.raises(NotSent, match="replaced"):
                gateway.venue.amend(ctx, price, Decimal(quantity), protective=False)
        assert gateway.venue.status().orders_by_ws == 0


@run
async def test_a_lost_answer_is_an_unknown_outcome_for_every_order_of_the_request():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "ws_api", "endpoint": "POST /api/v3/orderList/oco"},
                "effect": {"cut": {"when": "after"}},
            }
        )
        ctx = take_profit_and_stop(exchange)
        gateway.venue.place(ctx, protective=True)
        await until(lambda: len(gateway.answers) == 2)
        assert {answer.certainty for answer in gateway.answers} == {Certainty.UNKNOWN}


@run
async def test_i35_the_candidate_of_a_list_shows_every_leg_and_no_secret():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        ctx = take_profit_and_stop(exchange)
        request = Request(ctx_id=ctx.ctx_id, action=Action.PLACE, scope=ctx.scope, key=ctx.key, context=ctx)
        shown = gateway.venue.candidate(request, ctx)
        assert shown["request"] == "POST /api/v3/orderList/oco"
        assert (shown["aboveType"], shown["belowType"]) == ("LIMIT_MAKER", "STOP_LOSS")
        assert (shown["aboveClientOrderId"], shown["belowClientOrderId"]) == (ctx.ctx_id, ctx.legs[0].ctx_id)
        assert not {"apiKey", "signature", "timestamp"} & set(shown)
