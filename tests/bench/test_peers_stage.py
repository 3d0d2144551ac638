"""The venue of the comparison on real sockets: what its tap hears is what the judge needs."""

import asyncio
import ssl
import sys
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))

from judge import judge
from stage import SYMBOL, stage


def record_of(on):
    return {
        "frames": on.frames,
        "requests": on.requests(),
        "truth": on.truth(),
        "ended_ms": on.now_ms(),
        "intended": {"BOTH": "0.020"},
        "exits": [],
    }


async def one_position(on):
    on.human(do="order", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.020")
    stop = {"do": "algo", "symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "triggerPrice": "78400"}
    on.human(**stop, closePosition="true")


def test_a_stop_that_triggers_on_a_moved_price_leaves_a_flat_account():
    async def play():
        async with stage() as on:
            await one_position(on)
            guarded = judge(record_of(on))
            on.move("0.975")
            return guarded, judge(record_of(on))

    guarded, flat = asyncio.run(play())
    assert (guarded.position, guarded.recovered) == ("guarded", True)
    assert (flat.position, flat.recovered, flat.orphans) == ("flat", True, 0)


def test_a_stop_that_hangs_is_judged_as_none_by_the_venues_own_events():
    async def play():
        async with stage() as on:
            on.faults([{"match": {"from_ms": 0, "symbol": SYMBOL}, "effect": "stuck_triggering"}])
            await one_position(on)
            on.move("0.975")
            record = record_of(on)
            record["ended_ms"] += 5000
            return judge(record)

    verdict = asyncio.run(play())
    assert verdict.position == "naked"
    assert 3900 < verdict.naked_ms <= 5000


def test_the_market_stands_still_until_it_is_moved():
    async def play():
        async with stage() as on:
            before = on.truth()["prices"][SYMBOL]["last"]
            await asyncio.sleep(0.3)
            return before, on.truth()["prices"][SYMBOL]["last"]

    assert {float(price) for price in asyncio.run(play())} <= {80000.0, 80000.1}


def test_the_venue_answers_by_https_too():
    async def play():
        async with stage() as on, aiohttp.ClientSession() as session:
            loose = ssl.create_default_context()
            loose.check_hostname, loose.verify_mode = False, ssl.CERT_NONE
            url = f"https://name@127.0.0.1:{on.tls_port}/fapi/v1/exchangeInfo"
            async with session.get(url, ssl=loose) as answer:
                return (await answer.json())["symbols"][0]["symbol"]

    assert asyncio.run(play()) == SYMBOL
