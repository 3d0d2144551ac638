"""Mutations on real sockets: the order connection, the REST fallback, and how certain each outcome is."""

import asyncio
from decimal import Decimal

import pytest

from backstay.binance.net.outcomes import NotSent
from backstay.binance.net.timings import Timings
from backstay.binance.wire.decode_rest import premium_index
from backstay.binance.wire.endpoints import PREMIUM_INDEX
from backstay.binance.wire.limits import Budget
from backstay.core.events import AlgoReport, AnswerClass, AnswerReceived, Certainty, Effect, OrderReport
from backstay.core.types import Action, AlgoStatus, OrderStatus, OrderType, Role, Side, WorkingType

from tests.binance.net.asyncs import run, until
from tests.binance.net.stage import FAST, context, stage


async def low_price(gateway):
    """A legal price that rests far below the market."""
    read = await gateway.venue._rest.read(PREMIUM_INDEX, {"symbol": "BTCUSDT"})
    return (premium_index(read.body)[0].mark * Decimal("0.9")).quantize(Decimal("0.1"))


async def resting(gateway, quantity="0.010"):
    return context(price=await low_price(gateway), quantity=quantity)


def stop(distance="0.9", price=Decimal(0)):
    return context(
        Role.SL,
        side=Side.SELL,
        kind=OrderType.STOP_MARKET,
        trigger=(price * Decimal(distance)).quantize(Decimal("0.1")),
        close_position=True,
        working_type=WorkingType.MARK_PRICE,
    )


@pytest.mark.parametrize("ed25519", [False, True])
@run
async def test_place_amend_cancel_on_the_order_connection(ed25519):
    async with stage() as exchange:
        gateway = await exchange.opened(ed25519=ed25519)
        ctx = await resting(gateway)
        sent = gateway.venue.place(ctx, protective=False)
        assert sent.recv_window_ms == 5000
        await until(lambda: gateway.answer_to(ctx))
        answer = gateway.answers[0]
        assert (answer.action, answer.certainty, answer.answer) == (
            Action.PLACE,
            Certainty.EXECUTED,
            AnswerClass.ACCEPTED,
        )
        await until(lambda: gateway.of(OrderReport))
        report = gateway.of(OrderReport)[0]
        assert (report.client_id, report.status, report.order_id) == (
            ctx.ctx_id,
            OrderStatus.NEW,
            answer.order_id,
        )
        price = ctx.slot.price - 10
        gateway.venue.amend(ctx, price, Decimal("0.020"), protective=False)
        await until(lambda: len(gateway.answers) == 2 and len(gateway.of(OrderReport)) == 2)
        assert (gateway.of(OrderReport)[1].price, gateway.of(OrderReport)[1].quantity) == (
            price,
            Decimal("0.020"),
        )
        assert gateway.venue.cancel(ctx, protective=True).recv_window_ms == 3000
        await until(lambda: len(gateway.answers) == 3 and len(gateway.of(OrderReport)) == 3)
        assert gateway.of(OrderReport)[2].status is OrderStatus.CANCELED
        assert [answer.action for answer in gateway.answers] == [Action.PLACE, Action.AMEND, Action.CANCEL]
        status = gateway.venue.status()
        assert (status.orders_by_ws, status.orders_by_rest, status.orders_outstanding) == (3, 0, 0)


@run
async def test_a_stop_goes_to_the_algo_surface_and_is_cancelled_there():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        position = (await gateway.venue.read_positions("BTCUSDT")).rows[0]
        ctx = stop(price=position.entry_price)
        gateway.venue.place(ctx, protective=True)
        await until(lambda: gateway.answer_to(ctx) and gateway.of(AlgoReport))
        answer = gateway.answer_to(ctx)[0]
        assert answer.certainty is Certainty.EXECUTED
        report = gateway.of(AlgoReport)[0]
        assert (report.client_id, report.status, report.algo_id) == (
            ctx.ctx_id,
            AlgoStatus.NEW,
            answer.order_id,
        )
        gateway.venue.cancel(ctx, protective=True)
        await until(lambda: gateway.of(AlgoReport)[-1].status is AlgoStatus.CANCELED)
        await until(lambda: len(gateway.answer_to(ctx)) == 2)


