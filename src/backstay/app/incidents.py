"""Incidents of the demo: what goes wrong, when, and in plain words.

Each is something that the venue, the network or the machine really does. The story is drawn from the seed;
an incident is survived when, within its patience, every scope is trusted again and no position stands
without a stop.
"""

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from backstay.core.types import SECOND, TimeNs

PATIENCE_S = 90


class Incident(msgspec.Struct, frozen=True):
    """One thing that goes wrong."""

    kind: str
    words: str
    faults: tuple[dict[str, Any], ...] = ()
    """Rules of a fault plan for the venue's control side."""
    unplugged_s: int = 0
    """The network is gone for so long."""
    kills: bool = False
    """The process dies without a word and is started again."""


def _rule(effect: Any, **match: Any) -> dict[str, Any]:
    return {"match": match, "effect": effect}


ALGO = "POST /fapi/v1/algoOrder"

KINDS: tuple[Incident, ...] = (
    Incident(
        "stream_cut",
        "the private stream is cut",
        (_rule({"cut": {"surface": "private"}}, at_ms=0),),
    ),
    Incident(
        "listen_key_death",
        "the listen key expires early",
        (_rule("listen_key_death", at_ms=0),),
    ),
    Incident("network_lost", "the network is gone for six seconds", unplugged_s=6),
    Incident(
        "answer_lost",
        "the venue takes a stop order, its answer never comes",
        (_rule("timeout_after_accept", surface="ws_api", endpoint=ALGO, times=1, until_ms=120_000),),
    ),
    Incident(
        "unknown_503",
        'a stop order is answered with 503 "Unknown error"',
        (_rule({"text_503": {"text": "unknown"}}, endpoint=ALGO, times=1, until_ms=120_000),),
    ),
    Incident(
        "events_late",
        "private events are 700 ms late for twenty seconds",
        (_rule({"delay": {"ms": 700}}, surface="private", until_ms=20_000),),
    ),
    Incident(
        "events_twice",
        "every private event comes twice for thirty seconds",
        (_rule({"duplicate": {"copies": 1}}, surface="private", until_ms=30_000),),
    ),
    Incident(
        "rate_limited",
        "the venue answers 429 and names a pause",
        (_rule({"throttle_429": {"retry_after": 2}}, surface="rest", times=1, until_ms=60_000),),
    ),
    Incident("killed", "the process is killed and started again", kills=True),
)


def incidents(seed: int, start_ns: TimeNs, duration_ns: TimeNs) -> Iterator[tuple[TimeNs, Incident]]:
    """(time, incident), a few minutes apart; every kind comes before one comes again."""
    dice = random.Random(f"backstay incidents {seed}")
    at = start_ns + dice.randrange(30, 60) * SECOND
    bag: list[Incident] = []
    while at < start_ns + duration_ns - (PATIENCE_S + 30) * SECOND:
        if not bag:
            bag = list(KINDS)
            dice.shuffle(bag)
        yield at, bag.pop()
        at += dice.randrange(150, 360) * SECOND
