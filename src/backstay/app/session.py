"""A session: lock, exchanges, ledgers and guards of one configuration, opened and closed together."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backstay.app.config import Settings
from backstay.app.errors import ConfigError, RefusedError, UnreachableError
from backstay.app.garbage import CollectorAtRest
from backstay.app.guard import Guard
from backstay.app.host import GuardHost
from backstay.app.joint import JointHost
from backstay.app.posts import Post, open_post
from backstay.app.preflight import NAMES
from backstay.core.grades import ACCOUNT_MISSING
from backstay.core.records import Noted
from backstay.core.types import Product
from backstay.runtime.control import ControlServer, socket_path
from backstay.runtime.lock import InstanceLock
from backstay.runtime.starting import Delay, Patience

if TYPE_CHECKING:
    from backstay.app.following import Following


def iso_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def ignored(_delay: Delay) -> None:
    """Nobody waits for this start."""


def may_run(settings: Settings) -> None:
    """The locks on the mode. Raises RefusedError naming the switch that is missing."""
    if settings.locks:
        raise RefusedError(
            f"mode {settings.mode} sends orders only with its switches on, and "
            f"{' and '.join(settings.locks)}. Nothing was started; docs/operating/modes.md tells them all"
        )


class Session:
    """Everything that one running process has. Made by `open_session`."""

    def __init__(
        self, settings: Settings, lock: InstanceLock, posts: Sequence[Post], *, follow: bool = True
    ) -> None:
        self.settings = settings
        self.lock = lock
        self.posts = tuple(posts)
        self.guards = tuple(post.guard for post in posts)
        """USD-M first, where both are guarded."""
        self._hosts = {guard.config.product: GuardHost(guard) for guard in self.guards}
        self.host = JointHost(list(self._hosts.values()))
        self.missing: dict[Product, UnreachableError] = {}
        """Accounts that could finally not be had, while another one is guarded."""
        self.page_url = ""
        """Where the status page is; empty: there is none."""
        self._control: ControlServer | None = None
        self._garbage = CollectorAtRest(self.is_calm, self._at_rest)
        self._followed = False
        self._following: Following | None = None
        if follow:
            # Store, metrics and alerts are much to load: a command that only closes does without.
            from backstay.app import following

            self._following = following.Following(settings, self.guards, calm=self.is_calm)
            self.host.set_database(self._following.database)

    def guard_of(self, product: Product) -> Guard | None:
        """The guard of a product; None: this session has not opened it."""
        return next((guard for guard in self.guards if guard.config.product is product), None)

    def is_calm(self) -> bool:
        """A good moment for every guard to do what takes a while."""
        return all(guard.is_calm() for guard in self.guards)

    def _at_rest(self) -> None:
        for guard in self.guards:
            guard.at_rest()

    async def check(self, tell: Callable[[Delay], object] = ignored) -> None:
        """What must be right before anything is taken over.

        Raises ConfigError and ExchangeError, the latter also when the configured patience is over.
        """
        for post in self.posts:
            await post.check(self.settings, self._patience, tell)

    async def start(self) -> None:
        """Take the accounts over, each without waiting for the other. Raises ExchangeError."""
        await _each(post.start(self.settings, self._patience) for post in self.posts)
        self._follow()

    async def take_over(self, tell: Callable[[Delay], object] = ignored) -> None:
        """Check and take over each account on its own, and open the control socket with the first one.

        An account that cannot be had yet, and is tried again, holds up no other; nor does it end the other's
        guard when the patience with it is over (`missing`). Raises ConfigError, ExchangeError and
        ControlError; what was taken over before that stays until `close`.
        """
        await _each(self._take(post, tell) for post in self.posts)

    async def _take(self, post: Post, tell: Callable[[Delay], object]) -> None:
        try:
            await post.check(self.settings, self._patience, tell)
            await post.start(self.settings, self._patience)
        except UnreachableError as error:
            self.missing[post.product] = error
            if len(self.missing) == len(self.posts):
                raise
            await self._do_without(post, error)
            return
        if not self._followed:
            self._follow()
            await self.listen()
        for product in self.missing:
            self._tell_missing(product)

    async def _do_without(self, post: Post, error: UnreachableError) -> None:
        """A position is not left without its guard because another account is out of reach."""
        self._hosts[post.product].missing = str(error)
        await post.guard.stop("it could not be had")
        self._tell_missing(post.product)

    def _tell_missing(self, product: Product) -> None:
        """In the ledger of who is guarded: screens, logs and alerts read it."""
        note = Noted(ACCOUNT_MISSING, {"account": NAMES[product], "error": str(self.missing[product])})
        for guard in self.guards:
            if guard.owner.ready.is_set() and guard.config.product not in self.missing:
                guard.tell(note)

    def _follow(self) -> None:
        self._followed = True
        self._garbage.start()
        if self._following is not None:
            self._following.start()

    @property
    def _patience(self) -> Patience:
        return Patience(total_s=self.settings.run.start_patience)

    async def listen(self) -> None:
        """Open the control socket. Raises ControlError."""
        self._control = ControlServer(socket_path(self.settings.data_dir), self.host)
        await self._control.start()

    async def close(self, reason: str) -> None:
        """Stop everything, orders stay resting; saves ledgers and snapshots. Safe to call at any stage."""
        self._garbage.close()
        try:
            if self._control is not None:
                await self._control.close()
            if self._following is not None:
                self._following.guard_stops()
            left = [guard for guard in self.guards if guard.config.product not in self.missing]
            await _stop_all(left, reason)
        finally:
            if self._following is not None:
                await self._following.stop()
            for post in self.posts:
                await post.close()
            self.lock.release()


async def _each(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them at once. The first failure ends those that are still under way, and is raised."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stop_all(guards: Sequence[Guard], reason: str) -> None:
    """Stop each, whatever becomes of the one before; then raise the first failure."""
    failures: list[Exception] = []
    for guard in guards:
        known = guard.owner.failed.done()
        try:
            await guard.stop(reason)
        except Exception as error:  # noqa: BLE001 - the other account is to be saved whatever it is
            failures.append(error)
        else:
            if guard.owner.failed.done() and not known:
                failures.append(guard.owner.failed.result())
    if failures:
        raise failures[0]


async def open_session(
    settings: Settings,
    lock: InstanceLock,
    products: Sequence[Product] | None = None,
    *,
    follow: bool = True,
) -> Session:
    """Open ledgers and gateways under a lock that is held already. Connects nothing yet.

    `products` None: every account that the configuration needs. `follow` False: no store, audit files,
    metrics and alerts; the next run brings the former up to date.
    Raises ConfigError, DamagedLedgerError, JournalError, FeedError.
    """
    async with contextlib.AsyncExitStack() as opened:
        posts: list[Post] = []
        for product in products if products is not None else settings.products:
            post = open_post(settings, lock, product)
            opened.push_async_callback(post.discard)
            posts.append(post)
        session = Session(settings, lock, posts, follow=follow)
        opened.pop_all()
    return session


def prepare_folders(settings: Settings) -> None:
    """The data folder, there and writable. Raises ConfigError."""
    prepare_folder(settings.data_dir, "run.data_dir")


def prepare_folder(folder: Path, chosen_by: str) -> None:
    """This folder, there and writable. Raises ConfigError that names what chose it."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{chosen_by}: {folder} cannot be written ({error.strerror}). Let this user write there, or "
            "choose another folder"
        ) from None
