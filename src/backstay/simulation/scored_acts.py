"""What people do while the scored trader trades: now and then a hand in its symbols, and the operator."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from backstay.simulation.acts import Act
from backstay.simulation.scored_setup import ScoredSetup

D = Decimal
ACK = "ack"
HANDS = {
    "move": 10,
    "cancel_stop": 3,
    "cancel_take": 3,
    "close": 3,
    "reduce": 2,
    "add": 1,
    "open": 2,
    "rest": 2,
    "manual_stop": 1,
    "cancel_manual": 2,
    "leverage": 2,
    "deposit": 1,
    "close_scope": 1,
    "flip": 1,
}
AMOUNTS: dict[str, tuple[str, ...]] = {
    "move": ("-80", "-50", "-30", "-15", "15", "30", "50", "80"),
    "reduce": ("0.25", "0.5", "0.8"),
    "leverage": ("5", "10", "25"),
}
ANSWER_MS = (3_000, 40_000)
"""After so long the operator answers to what was done by hand."""
REVIEWED = frozenset({"open", "rest", "add", "flip", "manual_stop", "manual_take", "by_hand"})


def draw_scored_acts(seed: int, name: str, setup: ScoredSetup) -> tuple[Act, ...]:
    """The people of a seed."""
    acts: list[Act] = []
    for symbol in setup.symbols:
        acts.extend(_hands(Random(f"{seed}/acts/{symbol}"), symbol, setup))
    dice = Random(f"{seed}/operator/{name}")
    if dice.randrange(8) == 0:
        at = dice.randrange(setup.duration_ms // 2, setup.duration_ms)
        acts.append(Act(at_ms=at, do="kill", symbol=setup.symbols[0]))
    elif dice.randrange(6) == 0:
        at = dice.randrange(setup.duration_ms)
        acts.append(Act(at_ms=at, do="pause", symbol=setup.symbols[0]))
        acts.append(Act(at_ms=at + dice.randrange(5_000, 60_000), do="resume", symbol=setup.symbols[0]))
    return tuple(sorted(acts, key=lambda a: (a.at_ms, a.symbol)))


def _hands(dice: Random, symbol: str, setup: ScoredSetup) -> Iterator[Act]:
    """Half of the symbols are left alone but for jumps of the market."""
    busy = dice.randrange(2) == 0
    at = dice.randrange(20_000, 60_000)
    while at < setup.duration_ms - 2_000:
        do = dice.choices(tuple(HANDS), tuple(HANDS.values()))[0] if busy else "move"
        amount = D(dice.choice(AMOUNTS.get(do, ("120", "500", "1400"))))
        yield Act(at_ms=at, do=do, symbol=symbol, leg=dice.choice(("LONG", "SHORT")), amount=amount)
        if do in REVIEWED:
            yield Act(at_ms=at + dice.randrange(*ANSWER_MS), do=ACK, symbol=symbol)
        at += dice.randrange(15_000, 70_000)
