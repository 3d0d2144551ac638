"""The pump in memory on a virtual loop, and the venue on real sockets with the plainest clients there are."""

import asyncio
import heapq
import json
import socket
import time
import urllib.request

import msgspec
import pytest
import websockets

from backstay.simulator.server.faults import FaultPlan
from backstay.simulator.server.outputs import Answer, Frame, Ping
from backstay.simulator.server.pump import Pump
from backstay.simulator.server.serve import ServeError, serve
from backstay.simulator.server.settings import ServerSettings

from tests.simulator.server.asyncs import run
from tests.simulator.server.stage import KEY, MS, SECOND, START, Stage, order_event


class VirtualLoop:
    """`time` and `call_at` of an event loop whose time is moved by hand."""

    def __init__(self) -> None:
        self.ns = START
        self._timers: list = []
        self._count = 0

    def time(self) -> float:
        return (self.ns - START) / SECOND

    def call_at(self, when, callback, *args):
        self._count += 1
        handle = asyncio.TimerHandle(when, callback, args, self)
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle) -> None:
        pass

    def get_debug(self) -> bool:
        return False

    def run_for(self, ns: int) -> None:
        end = self.ns + ns
        while self._timers and START + round(self._timers[0][0] * SECOND) <= end:
            when, _, handle = heapq.heappop(self._timers)
            self.ns = max(self.ns, START + round(when * SECOND))
            if not handle.cancelled():
                handle._run()
        self.ns = end


def pumped(**settings):
    stage = Stage(ServerSettings(**settings))
    loop = VirtualLoop()
    delivered: list = []
    pump = Pump(
        stage.venue,
        time_ns=lambda: loop.ns,
        loop=loop,
        deliver=lambda output: delivered.append((loop.ns - START, output)),
    )
    pump.start()
    return stage, loop, pump, delivered


def test_an_answer_is_delivered_when_its_latency_has_passed():
    _, loop, pump, delivered = pumped(ack_latency_ms=2, jitter_ms=0)
    pump.http(1, "GET", "/fapi/v1/ping", {}, b"", "127.0.0.1")
    loop.run_for(MS)
    assert delivered == []
    loop.run_for(MS)
    assert [(at // MS, type(o)) for at, o in delivered] == [(2, Answer)]


def test_without_latency_the_answer_is_there_at_once():
    _, _, pump, delivered = pumped(ack_latency_ms=0, jitter_ms=0)
    pump.http(1, "GET", "/fapi/v1/ping", {}, b"", "127.0.0.1")
    assert len(delivered) == 1


def test_answer_and_event_race_by_their_latencies():
    for ack, event, order in ((5, 1, [Frame, Answer]), (1, 5, [Answer, Frame])):
        stage, loop, pump, delivered = pumped(ack_latency_ms=ack, event_latency_ms=event, jitter_ms=0)
        key = stage.venue.desk.keys.start("main", START).key
        assert pump.ws_open(5, f"/private/ws/{key}", "127.0.0.1") == 101
        stage.engine.user.append(("main", order_event("x")))
        pump.http(1, "GET", "/fapi/v1/ping", {}, b"", "127.0.0.1")
        loop.run_for(10 * MS)
        assert [type(o) for _, o in delivered] == order


def test_the_pump_wakes_for_what_the_venue_does_by_itself():
    _, loop, pump, delivered = pumped()
    pump.ws_open(5, "/market/ws", "127.0.0.1")
    loop.run_for(200 * SECOND)
    assert [(at // SECOND, type(o)) for at, o in delivered] == [(180, Ping)]


def test_a_faster_clock_brings_everything_forward():
    _, loop, pump, delivered = pumped()
    pump.ws_open(5, "/market/ws", "127.0.0.1")
    pump.control("POST", "/sim/v1/clock", b'{"speed": 60}')
    loop.run_for(4 * SECOND)
    assert [(at // SECOND, type(o)) for at, o in delivered] == [(3, Ping)]


def test_a_jump_of_the_clock_makes_due_what_lies_before_it():
    _, _, pump, delivered = pumped()
    pump.ws_open(5, "/market/ws", "127.0.0.1")
    pump.control("POST", "/sim/v1/clock", b'{"advance": "4m"}')
    assert [type(o) for _, o in delivered] == [Ping]


def test_a_closed_pump_is_still():
    _, loop, pump, delivered = pumped()
    pump.http(1, "GET", "/fapi/v1/ping", {}, b"", "127.0.0.1")
    pump.close()
    loop.run_for(SECOND)
    assert delivered == []


def live_stage(**settings) -> Stage:
    stage = Stage(msgspec.structs.replace(ServerSettings.for_sockets(), **settings))
    stage.venue.now = stage.engine.now = stage.now = time.time_ns()
    return stage


async def fetch(url: str, data: bytes | None = None, headers: dict | None = None):
    def go():
        request = urllib.request.Request(url, data=data, headers=headers or {})
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.loads(response.read())

    return await asyncio.to_thread(go)


@run
async def test_sockets_end_to_end() -> None:
    stage = live_stage()
    served = await serve(stage.venue)
    try:
        status, body = await fetch(f"{served.url}/fapi/v1/time")
        assert status == 200
        assert abs(body["serverTime"] - time.time_ns() // MS) < 2000
        _, body = await fetch(f"{served.url}/fapi/v1/listenKey", b"", {"X-MBX-APIKEY": KEY})
        async with (
            websockets.connect(f"{served.ws_url}/private/ws/{body['listenKey']}") as private,
            websockets.connect(f"{served.ws_url}/market/stream?streams=btcusdt@markPrice") as market,
            websockets.connect(f"{served.ws_url}/ws-fapi/v1") as api,
        ):
            stage.engine.user.append(("main", order_event("x")))
            stage.engine.market.append(("btcusdt@markPrice", {"e": "markPriceUpdate"}))
            await api.send(json.dumps({"id": 1, "method": "ping"}))
            assert json.loads(await api.recv())["id"] == 1
            assert json.loads(await private.recv())["o"]["c"] == "x"
            assert json.loads(await market.recv())["stream"] == "btcusdt@markPrice"
            assert await (await api.ping(b"hi")) >= 0
        _, body = await fetch(f"{served.control_url}/sim/v1/requests")
        assert body["received"] == 3
    finally:
        await served.close()


@run
async def test_a_refused_handshake_and_a_cut_line() -> None:
    stage = live_stage()
    stage.venue.install(
        FaultPlan.of([{"match": {"surface": "ws_api", "method": "time"}, "effect": "cut"}]), stage.now
    )
    served = await serve(stage.venue)
    try:
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"{served.ws_url}/nowhere")
        async with websockets.connect(f"{served.ws_url}/ws-fapi/v1") as api:
            await api.send(json.dumps({"id": 1, "method": "time"}))
            with pytest.raises(websockets.ConnectionClosedError):
                await asyncio.wait_for(api.recv(), 5)
    finally:
        await served.close()


@run
async def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"port {port} on 127.0.0.1 is in use"):
            await serve(Stage().venue, port=port)
        with pytest.raises(ServeError, match="in use"):
            await serve(Stage().venue, control_port=port)
