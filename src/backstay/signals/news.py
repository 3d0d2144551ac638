"""News as values: scheduled windows, headlines, and what both mean for a symbol at a moment.

Where headlines come from is somebody else's work; here they are read, scored by a small lexicon and faded
with age. The classifier is a word list with negation, nothing more: it knows what usually moves a market
(hacks, bans, halts, approvals, listings) and says how many words it went by. It is meant to make the program
more careful, not clever.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

import msgspec

from backstay.core.types import SECOND, TimeNs

HOUR = 3600 * SECOND


class WindowEffect(StrEnum):
    BLOCK = "block"
    """No entries in the window."""
    DAMP = "damp"
    """Every confidence is multiplied by `keep`."""


class NewsWindow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scheduled event: a rate decision, a token unlock, a maintenance. `symbols` empty: all."""

    name: str
    start: TimeNs
    end: TimeNs
    symbols: tuple[str, ...] = ()
    effect: WindowEffect = WindowEffect.BLOCK
    keep: float = 0.5
    """damp: what is left of every confidence, 0 to 1."""

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"{self.name!r} has its end not after its start")
        if not 0 <= self.keep <= 1:
            raise ValueError(f"{self.name!r}: keep is {self.keep}; write a share from 0 to 1")


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """One headline as a feed told it. `known_at` is when it reached us: never act on it earlier."""

    known_at: TimeNs
    text: str
    source: str = ""
    symbols: tuple[str, ...] = ()
    """Empty: it concerns the whole market."""


class HeadlineRefused(msgspec.Struct, frozen=True):
    """What a feed sent and is no headline."""

    reason: str
    sent: str


TEXT_MAX = 500


def read_headline(raw: object, known_at: TimeNs) -> Headline | HeadlineRefused:
    """A headline from what a feed sent: a mapping with `text` (or `title`), perhaps `source` and `symbols`.

    Total: rubbish of any kind is refused with a reason, never raised.
    """
    shown = repr(raw)[:80]
    if not isinstance(raw, Mapping):
        return HeadlineRefused("not a mapping", shown)
    text = raw.get("text", raw.get("title"))
    if not isinstance(text, str) or not text.strip():
        return HeadlineRefused("no text", shown)
    symbols = raw.get("symbols", ())
    if not isinstance(symbols, list | tuple) or not all(isinstance(s, str) for s in symbols):
        return HeadlineRefused("symbols is not a list of names", shown)
    source = raw.get("source", "")
    return Headline(
        known_at=known_at,
        text=" ".join(text.split())[:TEXT_MAX],
        source=source if isinstance(source, str) else "",
        symbols=tuple(symbols),
    )


LEXICON: Mapping[str, float] = MappingProxyType(
    {
        # what frightens a market
        "hack": -1.0, "hacked": -1.0, "exploit": -1.0, "exploited": -1.0, "stolen": -1.0, "theft": -0.9,
        "insolvent": -1.0, "insolvency": -1.0, "bankrupt": -1.0, "bankruptcy": -1.0, "collapse": -0.9,
        "collapses": -0.9, "crash": -0.8, "crashes": -0.8, "plunge": -0.7, "plunges": -0.7, "tumbles": -0.6,
        "ban": -0.8, "bans": -0.8, "banned": -0.8, "lawsuit": -0.6, "sues": -0.6, "sued": -0.6,
        "charges": -0.6, "charged": -0.6, "fraud": -0.9, "probe": -0.5, "investigation": -0.5, "fine": -0.4,
        "fined": -0.5, "halt": -0.7, "halts": -0.7, "halted": -0.7, "suspends": -0.7, "suspended": -0.7,
        "delist": -0.9, "delists": -0.9, "delisting": -0.9, "depeg": -1.0, "depegs": -1.0, "outage": -0.6,
        "liquidations": -0.5, "outflows": -0.4, "sanctions": -0.6, "recession": -0.5, "rejects": -0.5,
        "rejected": -0.5, "vulnerability": -0.6, "downgrade": -0.4, "selloff": -0.6, "default": -0.7,
        # what pleases it
        "approval": 0.8, "approves": 0.8, "approved": 0.8, "launch": 0.3, "launches": 0.3, "lists": 0.5,
        "listing": 0.5, "partnership": 0.4, "adopts": 0.6, "adoption": 0.5, "inflows": 0.5, "record": 0.3,
        "surge": 0.6, "surges": 0.6, "soars": 0.6, "rally": 0.5, "rallies": 0.5, "upgrade": 0.3, "buys": 0.4,
        "acquires": 0.4, "resumes": 0.5, "restored": 0.5, "wins": 0.4, "settles": 0.3, "dismissed": 0.4,
        "cuts": 0.2, "stimulus": 0.4, "reserve": 0.2, "legalizes": 0.7, "bullish": 0.4, "bearish": -0.4,
    }
)  # fmt: skip
NEGATIONS = frozenset({"no", "not", "never", "denies", "denied", "without", "false", "fake"})
_WORD = re.compile(r"[a-z]+")
_REACH = 4
"""A negation turns the words that follow it, this far."""


