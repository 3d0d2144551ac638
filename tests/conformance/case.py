"""What a fixture is: a worked case as data. Decoding is strict: a slip is an error that names it."""

import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from backstay.core.events import OperatorAction
from backstay.core.types import Trust
from backstay.strategies.position_manager.policy import PositionPolicy

FOLDER = Path(__file__).resolve().parent
ORDER_NAME = re.compile(r"(?:(?:LONG|SHORT) )?(?:SL|TP|DCA|ENTRY|EXIT)/\d+(?:@\d+)?|web_\w+")
"""A slot, with `@2` the second order that was placed in it; or the custom id of somebody else's order."""
VERBS = ("place", "amend", "cancel")

type Words = dict[str, Any]
"""JSON of the venue, of which a fixture writes only what matters; `desk` supplies the rest."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Given(_Strict, frozen=True, kw_only=True):
    hedge: bool = False
    position: Words | None = None
    """A row of ACCOUNT_UPDATE's `P`: what is held when the program starts."""
    orders: Literal["none", "resting"] = "none"
    """`resting`: everything that the program then asks for is confirmed before the first step."""


class Refused(_Strict, frozen=True, kw_only=True):
    status: int
    code: int = 0
    msg: str = ""
    retry_after_ms: int = 0


class Reads(_Strict, frozen=True, kw_only=True):
    """How reads differ from what the frames told, until the next such step."""

    hide: tuple[str, ...] = ()
    """Orders that neither lists nor queries show."""
    status: int = 200
    """Other than 200: every read of the account is refused with it."""
    hedge: bool | None = None
    """The account's position mode, when it is not that of `given`."""


class Expect(_Strict, frozen=True, kw_only=True):
    """Everything that is written must hold; what is left out does not matter."""

    asked: tuple[dict[str, str | bool], ...] | None = None
    """The requests since the last look, in order: `{"place": "SL/0", "triggerPrice": "57000"}`."""
    resting: dict[str, Words] | None = None
    """The orders that rest at the venue: all of them, and of each the parameters that matter."""
    trust: Trust | None = None
    reasons: tuple[str, ...] | None = None
    blocks: tuple[str, ...] | None = None
    """Effects of the blocks that hold, sorted."""
    gates: tuple[str, ...] | None = None
    pending: tuple[str, ...] | None = None
    """Slots with a mutation that nothing has settled yet, sorted."""


class Step(_Strict, frozen=True, kw_only=True):
    """One thing that happens; exactly one verb."""

    frame: Words | None = None
    """A private frame. `T` and `E` are milliseconds from now (default 0); `of` names its order."""
    unheard: Words | None = None
    """The same, and it never arrives: reads show its effect."""
    of: str = ""
    again: int = 0
    """The frame of so many frames ago (1: the last one) arrives once more."""
    answer: Literal["accepted"] | Refused | None = None
    """What the oldest unanswered request for the order `to` is answered with."""
    to: str = ""
    confirm: tuple[str, ...] = ()
    """Orders whose requests are accepted, and reported as done."""
    rest: bool = False
    """Whatever is asked for is confirmed, until nothing is."""
    wait_ms: int = 0
    until_asked: str = ""
    """Time passes until there is an unanswered request for this order, at most `within_ms`."""
    within_ms: int = 10_000
    reads: Reads | None = None
    mark: str = ""
    """The mark price is this one now."""
    stream: Literal["lost", "back"] | None = None
    restart: bool = False
    """The process is killed; another one takes over a second later."""
    lease: Literal["lost", "back"] | None = None
    operator: OperatorAction | None = None
    expect: Expect | None = None
    note: str = ""

    def __post_init__(self) -> None:
        verbs = [name for name in self.__struct_fields__ if name not in {"of", "to", "within_ms", "note"}]
        said = [name for name in verbs if getattr(self, name) != self._default(name)]
        if len(said) != 1:
            raise ValueError(f"a step says exactly one of {', '.join(verbs)}; this one says {said or 'none'}")
        if self.of and said[0] not in {"frame", "unheard"}:
            raise ValueError(f"`of` goes with a frame, not with {said[0]}")
        if (self.answer is not None) is not bool(self.to):
            raise ValueError("`answer` and `to` go together")
        for name in (*self.confirm, self.of, self.to, self.until_asked):
            if name and not ORDER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} names no order; write SL/0, DCA/1, SL/0@2, SHORT TP/0 or web_...")

    @classmethod
    def _default(cls, name: str) -> Any:
        return next(f.default for f in msgspec.structs.fields(cls) if f.name == name)


class Case(_Strict, frozen=True, kw_only=True):
    id: str
    """The rule that it is a case of: `R-1`, `8.1 -2021`, `X-3`."""
    title: str
    policy: PositionPolicy = PositionPolicy()
    given: Given = Given()
    steps: tuple[Step, ...]
    expect: Expect = Expect()
    forbid: tuple[dict[str, str | bool] | Literal["reads", "distrust"], ...] = ()
    """What may not happen between the first step and the end: a request, any read, any loss of trust."""
    not_by_core: str = ""
    """Why the core alone cannot run this case; empty: it does."""
    not_by_wire: str = ""

    def __post_init__(self) -> None:
        for wanted in (*self.forbid, *(w for e in self._looks() for w in e.asked or ())):
            if isinstance(wanted, dict) and len([v for v in VERBS if v in wanted]) != 1:
                raise ValueError(f"{wanted} is no request; it needs one of {', '.join(VERBS)}")
        for resting in (e.resting for e in self._looks()):
            for name in resting or ():
                if not ORDER_NAME.fullmatch(name):
                    raise ValueError(f"resting: {name!r} names no order")

    def _looks(self) -> list[Expect]:
        return [self.expect, *(s.expect for s in self.steps if s.expect is not None)]


_CASE = msgspec.json.Decoder(Case)


class FixtureError(Exception):
    """A fixture that is no fixture: which file, what, where in it."""


def load(path: Path) -> Case:
    """Raises FixtureError."""
    try:
        return _CASE.decode(path.read_bytes())
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FixtureError(f"{path.name}: {error}; README.md tells what a fixture may say") from None
