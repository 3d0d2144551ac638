"""What a fault is, what a kind of fault is, and the rules that the simulated exchange gets from them."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that goes wrong. Times in ms from the beginning of the run."""

    kind: str
    at_ms: int
    for_ms: int = 0
    args: dict[str, Any] = {}
    product: str = "usdm"
    """Where there are two: at whose venue or guard it happens."""


class Kind(msgspec.Struct, frozen=True):
    """How a fault is drawn, and which rules it installs at the venue."""

    draw: Callable[[Random, Any], dict[str, Any]]
    """From dice and the product's setup."""
    rules: Callable[[Fault], Sequence[Mapping[str, Any]]]
    words: str
    span: tuple[int, int] = (2_000, 30_000)
    weight: int = 2
    blind: bool = False
    from_start: bool = False
    """It can only matter from the very beginning."""


def nothing(_fault: Fault) -> Sequence[Mapping[str, Any]]:
    """The world carries it out, the venue knows nothing of it."""
    return ()


def on_requests(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    """A rule that meets requests of the drawn endpoint."""

    def rules(f: Fault) -> Sequence[Mapping[str, Any]]:
        match = {k: f.args[k] for k in ("endpoint", "surface", "times", "probability") if k in f.args}
        return [{"name": f.kind, "match": {**match, "until_ms": f.for_ms}, "effect": effect(f)}]

    return rules


def on_events(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    """A rule that meets private events."""

    def rules(f: Fault) -> Sequence[Mapping[str, Any]]:
        match: dict[str, Any] = {"surface": "private", "until_ms": f.for_ms}
        match.update({k: f.args[k] for k in ("event", "times", "probability") if k in f.args})
        return [{"name": f.kind, "match": match, "effect": effect(f)}]

    return rules


def on_state(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    """A state of the venue that lasts for a while."""

    def rules(f: Fault) -> Sequence[Mapping[str, Any]]:
        match = {k: f.args[k] for k in ("symbol", "probability") if k in f.args}
        return [{"name": f.kind, "match": {**match, "until_ms": f.for_ms}, "effect": effect(f)}]

    return rules


def once(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    """Something that happens once, at once."""
    return lambda f: [{"name": f.kind, "match": {"at_ms": 0}, "effect": effect(f)}]
