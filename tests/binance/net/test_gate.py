"""429 and 418, refused keys, and who may still go out."""

import pytest

from backstay.binance.net.outcomes import NotSent, VenueUnavailable
from backstay.core.events import AnswerClass, Certainty, Effect, GateChanged

from tests.binance.net.asyncs import run, until
from tests.binance.net.stage import context, stage


def an_order():
    return context(price="30000", quantity="0.010")


@run
async def test_8_1_429_pauses_until_retry_after_and_then_opens_by_itself():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "rest", "endpoint": "GET /fapi/v3/balance", "times": 1},
                "effect": {"throttle_429": {"retry_after": 1}},
            }
        )
        with pytest.raises(VenueUnavailable) as caught:
            await gateway.venue.read_balances()
        assert (caught.value.status, caught.value.retry_after_ms, caught.value.fatal) == (429, 1000, False)
        assert gateway.gates == [("rate_limited", True)]
        with pytest.raises(NotSent):
            gateway.venue.place(an_order(), protective=True)
        count = len(exchange.requests())
        await gateway.venue.read_balances()  # waits for its turn, asks once
        assert len(exchange.requests()) == count + 1
        await until(lambda: gateway.gates == [("rate_limited", True), ("rate_limited", False)])


@run
async def test_8_1_418_halts_everything_until_an_operator_releases():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "rest", "endpoint": "GET /fapi/v3/balance", "times": 1},
                "effect": {"ban_418": {"seconds": 1}},
            }
        )
        with pytest.raises(VenueUnavailable) as caught:
            await gateway.venue.read_balances()
        assert caught.value.fatal
        assert gateway.gates == [("venue_halt", True)]
        count = len(exchange.requests())
        with pytest.raises(VenueUnavailable) as caught:
            await gateway.venue.read_positions(None)
        assert caught.value.fatal
        with pytest.raises(NotSent):
            gateway.venue.place(an_order(), protective=True)
        assert len(exchange.requests()) == count  # no byte of REST while the ban runs
        exchange.control("POST", "/sim/v1/clock", {"advance": "2s"})
        gateway.venue.release_halt("the operator has looked")
        assert gateway.gates == [("venue_halt", True), ("venue_halt", False)]
        await gateway.venue.read_positions(None)


@run
async def test_8_1_a_revoked_key_halts_by_the_unsolicited_frame_of_the_order_connection():
    async with stage() as exchange:
        gateway = await exchange.opened(ed25519=True)
        exchange.faults({"match": {}, "effect": "keys_revoked"})
        await until(lambda: ("venue_halt", True) in gateway.gates)
        with pytest.raises(NotSent):
            gateway.venue.place(an_order(), protective=True)


@run
async def test_8_1_too_many_orders_pauses_orders_and_not_cancels():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "ws_api", "endpoint": "POST /fapi/v1/order", "times": 1},
                "effect": {"error": {"code": -1015, "status": 429, "msg": "Too many new orders."}},
            }
        )
        ctx = an_order()
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        answer = gateway.answer_to(ctx)[0]
        assert (answer.certainty, answer.answer, answer.effect) == (
            Certainty.NOT_EXECUTED,
            AnswerClass.LIMIT,
            Effect.RATE_LIMITED,
        )
        assert gateway.gates == [("rate_limited", True)]
        with pytest.raises(NotSent):
            gateway.venue.place(an_order(), protective=False)
        gateway.venue.cancel(ctx, protective=True)
        await until(lambda: len(gateway.answer_to(ctx)) == 2)


@run
async def test_a_gate_is_told_before_the_answer_that_closed_it():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "ws_api", "endpoint": "POST /fapi/v1/order"},
                "effect": {"throttle_429": {"retry_after": 1}},
            }
        )
        ctx = an_order()
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        told = [
            event for event in gateway.events if event is gateway.answers[0] or isinstance(event, GateChanged)
        ]
        assert isinstance(told[0], GateChanged)
