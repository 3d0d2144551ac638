"""`backstay run`: guard until a signal comes or something ends it. Orders stay resting at the venue."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from backstay.app import logs
from backstay.app.config import Settings
from backstay.app.errors import AppError, RefusedError
from backstay.app.garbage import keep_large_blocks_apart
from backstay.app.locks import make_lock
from backstay.app.session import Session, iso_now, may_run, open_session, prepare_folders
from backstay.app.words import words
from backstay.core.records import Body, Noted

type Page = Callable[[Session], Awaitable[Callable[[], Awaitable[None]]]]
"""Opens a screen on a session and tells how to close it."""

LOOK_S = 1.0
"""How often the lock and the owner are looked at."""


class LostLockError(RefusedError):
    """The lock is gone: somebody removed its file, and another process may own the account now."""


async def run(
    settings: Settings,
    *,
    page: Page | None = None,
    started: Callable[[Session], object] | None = None,
    delayed: Callable[[str], object] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run until SIGINT, SIGTERM or `stop`.

    `page` opens a screen before anything is taken over; `started` is called once the account is guarded,
    `delayed` with a sentence each time the start has to be tried again.
    Raises AppError and the errors of the layers below; whatever happens, what can be saved is saved. What
    kept one account from being guarded while the other one was is raised at the end.
    """
    may_run(settings)
    keep_large_blocks_apart()
    prepare_folders(settings)
    lock = make_lock(settings)
    lock.acquire(now=iso_now())
    try:
        log = logs.set_up(settings.logs)
        for warning in settings.warnings:
            log.warning(warning)
        session = await open_session(settings, lock)
        reason = "failed"
        close_page = None
        try:
            with stop_signals(stop or asyncio.Event()) as ended:
                close_page = await page(session) if page is not None else None
                tell = _teller(log, delayed)
                for guard in session.guards:
                    guard.listeners.append(lambda _seq, _at, body: tell(body))

                def ready() -> None:
                    log.info("guarding %s in mode %s", settings.account.name, settings.mode)
                    if started is not None:
                        started(session)

                taking = asyncio.ensure_future(session.take_over(lambda delay: tell(delay.noted())))
                reason = await _watch(session, ended, taking, ready)
                if session.missing:
                    # It was told when it happened; the exit code says that not all was guarded.
                    raise next(iter(session.missing.values()))
        finally:
            if close_page is not None:
                await close_page()
            await session.close(reason)
    except AppError as error:
        logging.getLogger(logs.ROOT).error("%s", error)
        raise
    except Exception as error:
        logging.getLogger(logs.ROOT).critical("stopped by %s", type(error).__name__, exc_info=error)
        raise
    finally:
        lock.release()
        logs.tear_down()


def _teller(log: logging.Logger, delayed: Callable[[str], object] | None) -> Callable[[Body], None]:
    """Tells the log and the terminal when the start has to be tried again."""

    def tell(body: Body) -> None:
        if isinstance(body, Noted) and body.what == "start_delayed":
            text = words(body)
            log.warning(text)
            if delayed is not None:
                delayed(text)

    return tell


async def _watch(
    session: Session, ended: asyncio.Event, taking: asyncio.Future[None], ready: Callable[[], object]
) -> str:
    """Wait for an end; returns its reason. `ready` is called when `taking`, the taking over, is done.

    What is guarded already is watched meanwhile. Raises what an owner or the taking over fails with.
    """
    failures = [guard.owner.failed for guard in session.guards]
    waiting = asyncio.ensure_future(ended.wait())
    starting: tuple[asyncio.Future[Any], ...] = (taking,)
    try:
        while True:
            ends: tuple[asyncio.Future[Any], ...] = (waiting, *failures, *starting)
            await asyncio.wait(ends, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if starting and taking.done():
                starting = ()
                await taking
                ready()
            for failed in failures:
                if failed.done():
                    raise failed.result()
            if waiting.done():
                guarded = any(guard.owner.ready.is_set() for guard in session.guards)
                early = "" if guarded else " before the account was taken over"
                return f"stopped by its operator{early}"
            if not session.lock.verify():
                raise LostLockError(
                    "the lock file was removed, or cannot be written any more, so another process may own "
                    "this account now. "
                    "Stopped; orders stay resting. Start again when no other process runs"
                )
    finally:
        for each in (taking, waiting):
            each.cancel()
        await asyncio.gather(taking, waiting, return_exceptions=True)


@contextlib.contextmanager
def stop_signals(ended: asyncio.Event) -> Iterator[asyncio.Event]:
    """SIGINT and SIGTERM set the event, where this thread may say so."""
    loop = asyncio.get_running_loop()
    taken = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, ended.set)
            taken.append(number)
    try:
        yield ended
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
