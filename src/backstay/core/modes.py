"""EXECUTION_MODE: what each mode may do, decided in one place and checked at two doors.

The gate (`backstay.core.risk`) and the executor both ask `may_send`; a mistake in one of them is caught by
the other. Any doubt fails closed.
"""

import msgspec

from backstay.core.types import Mode

LIVE_CONFIRMATION = "YES_I_UNDERSTAND"


class ModeFacts(msgspec.Struct, frozen=True):
    """What a mode is: where it sends, what it needs."""

    mode: Mode
    sends: bool
    """Mutations may reach a venue at all."""
    real_account: bool
    """The account belongs to somebody's real keys (demo and test accounts included)."""
    needs_enable: bool
    needs_phrase: bool
    meaning: str


FACTS: dict[Mode, ModeFacts] = {
    Mode.PAPER: ModeFacts(Mode.PAPER, True, False, False, False, "simulated exchange inside the process"),
    Mode.DRY_RUN_PRIVATE: ModeFacts(
        Mode.DRY_RUN_PRIVATE, False, True, False, False, "reads the real account, sends nothing"
    ),
    Mode.DEMO: ModeFacts(Mode.DEMO, True, True, True, False, "the venue's demo account"),
    Mode.TESTNET: ModeFacts(Mode.TESTNET, True, True, True, False, "the venue's test network"),
    Mode.LIVE: ModeFacts(Mode.LIVE, True, True, True, True, "real money"),
}


def locks(mode: Mode, *, enable_trading: bool, live_confirm: str, proven: bool) -> tuple[str, ...]:
    """The locks that are still closed, by name; empty: the mode is armed.

    `proven`: the conformance suite has passed for this build.
    """
    facts = FACTS[mode]
    closed = []
    if facts.needs_enable and not enable_trading:
        closed.append("run.enable_trading is not true")
    if facts.needs_phrase and live_confirm != LIVE_CONFIRMATION:
        closed.append(f"run.live_confirm is not {LIVE_CONFIRMATION}")
    if facts.needs_enable and not proven:
        closed.append("the conformance suite has not passed for this build (tools/write_conformance.py)")
    return tuple(closed)


def may_send(mode: Mode, armed: bool) -> bool:
    """Both must hold for a single byte of a mutation to leave."""
    return FACTS[mode].sends and armed
