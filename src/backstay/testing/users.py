"""A strategy of your own in a test: a scene around it, its answer to one view, and whether it is pure.

scene = scene_of(Fade, profit="1%")     # percentages and durations as in config.yaml are text here
scene.buy(("10", "1.2"))
scene.price("1.22")
scene.rest()
assert scene.sells() == [...]
"""

from decimal import Decimal
from typing import Any

from backstay.core.types import Product, TimeNs
from backstay.core.view import PositionView
from backstay.core.wanted import Wanted
from backstay.strategies.hosted import Hosted, flaw_of
from backstay.strategies.older import Older, is_older
from backstay.testing.builders import OPENED_AT
from backstay.testing.scene import Scene
from backstay.testing.spot import BASE, QUOTE
from backstay.testing.spot_scene import SpotScene


def hosted(kind: type) -> Hosted:
    """An instance of a user's class as the engine calls it."""
    return Hosted(Older(kind) if is_older(kind) else kind(), kind.__name__)


def policy_of(kind: type, **settings: Any) -> Any:
    """Its policy; Decimals may be given as text, also as a percentage. Raises what the policy raises."""
    user = hosted(kind).user
    return user.policy(**{k: _decimal(v) for k, v in settings.items()})


def scene_of(kind: type, **settings: Any) -> SpotScene:
    """A spot account with one symbol (TRUMPUSDC: tick 0.0001, step 0.01) under the strategy."""
    user = hosted(kind)
    policy = policy_of(kind, **{"symbols": (BASE + QUOTE,), **settings})
    return SpotScene(policy, strategy=user, by_lot=bool(getattr(user.user, "by_lot", False)))


def futures_scene_of(kind: type, **settings: Any) -> Scene:
    """A USD-M account with one symbol (BTCUSDT: tick 0.1, step 0.001) under the strategy."""
    if Product.USDM not in getattr(kind, "products", (Product.USDM,)):
        raise ValueError(f"{kind.__name__} does not run on USD-M; use scene_of")
    return Scene(policy_of(kind, **{"symbols": ("BTCUSDT",), **settings}), strategy=hosted(kind))


def answer(kind: type, view: PositionView, now: TimeNs = OPENED_AT, **settings: Any) -> Wanted:
    """What it wants for a view; asked twice, of two instances. Raises AssertionError when it is not pure.

    Raises what the strategy raises: only the host turns that into an unknown answer.
    """
    policy = policy_of(kind, **settings)
    first = hosted(kind).user
    answers = [first.wanted(view, policy, now), first.wanted(view, policy, now)]
    answers.append(hosted(kind).user.wanted(view, policy, now))
    if flaw_of(answers[0]):
        raise AssertionError(f"{kind.__name__} answered wrongly: {flaw_of(answers[0])}")
    if any(found != answers[0] for found in answers):
        raise AssertionError(f"{kind.__name__} is not pure: the same question had different answers")
    found: Wanted = answers[0]
    return found


def _decimal(value: Any) -> Any:
    """Texts that read as a number or a percentage become decimals; enum members do not."""
    if type(value) is not str or value[:1] not in "-.0123456789":
        return value
    return Decimal(value[:-1]) / 100 if value.endswith("%") else Decimal(value)
