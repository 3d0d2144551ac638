"""Virtual time: an asyncio event loop on which hours pass in seconds, and clocks to read.

The same coroutines run on it unchanged. Whenever nothing is ready, the loop's clock jumps to the next timer
instead of waiting (`speed=None`), or time passes at a multiple of real time (`speed=60`). Timers that are due
at the same instant run in the order in which asyncio's heap gives them: the same in every run.

What is outside of the loop does not follow virtual time. Sockets are looked at before every jump; work in the
loop's executor, and whatever is bracketed by `VirtualLoop.hold()`, stops the clock until it is done.
"""

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Protocol

NS = 1_000_000_000
_FOREIGN_THREAD_PATIENCE_S = 2.0


class Clock(Protocol):
    """Where a program learns the time."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        ...


class WallClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC, as the machine has them."""
        return time.time_ns()


class LoopClock:
    """The time of an event loop, counted from `start_ns` at the moment when the clock is made."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ns: int) -> None:
        self._loop = loop
        self._start = start_ns - round(loop.time() * NS)

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC, by the loop's time."""
        return self._start + round(self._loop.time() * NS)


class VirtualDeadlockError(RuntimeError):
    """Everything waits and nothing will ever happen: no timer, nothing ready, nobody outside."""


class _VirtualSelector(selectors.BaseSelector):
    """Looks at the real selector and, where asyncio would wait, lets virtual time pass instead."""

    def __init__(self, speed: float | None, socket_grace_s: float) -> None:
        self._real = selectors.DefaultSelector()
        self._grace = socket_grace_s
        self.speed = speed
        self.now_ns = 0
        self.origin = time.monotonic()
        self.held = 0
        self.describe: Callable[[], str] = str

    def time(self) -> float:
        if self.speed is None:
            return self.now_ns / NS
        return (time.monotonic() - self.origin) * self.speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.speed is not None:
            if timeout is None:
                return self._wait_outside()
            return self._real.select(timeout / self.speed)
        if timeout is not None and timeout <= 0:
            return self._real.select(0)
        if self.held:
            return self._real.select(None)
        if timeout is None:
            return self._wait_outside()
        ready = self._real.select(self._grace if self._sockets() else 0)
        if not ready:
            # whole nanoseconds: asyncio takes a timer for due when it is within one of now
            self.now_ns += max(round(timeout * NS), 1)
        return ready

    def _sockets(self) -> bool:
        # the loop's own wake-up pipe is always registered
        return len(self._real.get_map()) > 1

    def _wait_outside(self) -> list[tuple[selectors.SelectorKey, int]]:
        """No timer is set: only somebody outside can go on. Without such a one, that is a deadlock."""
        if self.held or self._sockets():
            return self._real.select(None)
        patience = _FOREIGN_THREAD_PATIENCE_S if threading.active_count() > 1 else 0
        ready = self._real.select(patience)
        if not ready:
            raise VirtualDeadlockError(
                f"nothing is ready, no timer is set and nobody is outside; {self.describe()}"
            )
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0.

    `speed=None`: jumps from timer to timer and never sleeps; a factor > 0: real time, multiplied. With real
    sockets and no speed they are polled for up to `socket_grace_s` real seconds before every jump (0: only
    looked at). Raises `VirtualDeadlockError` out of `run_*` when nothing can ever happen again.
    """

    def __init__(self, speed: float | None = None, *, socket_grace_s: float = 0.0) -> None:
        self._virtual = _VirtualSelector(speed, socket_grace_s)
        super().__init__(self._virtual)
        if speed is not None and not 0 < speed < float("inf"):
            self.close()
            raise ValueError(f"speed is {speed}; give a factor above 0, or None for as fast as possible")
        self._virtual.describe = self._waiting

    @property
    def speed(self) -> float | None:
        """The factor of real time, or None."""
        return self._virtual.speed

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.time()

    @contextmanager
    def hold(self) -> Generator[None]:
        """While open, the clock does not jump: for work outside of the loop that will wake it when done."""
        self._virtual.held += 1
        try:
            yield
        finally:
            self._virtual.held -= 1

    def run_in_executor[*Ts, T](
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As asyncio's; it takes no virtual time."""
        future = super().run_in_executor(executor, func, *args)
        self._virtual.held += 1
        future.add_done_callback(self._release)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  asyncio's own signature
        """As asyncio's; the clock waits for the threads."""
        with self.hold():
            await super().shutdown_default_executor(timeout)

    def _release(self, _: object) -> None:
        self._virtual.held -= 1

    def _waiting(self) -> str:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: task.get_name())
        lines = []
        for task in tasks[:8]:
            stack = task.get_stack(limit=1)
            place = f"{stack[0].f_code.co_qualname}, line {stack[0].f_lineno}" if stack else "not started"
            lines.append(f"{task.get_name()} in {place}")
        more = f" and {len(tasks) - 8} more" if len(tasks) > 8 else ""
        return f"waiting: {'; '.join(lines)}{more}" if lines else "no task is left"


def run_virtual[T](
    main: Coroutine[Any, Any, T] | Callable[[LoopClock], Coroutine[Any, Any, T]],
    *,
    start_ns: int,
    speed: float | None = None,
    socket_grace_s: float = 0.0,
) -> T:
    """Runs `main` to its end on a new `VirtualLoop` and closes the loop, as `asyncio.run` does.

    `main` is a coroutine, or a function that is given the loop's clock (which begins at `start_ns`) and
    returns one.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(speed, socket_grace_s=socket_grace_s)) as runner:
        if isinstance(main, Coroutine):
            return runner.run(main)
        return runner.run(main(LoopClock(runner.get_loop(), start_ns)))
