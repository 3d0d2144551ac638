"""Scenes that the tests of the core begin with, and short words for what they see."""

from backstay.core.decisions import Act, Converged
from backstay.core.state import AccountState
from backstay.core.types import Role
from backstay.testing import evidence
from backstay.testing.evidence import hydrated, position_row
from backstay.testing.scene import Scene, ask
from backstay.testing.venue_model import Ask

from tests.core.wishes import BUY, SELL, STOP_MARKET, D, guarded, target


def long_of(policy, quantity="0.010", **options) -> Scene:
    """A scene with a fresh LONG, its burst over, nothing of ours at the venue."""
    scene = Scene(policy, **options)
    scene.see(scene.venue.trade_by_hand(BUY, D(quantity), D(60000)))
    return scene


def at_rest(policy, quantity="0.010", **options) -> Scene:
    scene = long_of(policy, quantity, **options)
    assert isinstance(scene.rest(), Converged)
    return scene


def own(scene, role, step=0):
    return next(
        c
        for c in scene.state.contexts.values()
        if (c.key.role, c.key.step) == (role, step) and not c.is_terminal
    )


def said(decision):
    """A decision in short: its family and (action, role/step) of its intents."""
    if not isinstance(decision, Act):
        return type(decision).__name__
    return str(decision.family), [(str(i.action), str(i.key)) for i in decision.intents]


def armed(scene):
    """Triggers (and sizes) that stand at the venue."""
    return sorted((str(r.trigger), str(r.quantity)) for r in scene.venue.open_algos())


def external(scene):
    """A close-position stop that the user placed on the web page."""
    asked = Ask(client_id="web_9", side=SELL, kind=STOP_MARKET, trigger=D(55000), close_position=True)
    return scene.venue.place(asked)


def asked(slot=None, name="o1", at=0):
    ctx = evidence.context(slot or target(), name, at=at)
    return evidence.request(ctx)


def account_with(*requests) -> AccountState:
    """A trusted LONG of 0.010 with these requests registered and sent at 0."""
    account = hydrated(position_row("0.010"))
    sent = [evidence.sent(r, at=0) for r in requests]
    return evidence.folded(account, [evidence.registered(*requests), *sent])


def lost(role=Role.TP, policy=None, *, done=False):
    """A scene in which the outcome of the first request of `role` is unknown; `done`: the venue did it."""
    scene = long_of(policy or guarded())
    scene.step()
    asked = next(r for r in scene.waiting if r.key.role is role)
    rest = [r for r in scene.waiting if r is not asked]
    scene.confirm(*rest)
    if done:
        scene.venue.place(ask(asked.context))
    scene.lose(asked)
    return scene, asked


def invisible(role=Role.SL, policy=None):
    """A scene in which `role` was accepted with an exchange id and nobody has seen it since."""
    scene = long_of(policy or guarded())
    scene.step()
    asked = next(r for r in scene.waiting if r.key.role is role)
    scene.confirm(*[r for r in scene.waiting if r is not asked])
    scene._forget(asked)
    scene.fold(evidence.accepted(asked, 4711))
    scene.tick(5_100)
    return scene, asked
