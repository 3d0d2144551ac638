"""Every key of the configuration with its default and meaning, as tables for docs/reference/configuration.md.

What is told comes from the models themselves (descriptions, and the docstrings under the policy's fields).
"""

import ast
import inspect
import types
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel

from backstay.app.config import Settings
from backstay.app.managers import ABSOLUTE, WEIGHTS_FILE
from backstay.app.sections import Duration
from backstay.app.strategies import BUILT_IN
from backstay.app.units import span
from backstay.core.types import TimeNs
from backstay.signals.policy import ScorePolicy

BEGIN = "<!-- keys: made from the models by `backstay.app.config_reference`; a test compares -->"
END = "<!-- end of keys -->"
MEANINGS = {
    "sides": "Which positions are managed",
    "stop_loss.enabled": "`false`: positions are not protected.",
    "stop_loss.kind": "What rests at the venue",
    "stop_loss.working_type": "Which price triggers it",
    "stop_loss.bridge": "While a `close_position` stop moves, a temporary `fixed_qty` stop stands in; "
    "`false` accepts a short, measured gap.",
    "stop_loss.price_protect": "The venue's price protection.",
    "take_profit.enabled": "`false`: profits are not taken.",
    "take_profit.kind": "A resting limit order, or a market order when triggered",
    "take_profit.working_type": "Which price triggers a `market` one",
    "take_profit.price_protect": "The venue's price protection.",
    "take_profit.repair_delay": "How long further partial fills are waited for before an amend.",
    "break_even.be_source": "Where break-even comes from: entry and fees, or the venue's own figure",
    "dca.steps": "How many steps, 0 to 100.",
    "dca.first_deviation": "Distance of step 1 from the anchor; "
    "step k is at `first_deviation * (m^k - 1) / (m - 1)`.",
    "dca.first_size": 'Size of step 1: `"0.010"`, `"100 USDT"` or `"50%"` of the position.',
    "dca.deviation_multiplier": "The m above.",
    "dca.size_multiplier": "Each step is so many times the one before.",
    "dca.anchor": "What deviations are measured from",
    "dca.max_total_qty": "No step takes the position beyond this quantity.",
    "dca.max_total_notional": "No step takes the position beyond this notional.",
    "dca.max_resting": "How many steps rest at the venue at once.",
    "dca.cooldown": "Least time between a fill and the next step.",
    "dca.step_done_fraction": "A step counts as done when so much of it has filled.",
    "dca.raise_to_min": "A step below the venue's minimum is raised to it, instead of being skipped.",
    "dca.allow_exposure_with_waived": "A take-profit too small to be placed does not hold up the steps.",
}
"""For fields of the policy that carry no docstring of their own."""
HEAD = "| key | default | meaning |\n|---|---|---|"

type Row = tuple[str, str, str]


def page(text: str) -> str:
    """The page with its generated part as it should be. Raises ValueError when the markers are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the markers {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """One table for each section, then one for each strategy."""
    parts = []
    for name, field in Settings.model_fields.items():
        model = _model(field.annotation)
        if model is not None:
            parts.append(f"### {name}\n\n{HEAD}\n" + "".join(map(_line, _section(model, f"{name}."))))
    for strategy, kind in BUILT_IN.items():
        rows = "".join(map(_line, _policy(kind.policy, "")))
        parts.append(f"### managers: {strategy}\n\n{HEAD}\n{rows}")
    return "\n".join(parts)


def _line(row: Row) -> str:
    key, default, meaning = row
    return f"| `{key}` | {default} | {meaning} |\n"


# --- sections ---------------------------------------------------------------------------------------


def _section(model: type[BaseModel], prefix: str) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        inner = _model(field.annotation)
        if inner is not None:
            yield from _section(inner, f"{prefix}{name}.")
            continue
        meaning = field.description or ""
        if get_origin(field.annotation) is Literal:
            meaning += ": " + ", ".join(f"`{word}`" for word in get_args(field.annotation))
        kind: Any = field.annotation
        known = _duration(field.default) if kind is Duration else _default(field.default)
        yield f"{prefix}{name}", known, meaning


def _model(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _duration(value: TimeNs) -> str:
    return f"`{span(value)}`" if value else "`0`"


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value.value if isinstance(value, Enum) else value}`" if str(value) else '`""`'


# --- policies ---------------------------------------------------------------------------------------


def _policy(kind: type[msgspec.Struct], prefix: str, whole: Any = None) -> Iterator[Row]:
    """`whole`: what stands there when the section is left out; None: each field's own default."""
    hints, told = get_type_hints(kind), _docstrings(kind)
    if kind is ScorePolicy:
        yield f"{prefix}{WEIGHTS_FILE}", "none", "A YAML file with the weights, in the stead of `weights`."
    for field in msgspec.structs.fields(kind):
        hint, optional = _plain(hints[field.name])
        key = f"{prefix}{field.name}"
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            if optional:
                yield key, "none", "left out: there is none"
            yield from _policy(hint, f"{key}.", _value(field, whole))
        elif get_origin(hint) is tuple and issubclass(get_args(hint)[0], msgspec.Struct):
            yield key, _policy_default(kind, field, whole), told.get(field.name, "")
            yield from _policy(get_args(hint)[0], f"{key}[].")
        else:
            yield (
                key,
                _policy_default(kind, field, whole),
                _meaning(hint, told.get(field.name) or MEANINGS.get(key, "")),
            )


def _plain(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        return next(a for a in get_args(hint) if a is not type(None)), True
    return hint, False


def _meaning(hint: Any, told: str) -> str:
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    if isinstance(inner, type) and issubclass(inner, Enum):
        named = sum(str(member.value) in told for member in inner)
        words = ", ".join(f"`{member.value}`" for member in inner)
        told = told or " ".join((inner.__doc__ or "").split())
        return told if named > 1 else f"{told.rstrip('.')}: {words}" if told else words
    return f"duration. {told}".strip() if hint is TimeNs else told


def _value(field: msgspec.structs.FieldInfo, whole: Any) -> Any:
    return field.default if whole is None else getattr(whole, field.name)


def _policy_default(kind: type[msgspec.Struct], field: msgspec.structs.FieldInfo, whole: Any) -> str:
    if field.required and whole is None:
        return "required"
    value = _value(field, whole)
    if value is None or isinstance(value, (bool, Enum)):
        return _default(value)
    if _plain(get_type_hints(kind)[field.name])[0] is TimeNs:
        return _duration(value)
    if isinstance(value, Decimal):
        absolute = field.name in ABSOLUTE.get(kind, ())
        return f"`{value}`" if absolute else f"`{(value * 100).normalize():f}%`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_item(item) for item in value)}]`"
    return f"`{value}`"


def _item(item: Any) -> str:
    if not isinstance(item, msgspec.Struct):
        return str(item.value if isinstance(item, Enum) else item)
    shares = {name: getattr(item, name) * 100 for name in item.__struct_fields__}
    return "{" + ", ".join(f"{name}: {value.normalize():f}%" for name, value in shares.items()) + "}"


def _docstrings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The text under each field of a class, on one line."""
    tree = ast.parse(inspect.getsource(kind))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, str] = {}
    for field, after in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(after.value.value).split())
    return found
