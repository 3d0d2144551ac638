"""A connection that is kept open, against a peer that a test opens and closes at will."""

import asyncio
import contextlib
import itertools

import pytest

from backstay.binance.net.line import CannotConnect, Line, Up
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import NotWritten

from tests.binance.net.asyncs import NoJitter, run, until

QUICK = Timings(first_delay=0.001, longest_delay=0.004, stable=0.0, overlap=0.02, connection_life=3600)


class Peer:
    """Opens sockets, counts attempts, and closes what it opened."""

    def __init__(self):
        self.attempts = 0
        self.opened = []
        self.refuse = []

    async def connect(self, on_closed):
        self.attempts += 1
        await asyncio.sleep(0)
        if self.refuse:
            raise self.refuse.pop(0)
        socket = PeerSocket(on_closed)
        self.opened.append(socket)
        return socket


class PeerSocket:
    def __init__(self, on_closed):
        self.is_open = True
        self._on_closed = on_closed

    def send(self, data):
        raise AssertionError("a line sends nothing by itself")

    def close(self, reason="closed by us"):
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().call_soon(self._on_closed, reason)


@contextlib.asynccontextmanager
async def a_line(peer, timings=QUICK):
    told = []
    line = Line(
        peer.connect,
        entropy=NoJitter(),
        on_up=told.append,
        on_down=told.append,
        log=lambda _text: None,
        name="test line",
        timings=timings,
    )
    try:
        yield line, told
    finally:
        await line.close()


@run
async def test_a_lost_connection_is_told_and_reopened():
    peer = Peer()
    async with a_line(peer) as (line, told):
        await line.open()
        peer.opened[0].close("cut")
        await until(lambda: len(told) == 3)
        assert told == [Up.FIRST, "cut", Up.AGAIN]
        assert line.socket is peer.opened[1]


@run
async def test_attempts_go_on_until_one_succeeds():
    peer = Peer()
    async with a_line(peer) as (line, told):
        await line.open()
        peer.refuse = [NotWritten("refused"), CannotConnect("busy"), NotWritten("refused")]
        peer.opened[0].close("cut")
        await until(lambda: len(told) == 3)
        assert peer.attempts == 5
        assert told == [Up.FIRST, "cut", Up.AGAIN]


@run
async def test_the_first_connection_that_fails_is_an_error_of_the_caller():
    peer = Peer()
    peer.refuse = [NotWritten("refused")]
    async with a_line(peer) as (line, told):
        with pytest.raises(NotWritten):
            await line.open()
        await asyncio.sleep(0.01)
        assert (peer.attempts, told, line.is_up) == (1, [], False)
        await line.open()
        assert told == [Up.FIRST]


@run
async def test_a_planned_replacement_opens_the_new_connection_before_the_old_one_closes():
    peer = Peer()
    async with a_line(peer) as (line, told):
        await line.open()
        line.replace()
        await until(lambda: len(told) == 2)
        assert told == [Up.FIRST, Up.OVERLAP]
        assert [socket.is_open for socket in peer.opened] == [True, True]
        assert line.socket is peer.opened[1]
        await until(lambda: not peer.opened[0].is_open)
        await asyncio.sleep(0.01)
        assert told == [Up.FIRST, Up.OVERLAP]
        assert line.is_up


@run
async def test_the_replacement_comes_by_itself_before_the_connection_is_too_old():
    peer = Peer()
    async with a_line(peer, Timings(connection_life=0.02, overlap=0.001, stable=0.0)) as (_, told):
        line_told = told
        await _.open()
        await until(lambda: line_told.count(Up.OVERLAP) >= 2)
        assert set(told) == {Up.FIRST, Up.OVERLAP}


@run
async def test_an_old_connection_that_dies_while_its_successor_opens_is_a_gap():
    peer = Peer()
    async with a_line(peer) as (line, told):
        await line.open()
        peer.refuse = [NotWritten("refused")] * 3
        line.replace()
        await until(lambda: peer.attempts == 3)
        peer.opened[0].close("cut")
        await until(lambda: line.is_up and len(told) == 3)
        assert told == [Up.FIRST, "cut", Up.AGAIN]


@run
async def test_a_venue_that_hangs_up_at_once_is_asked_ever_more_rarely():
    peer = Peer()
    times = []
    slow = Timings(first_delay=0.01, longest_delay=0.08, stable=10.0)
    async with a_line(peer, slow) as (line, _told):
        await line.open()
        while len(peer.opened) < 5:
            times.append(asyncio.get_running_loop().time())
            count = len(peer.opened)
            peer.opened[-1].close("go away")
            await until(lambda count=count: len(peer.opened) > count)
        times.append(asyncio.get_running_loop().time())
        waits = [after - before for before, after in itertools.pairwise(times)]
        assert waits[0] >= 0.009
        assert waits[3] >= 0.07


@run
async def test_a_wake_ends_the_pause_between_attempts_and_the_backoff_begins_anew():
    """An operator has ended a halt: nobody waits thirty seconds for a stream that could be had now."""
    peer = Peer()
    slow = Timings(first_delay=3600.0, longest_delay=3600.0, stable=0.0, overlap=0.02, connection_life=3600)
    async with a_line(peer, slow) as (line, told):
        await line.open()
        peer.refuse = [CannotConnect("halted", retry_after_s=3600.0)]
        peer.opened[0].close("cut")
        await until(lambda: peer.attempts == 2)
        await asyncio.sleep(0.01)
        assert told == [Up.FIRST, "cut"]
        line.wake()
        await until(lambda: len(told) == 3)
        assert told[-1] is Up.AGAIN


@run
async def test_dropping_tells_the_gap_before_the_new_connection():
    peer = Peer()
    async with a_line(peer) as (line, told):
        await line.open()
        line.drop("deaf")
        assert told == [Up.FIRST, "deaf"]
        assert not peer.opened[0].is_open
        await line.wait_up()
        await until(lambda: line.is_up)
        assert told == [Up.FIRST, "deaf", Up.AGAIN]


@run
async def test_nothing_is_opened_after_close():
    peer = Peer()
    async with a_line(peer) as (line, told):
        await line.open()
        await line.close()
        await asyncio.sleep(0.02)
        assert peer.attempts == 1
        assert told == [Up.FIRST]