class Mood(msgspec.Struct, frozen=True):
    """What the classifier makes of a text."""

    polarity: float
    """-1 to 1; 0: no opinion."""
    belief: float
    """0 to 1: a third for each word that it went by."""
    words: tuple[str, ...] = ()
    """Those words; a turned one is written `not hacked`."""


def classify(text: str) -> Mood:
    """The mood of a headline: the mean of its known words, each turned when a negation stands before it."""
    words = _WORD.findall(text.lower())
    found: list[str] = []
    total = 0.0
    negated = 0
    for word in words:
        negated = _REACH if word in NEGATIONS else max(negated - 1, 0)
        value = LEXICON.get(word)
        if value is not None:
            total += -value if negated else value
            found.append(f"not {word}" if negated else word)
    if not found:
        return Mood(0.0, 0.0)
    return Mood(total / len(found), min(len(found) / 3.0, 1.0), tuple(found))


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What news means for one symbol at one moment."""

    pressure: float = 0.0
    """-1 to 1."""
    belief: float = 0.0
    damping: float = 1.0
    """Every confidence is multiplied by this."""
    blocked_by: str = ""
    """Name of the window that forbids entries."""
    headlines: int = 0
    """How many headlines count."""


QUIET = Outlook()


def outlook(
    at: TimeNs,
    symbol: str,
    windows: Sequence[NewsWindow] = (),
    headlines: Sequence[Headline] = (),
    lifetime: TimeNs = 6 * HOUR,
) -> Outlook:
    """The outlook of `symbol` at `at`, from what was known then; later headlines do not count.

    A headline fades linearly over `lifetime`. A window is known in advance: that is what it is for.
    """
    damping, blocked_by = 1.0, ""
    for window in windows:
        if not window.start <= at < window.end or (window.symbols and symbol not in window.symbols):
            continue
        if window.effect is WindowEffect.BLOCK:
            blocked_by = blocked_by or window.name
        else:
            damping = min(damping, window.keep)
    weight = pressure = belief = 0.0
    count = 0
    for headline in headlines:
        age = at - headline.known_at
        if not 0 <= age < lifetime or (headline.symbols and symbol not in headline.symbols):
            continue
        mood = classify(headline.text)
        freshness = 1.0 - age / lifetime
        counts = freshness * mood.belief
        if not counts:
            continue
        count += 1
        weight += counts
        pressure += counts * mood.polarity
        belief = max(belief, counts)
    return Outlook(
        pressure=pressure / weight if weight else 0.0,
        belief=belief,
        damping=damping,
        blocked_by=blocked_by,
        headlines=count,
    )


def parse_windows(raw: object) -> tuple[NewsWindow, ...]:
    """Windows from the contents of a schedule file: a list of mappings, times in ns since the epoch.

    Raises ValueError that names the entry.
    """
    if not isinstance(raw, list):
        raise ValueError("a schedule is a list of windows with name, start and end")  # noqa: TRY004 (shown to users)
    windows = []
    for i, entry in enumerate(raw):
        try:
            _check_effect(entry)
            windows.append(msgspec.convert(entry, NewsWindow))
        except (ValueError, msgspec.ValidationError) as error:
            raise ValueError(f"window {i + 1}: {error}") from None
    return tuple(windows)


def _check_effect(entry: object) -> None:
    """Raises ValueError with the words that are known."""
    known = [effect.value for effect in WindowEffect]
    given = entry.get("effect", known[0]) if isinstance(entry, Mapping) else known[0]
    if given not in known:
        raise ValueError(f"effect {given!r} is not known; write {' or '.join(known)}")