@run
async def test_a_refusal_is_classified_and_answered_once():
    async with stage() as exchange:
        gateway = await exchange.opened()
        ctx = stop(price=Decimal(50000))  # no position: a close-position stop is refused
        gateway.venue.place(ctx, protective=True)
        await until(lambda: gateway.answer_to(ctx))
        answer = gateway.answer_to(ctx)[0]
        assert answer.certainty is Certainty.NOT_EXECUTED
        assert answer.code < 0
        assert answer.effect in (Effect.NO_POSITION, Effect.WOULD_TRIGGER)


@run
async def test_orders_go_by_rest_while_the_order_connection_is_refused():
    async with stage() as exchange:
        exchange.faults({"match": {"surface": "ws_api"}, "effect": {"refuse_connection": {"status": 503}}})
        gateway = await exchange.opened()
        assert not gateway.venue.status().orders_up
        ctx = await resting(gateway)
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        assert gateway.answers[0].certainty is Certainty.EXECUTED
        assert gateway.venue.status().orders_by_rest == 1
        exchange.clear_faults()
        await until(lambda: gateway.venue.status().orders_up)
        gateway.venue.cancel(ctx, protective=False)
        await until(lambda: len(gateway.answers) == 2)
        assert gateway.venue.status().orders_by_ws == 1


@run
async def test_8_1_connection_lost_after_the_write_is_unknown():
    async with stage() as exchange:
        gateway = await exchange.opened()
        ctx = await resting(gateway)
        exchange.faults(
            {
                "match": {"surface": "ws_api", "endpoint": "POST /fapi/v1/order"},
                "effect": {"cut": {"when": "after"}},
            }
        )
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        answer = gateway.answer_to(ctx)[0]
        assert (answer.certainty, answer.answer, answer.effect) == (
            Certainty.UNKNOWN,
            AnswerClass.UNKNOWN,
            Effect.UNKNOWN_OUTCOME,
        )
        await until(lambda: gateway.of(OrderReport))  # it was executed, and the stream says so
        exchange.clear_faults()
        await until(lambda: gateway.venue.status().orders_up)
        assert len(gateway.answer_to(ctx)) == 1


@run
async def test_8_1_no_answer_in_time_is_unknown_and_a_late_answer_is_not_a_second_one():
    async with stage() as exchange:
        # recvWindow 5 s and a margin of minus 4.9 s: a tenth of a second to wait
        gateway = await exchange.opened(timings=Timings(answer_margin=-4.9, quiet=0.0))
        slow, quick = await resting(gateway), await resting(gateway)
        exchange.faults(
            {
                "match": {"surface": "ws_api", "client_id": slow.ctx_id},
                "effect": {"delay": {"ms": 300}},
            }
        )
        gateway.venue.place(quick, protective=False)  # its answer shows that the connection lives
        gateway.venue.place(slow, protective=False)
        await until(lambda: gateway.answer_to(slow) and gateway.answer_to(quick))
        assert gateway.answer_to(slow)[0].certainty is Certainty.UNKNOWN
        assert gateway.answer_to(quick)[0].certainty is Certainty.EXECUTED
        await until(lambda: any("late answer" in line for line in gateway.log))
        assert len(gateway.answer_to(slow)) == 1


@run
async def test_8_1_a_lost_answer_by_rest_is_unknown():
    async with stage() as exchange:
        gateway = await exchange.opened(order_connection=False)
        ctx = await resting(gateway)
        exchange.faults(
            {
                "match": {"surface": "rest", "endpoint": "POST /fapi/v1/order"},
                "effect": {"cut": {"when": "after"}},
            }
        )
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        assert gateway.answer_to(ctx)[0].certainty is Certainty.UNKNOWN
        assert len(exchange.requests(endpoint="POST /fapi/v1/order")) == 1


