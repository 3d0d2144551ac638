"""News for the scores: scheduled windows from a file, headlines from a feed that is asked now and then.

A feed that is away or sends rubbish is told, once, and forbids nothing: headlines fade, and the scores go on
without them. What stood in the feed before the first look is of unknown age and does not count.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import Field, field_validator

from backstay.app.errors import ConfigError
from backstay.app.sections import Duration, Section
from backstay.app.yaml_file import read_yaml
from backstay.binance.net.transport import Transport, TransportError
from backstay.core.types import SECOND, TimeNs
from backstay.marketdata.news import NewsDesk
from backstay.signals.news import Headline, HeadlineRefused, NewsWindow, parse_windows, read_headline

TIMEOUT_S = 10.0
WEB = ("http://", "https://")
MOST_BYTES = 1_000_000
MOST_ROWS = 1_000


class NewsSettings(Section):
    windows: Path | None = Field(
        default=None,
        description="YAML file with `windows:`, a list of `{name, start, end, symbols, effect, keep}`; times "
        'as `"2026-12-10T19:00:00Z"`; `effect` is `block` (no entries) or `damp`',
    )
    headlines: str = Field(
        default="",
        description="`https://...` or a file with a JSON list of `{text, source, symbols}`; left out: none",
    )
    every: Annotated[Duration, Field(ge=SECOND)] = Field(
        default=60 * SECOND, description="how often the headlines are looked at"
    )

    @field_validator("headlines")
    @classmethod
    def _readable(cls, source: str) -> str:
        if "://" in source and not source.startswith(WEB):
            raise ValueError(f"{source!r} cannot be read; write https://host/path, or a file")
        return source


def read_windows(path: Path | None) -> tuple[NewsWindow, ...]:
    """The scheduled windows of a file. Raises ConfigError that names file and entry."""
    if path is None:
        return ()
    try:
        data = read_yaml(path.expanduser()).data
    except ConfigError as error:
        raise ConfigError(f"news.windows: {error}") from None
    unknown = sorted(set(data) - {"windows"})
    if unknown:
        raise ConfigError(f"news.windows: {path} holds {unknown[0]!r}; write windows: and a list below it")
    entries = data.get("windows") or []
    try:
        if isinstance(entries, list):
            entries = [_with_times(number, entry) for number, entry in enumerate(entries, 1)]
        return parse_windows(entries)
    except ValueError as error:
        raise ConfigError(f"news.windows: {path}: {error}") from None


def _with_times(number: int, entry: Any) -> Any:
    """Raises ValueError that names the entry."""
    if not isinstance(entry, dict):
        return entry
    try:
        return {k: _time(v) if k in {"start", "end"} else v for k, v in entry.items()}
    except ValueError as error:
        raise ValueError(f"window {number}: {error}") from None


def _time(value: Any) -> Any:
    """A moment as ns. Raises ValueError for a text that is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a time; write 2026-12-10T19:00:00Z") from None
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return int(aware.timestamp()) * SECOND
    return value


class Headlines:
    """Looks at a feed of headlines as long as it runs, and gives what is new to the desk."""

    def __init__(
        self,
        source: str,
        desk: NewsDesk,
        *,
        every: TimeNs,
        now_ns: Callable[[], TimeNs],
        tell: Callable[[str], None],
    ) -> None:
        self._source = source
        self._desk = desk
        self._every = every
        self._now = now_ns
        self._tell = tell
        self._seen: dict[str, None] = {}
        self._looked = False
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None
        self._transport: Transport | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="headlines")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._transport is not None:
            await self._transport.close()

    async def look(self) -> None:
        """Ask the feed once."""
        try:
            rows = _rows(await self._read())
        except (TransportError, OSError, ValueError) as error:
            self._troubled(f"the news feed cannot be read: {error}")
            return
        now = self._now()
        found = [read_headline(row, now) for row in rows]
        good = [h for h in found if isinstance(h, Headline)]
        refused = [h for h in found if isinstance(h, HeadlineRefused)]
        why = f"the news feed sends what is no headline: {refused[0].reason}" if refused else ""
        self._troubled(why)
        new = [h for h in good if h.text not in self._seen]
        self._seen = dict.fromkeys(h.text for h in good)
        if self._looked:
            self._desk.add(new)
        self._looked = True

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every / SECOND)

    async def _read(self) -> bytes:
        if not self._source.startswith(WEB):
            return await asyncio.to_thread(_file, self._source)
        if self._transport is None:
            # Not at the top: every command reads these settings, and this takes a third of a second.
            from backstay.binance.net.sockets import SocketTransport

            self._transport = SocketTransport()
        reply = await self._transport.http("GET", self._source, {}, b"", TIMEOUT_S)
        if reply.status != 200:
            raise ValueError(f"HTTP {reply.status}")
        return reply.body

    def _troubled(self, why: str) -> None:
        if why != self._trouble:
            self._trouble = why
            self._tell(why or "the news feed is back")


def _file(path: str) -> bytes:
    return Path(path).expanduser().read_bytes()


def _rows(body: bytes) -> Sequence[Any]:
    """Raises ValueError."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"{len(body)} bytes are more than a feed should have")
    try:
        rows = msgspec.json.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(rows, list):
        raise ValueError("it is not a list of headlines")  # noqa: TRY004 (told to people)
    return rows[:MOST_ROWS]


async def examine(settings: NewsSettings) -> tuple[int, str]:
    """How many windows are scheduled, and what is wrong with the feed of headlines (empty: nothing).

    Raises ConfigError.
    """
    told: list[str] = []
    windows = read_windows(settings.windows)
    if settings.headlines:
        feed = Headlines(settings.headlines, NewsDesk(()), every=SECOND, now_ns=lambda: 0, tell=told.append)
        try:
            await feed.look()
        finally:
            await feed.stop()
    return len(windows), "; ".join(told)
