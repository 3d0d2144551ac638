"""The position manager's keys on spot: what is meant where nothing is said, and what makes no sense there.

Spot has no close-position stop, no mark price, no short side and nothing to amend; a key that only speaks of
these is refused by its name, whatever it says.
"""

from collections.abc import Mapping
from typing import Any

from backstay.app.errors import ConfigError

_MARK = "spot orders are triggered by the last trade price"
REFUSED = {
    "accept_external_sl": "spot has no close_position stop",
    "dca": "spot holdings are guarded, not added to; leave the section out",
    "break_even.be_source": "a spot holding has no break-even price of the venue's; it is computed",
    "stop_loss.bridge": "a second stop cannot rest beside the first one, which has locked the coins",
    "stop_loss.close_position_fallback": "spot has no close_position stop",
    "stop_loss.price_protect": "spot orders have none",
    "stop_loss.trail_resize_fraction": "it belongs to kind trailing, which spot positions do not have",
    "stop_loss.working_type": _MARK,
    "take_profit.merge": "a spot holding has one take-profit",
    "take_profit.price_protect": "spot orders have none",
    "take_profit.working_type": _MARK,
}
ALLOWED = {
    "sides": (("LONG",), "coins can only be held"),
    "on_external_position": (("manage", "review"), "every spot holding is bought by hand"),
    "stop_loss.kind": (
        ("fixed_qty", "stop_limit", "trailing_local"),
        "spot has no close_position stop, and a trail of the venue's own is not supported",
    ),
    "stop_loss.trail_as": (("fixed_qty",), "spot has no close_position stop"),
}
DEFAULTS = {
    "sides": ["LONG"],
    "stop_loss.kind": "fixed_qty",
    "stop_loss.trail_as": "fixed_qty",
    "stop_loss.close_position_fallback": False,
}


def on_spot(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`fields` of a position manager with the defaults of spot. Raises ConfigError that names the key."""
    for path, value in _said(fields):
        if path in REFUSED:
            raise ConfigError(f"{where}.{path} makes no sense on spot: {REFUSED[path]}")
        if path in ALLOWED:
            known, why = ALLOWED[path]
            for item in value if isinstance(value, list) else [value]:
                if str(item).lower() not in {x.lower() for x in known}:
                    raise ConfigError(f"{where}.{path}: {item!r} is not for spot, {why}; {_or(known)}")
    levels = _section(fields, "take_profit").get("levels")
    if isinstance(levels, list) and len(levels) > 1:
        raise ConfigError(f"{where}.take_profit.levels: a spot holding has one level, not {len(levels)}")
    share = _section(levels[0] if isinstance(levels, list) and levels else {}, "").get("share")
    if share is not None and str(share).strip() not in {"1", "1.0", "100%"}:
        raise ConfigError(f"{where}.take_profit.levels[0].share: on spot the one level sells all; write 100%")
    return _with_defaults(fields)


def _said(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Every key that stands in the configuration, sections and their keys alike."""
    found: list[tuple[str, Any]] = []
    for name, value in fields.items():
        found.append((name, value))
        if isinstance(value, Mapping):
            found += [(f"{name}.{key}", inner) for key, inner in value.items()]
    return [(path, value) for path, value in found if value is not None]


def _section(fields: Any, name: str) -> Mapping[str, Any]:
    value = fields.get(name) if name and isinstance(fields, Mapping) else fields
    return value if isinstance(value, Mapping) else {}


def _or(words: tuple[str, ...]) -> str:
    return f"write {' or '.join(words)}"


def _with_defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(fields)
    for path, value in DEFAULTS.items():
        section, _, key = path.rpartition(".")
        if not section:
            filled.setdefault(key, value)
        elif isinstance(filled.get(section, {}), Mapping):
            filled[section] = {key: value, **_section(filled, section)}
    return filled