@run
async def test_8_1_refused_before_any_byte_was_written_is_not_executed():
    async with stage() as exchange:
        gateway = await exchange.opened(order_connection=False)
        ctx = await resting(gateway)
        gateway.venue._rest._base = "http://127.0.0.1:1"
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        answer = gateway.answer_to(ctx)[0]
        assert (answer.certainty, answer.effect) == (Certainty.NOT_EXECUTED, Effect.NOT_SENT)


@run
async def test_every_mutation_of_a_burst_is_answered_exactly_once_across_a_planned_reconnect():
    async with stage() as exchange:
        gateway = await exchange.opened()
        template = await resting(gateway)
        contexts = [context(price=template.slot.price, quantity="0.010") for _ in range(60)]
        for number, ctx in enumerate(contexts):
            if number == 20:
                gateway.venue._orders.line.replace()
            gateway.venue.place(ctx, protective=False)
            await asyncio.sleep(0.001)
        await until(lambda: len(gateway.answers) == 60)
        assert sorted(answer.ctx_id for answer in gateway.answers) == sorted(ctx.ctx_id for ctx in contexts)
        assert {answer.certainty for answer in gateway.answers} == {Certainty.EXECUTED}
        assert gateway.venue.status().orders_by_ws == 60
        assert "order connection: up (overlap)" in gateway.log


@run
async def test_nothing_is_sent_before_open_and_after_close():
    async with stage() as exchange:
        gateway = exchange.gateway()
        ctx = context(price="1000", quantity="0.01")
        with pytest.raises(NotSent):
            gateway.venue.place(ctx, protective=True)
        await gateway.venue.open()
        await gateway.venue.close()
        with pytest.raises(NotSent):
            gateway.venue.place(ctx, protective=True)
        assert gateway.of(AnswerReceived) == []


@run
async def test_what_is_under_way_at_close_is_told_as_unknown():
    async with stage() as exchange:
        gateway = await exchange.opened(timings=FAST)
        ctx = await resting(gateway)
        exchange.faults({"match": {"surface": "ws_api", "endpoint": "POST /fapi/v1/order"}, "effect": "drop"})
        gateway.venue.place(ctx, protective=False)
        await asyncio.sleep(0.05)
        await gateway.venue.close()
        assert [answer.certainty for answer in gateway.answer_to(ctx)] == [Certainty.UNKNOWN]


@run
async def test_a_half_open_order_connection_is_replaced_after_the_first_order_that_it_swallowed():
    async with stage() as exchange:
        gateway = await exchange.opened(timings=Timings(answer_margin=-4.9, quiet=0.0, first_delay=0.01))
        first, second = await resting(gateway), await resting(gateway)
        exchange.faults({"match": {"at_ms": 0}, "effect": {"half_open": {"surface": "ws_api"}}})
        gateway.venue.place(first, protective=False)
        await until(lambda: gateway.answer_to(first))
        assert gateway.answer_to(first)[0].certainty is Certainty.UNKNOWN
        exchange.clear_faults()
        gateway.venue.place(second, protective=False)  # by REST, or on the new connection
        await until(lambda: gateway.answer_to(second))
        assert gateway.answer_to(second)[0].certainty is Certainty.EXECUTED
        await until(lambda: gateway.venue.status().orders_up)


@run
async def test_a_protective_order_may_use_the_reserve_and_an_exposing_one_may_not():
    async with stage() as exchange:
        budget = Budget(orders_per_10s=10, orders_per_minute=10, reserve_percent=20)
        gateway = await exchange.opened(budget=budget)
        price = await low_price(gateway)
        refused = 0
        for _ in range(10):
            try:
                gateway.venue.place(context(price=price, quantity="0.010"), protective=False)
            except NotSent:
                refused += 1
        assert refused == 2
        assert gateway.gates[0] == ("rate_limited", True)
        gateway.venue.place(context(price=price, quantity="0.010"), protective=True)
        await until(lambda: len(gateway.answers) == 9)
