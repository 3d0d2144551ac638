"""Coroutines run unchanged on virtual time: hours in moments, in the same order every time."""

import asyncio
import socket
import threading
import time

import pytest

from backstay.runtime.virtual_time import (
    LoopClock,
    VirtualDeadlockError,
    VirtualLoop,
    WallClock,
    run_virtual,
)

START = 1_790_000_000_000_000_000
S = 1_000_000_000


def test_an_hour_of_one_second_timers_takes_a_moment():
    async def main(clock):
        for _ in range(3600):
            await asyncio.sleep(1)
        return clock.now_ns()

    began = time.thread_time()
    assert run_virtual(main, start_ns=START) == START + 3600 * S
    assert time.thread_time() - began < 0.3


def test_the_loops_time_starts_at_zero_and_a_coroutine_may_be_given():
    async def main():
        return asyncio.get_running_loop().time()

    assert run_virtual(main(), start_ns=START) == 0


def test_sleepers_wake_in_order_at_whole_nanoseconds():
    async def main(clock):
        woken = []

        async def sleeper(delay):
            await asyncio.sleep(delay)
            woken.append((clock.now_ns() - START, delay))

        await asyncio.gather(*(sleeper(delay) for delay in (3, 0.1, 0.3, 86_400 * 3, 1e-9, 2.5, 0)))
        return woken

    assert run_virtual(main, start_ns=START) == [
        (0, 0),
        (1, 1e-9),
        (100_000_000, 0.1),
        (300_000_000, 0.3),
        (2_500_000_000, 2.5),
        (3_000_000_000, 3),
        (86_400 * 3 * S, 86_400 * 3),
    ]


async def _bustle(clock):
    """Producers, a bounded queue, time-outs and events, told as a log."""
    log, queue, stop = [], asyncio.Queue(3), asyncio.Event()

    async def producer(name, pause):
        for number in range(20):
            await asyncio.sleep(pause)
            await queue.put((name, number))

    async def consumer():
        while not stop.is_set():
            try:
                item = await asyncio.wait_for(queue.get(), 0.25)
            except TimeoutError:
                item = "quiet"
            log.append((clock.now_ns(), item))

    async with asyncio.TaskGroup() as group:
        group.create_task(consumer())
        producers = [group.create_task(producer(name, pause)) for name, pause in (("a", 0.1), ("b", 0.7))]
        await asyncio.wait(producers)
        stop.set()
    return log


def test_two_runs_are_the_same_to_the_nanosecond():
    first = run_virtual(_bustle, start_ns=START)
    assert first == run_virtual(_bustle, start_ns=START)
    assert (START + 14 * S, ("b", 19)) in first
    assert any(item == "quiet" for _, item in first)


def test_timeouts_and_wait_for_fire_at_their_virtual_instant():
    async def main(clock):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        assert clock.now_ns() == START + 30 * S
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Queue().get(), 12.5)
        assert clock.now_ns() == START + 42 * S + S // 2
        assert await asyncio.wait_for(asyncio.sleep(1, "done"), 2) == "done"

    run_virtual(main, start_ns=START)


def test_time_stands_still_while_something_is_ready():
    async def main(clock):
        later = asyncio.create_task(asyncio.sleep(1))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert clock.now_ns() == START
        await later

    run_virtual(main, start_ns=START)


def test_a_deadlock_is_an_error_that_names_who_waits():
    async def stuck_reader():
        await asyncio.Event().wait()

    async def main(_clock):
        await asyncio.create_task(stuck_reader(), name="reader")

    with pytest.raises(VirtualDeadlockError, match=r"no timer is set.*reader in .*stuck_reader"):
        run_virtual(main, start_ns=START)


def test_work_in_threads_takes_no_virtual_time():
    async def main(clock):
        ticker = asyncio.create_task(asyncio.sleep(3600))
        gate = threading.Event()
        asyncio.get_running_loop().call_soon(threading.Timer(0.05, gate.set).start)
        assert await asyncio.to_thread(gate.wait, 10)
        assert clock.now_ns() == START
        await ticker
        return clock.now_ns()

    assert run_virtual(main, start_ns=START) == START + 3600 * S


def test_hold_stops_the_clock_for_work_outside_of_the_loop():
    async def main(clock):
        loop = asyncio.get_running_loop()
        ticker = asyncio.create_task(asyncio.sleep(3600))
        done = asyncio.Event()
        threading.Timer(0.05, loop.call_soon_threadsafe, (done.set,)).start()
        with loop.hold():
            await done.wait()
            assert clock.now_ns() == START
        await ticker

    run_virtual(main, start_ns=START)


def test_without_timers_a_foreign_thread_may_still_wake_the_loop():
    async def main(clock):
        done = asyncio.Event()
        threading.Timer(0.05, asyncio.get_running_loop().call_soon_threadsafe, (done.set,)).start()
        await done.wait()
        return clock.now_ns()

    assert run_virtual(main, start_ns=START) == START


async def _echo_once():
    async def serve(reader, writer):
        await asyncio.sleep(5)
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"ping")
        answer = await reader.read()
        writer.close()
        return answer


@pytest.mark.parametrize("speed", [None, 1000.0])
def test_real_sockets_work_at_full_and_at_scaled_speed(speed):
    async def main(clock):
        began = clock.now_ns()
        assert await _echo_once() == b"ping"
        return clock.now_ns() - began

    began = time.monotonic()
    assert 5 * S <= run_virtual(main, start_ns=START, speed=speed, socket_grace_s=0.01) < 3600 * S
    assert time.monotonic() - began < 4


def test_speed_is_a_multiple_of_real_time():
    async def main(clock):
        began = time.monotonic()
        await asyncio.sleep(10)
        passed = clock.now_ns() - START
        return time.monotonic() - began, passed

    real, virtual = run_virtual(main, start_ns=START, speed=200.0)
    assert 0.04 < real < 2
    assert virtual >= 10 * S


@pytest.mark.parametrize("speed", [0, -1.0, float("inf")])
def test_an_impossible_speed_is_refused(speed):
    with pytest.raises(ValueError, match="factor above 0"):
        VirtualLoop(speed)


def test_clocks_tell_nanoseconds_since_the_epoch():
    loop = VirtualLoop()
    try:
        clock = LoopClock(loop, START)
        assert clock.now_ns() == START
        loop.run_until_complete(asyncio.sleep(2.000000001))
        assert clock.now_ns() == START + 2_000_000_001
        assert LoopClock(loop, START).now_ns() == START
    finally:
        loop.close()
    assert abs(WallClock().now_ns() - time.time_ns()) < 60 * S
