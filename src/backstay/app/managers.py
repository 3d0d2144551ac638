"""Entries of `managers:` become policies; percentages, durations and sizes become exact values.

The keys, their defaults and their limits are those of the strategies' policies: nothing is said twice here,
so a key that a policy learns can be configured at once.
"""

import types
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from backstay.app.errors import ConfigError
from backstay.app.nearest import suggestion
from backstay.app.strategies import Kind, find
from backstay.app.units import decimal, duration, fraction, size
from backstay.app.yaml_file import read_yaml
from backstay.core.engine import Manager
from backstay.core.types import Product, TimeNs
from backstay.signals.policy import BracketRule, Scales, ScorePolicy, parse_weights
from backstay.strategies.position_manager.policy import DcaPolicy, StopPolicy
from backstay.strategies.scored.policy import SizePolicy
from backstay.strategies.swing.policy import SwingPolicy

ABSOLUTE = {
    StopPolicy: ("price",),
    DcaPolicy: (
        "first_size",
        "deviation_multiplier",
        "size_multiplier",
        "max_total_qty",
        "max_total_notional",
    ),
    Scales: ("cross", "slope", "rsi", "rsi_exhausted", "macd", "breakout", "volume"),
    BracketRule: ("stop", "targets"),
    SizePolicy: ("max_share", "max_notional"),
    SwingPolicy: ("max_sell_value",),
}
"""Decimals that count prices, quantities or factors; all others are fractions.
A user's policy names its own (`UserPolicy.absolute`).
"""
OWN_KEYS = ("strategy", "product")
WEIGHTS_FILE = "weights_file"


class ManagerSettings(msgspec.Struct, frozen=True):
    """One configured manager."""

    where: str
    strategy: str
    product: Product
    policy: Any
    """The strategy's own policy; it has `symbols` and `check`."""
    kind: Kind

    def manager(self) -> Manager:
        """As the engine takes it."""
        return self.kind.manager(self.policy, self.product)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is legal and yet probably not meant."""
        own = self.kind.loaded.warnings if self.kind.loaded is not None else ()
        return (*own, *self.policy.check())


def parse_managers(entries: Sequence[object]) -> tuple[ManagerSettings, ...]:
    """Raises ConfigError with the path of the offending key."""
    parsed = tuple(parse_manager(entry, f"managers[{i}]") for i, entry in enumerate(entries))
    owner: dict[tuple[Product, str], str] = {}
    for manager in parsed:
        for symbol in manager.policy.symbols or ("",):
            key = manager.product, symbol
            if key in owner:
                what = symbol or "every symbol with an open position (symbols is empty)"
                raise ConfigError(
                    f"{manager.where}.symbols: {what} is managed by {owner[key]} already; "
                    f"a symbol has one manager"
                )
            owner[key] = manager.where
    return parsed


def parse_manager(raw: object, where: str) -> ManagerSettings:
    """One entry. Raises ConfigError."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where} must be keys such as strategy: and stop_loss:, not {raw!r}")
    strategy = str(raw.get("strategy", ""))
    if not strategy:
        raise ConfigError(f"{where}.strategy is missing; write strategy: position_manager")
    kind = find(strategy, f"{where}.strategy")
    product = next((p for p in kind.products if p == raw.get("product", kind.products[0].value)), None)
    if product is None:
        known = " or ".join(kind.products)
        raise ConfigError(f"{where}.product: {strategy} works on {known}, not {raw.get('product')!r}")
    fields = {str(k): v for k, v in raw.items() if k not in OWN_KEYS}
    fields["symbols"] = _symbols(fields.get("symbols", []), f"{where}.symbols")
    if kind.needs_names(product) and not fields["symbols"]:
        example = "TRUMPUSDC" if product is Product.SPOT else "BTCUSDT"
        raise ConfigError(f"{where}.symbols: {strategy} needs its symbols by name, such as [{example}]")
    if product is Product.SPOT and kind.on_spot is not None:
        fields = kind.on_spot(fields, where)
    policy = _build(kind.policy, fields, where, extra=OWN_KEYS)
    return ManagerSettings(where, strategy, product, policy, kind)


def _symbols(value: object, where: str) -> list[str]:
    items = [value] if isinstance(value, str) else value
    if items is None:
        return []
    if not isinstance(items, list):
        raise ConfigError(f"{where}: {value!r} is not a list; write [BTCUSDT] or []")
    for item in items:
        text = str(item)
        if not text.replace("_", "").isalnum() or text != text.upper():
            raise ConfigError(
                f"{where}: {text!r} is not a symbol; write it as the venue does, such as BTCUSDT"
            )
    if len(set(items)) != len(items):
        raise ConfigError(f"{where}: a symbol stands there twice")
    return [str(item) for item in items]


def _build[T: msgspec.Struct](
    kind: type[T], raw: object, where: str, *, extra: Sequence[str] = (), base: object = None
) -> T:
    """A policy struct from configuration keys, over `base`: what holds there when nothing is written."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: {raw!r} must be keys and values, such as {{enabled: true}}")
    hints = {k: v for k, v in get_type_hints(kind).items() if k in kind.__struct_fields__}
    extra = (*extra, WEIGHTS_FILE) if kind is ScorePolicy else extra
    for key in raw:
        if key not in hints and (key != WEIGHTS_FILE or kind is not ScorePolicy):
            known = [*hints, *extra]
            raise ConfigError(
                f"{where}.{key} is not a key; {suggestion(str(key), known, prefix=where + '.')}"
            )
    if kind is ScorePolicy:
        raw = _with_weights(raw, where)
    if kind is DcaPolicy:
        raw = _with_unit(raw, where)
    fields = msgspec.structs.fields(kind)
    base = base if isinstance(base, kind) else None
    needed = [f.name for f in fields if f.required and f.name not in raw]
    if needed and base is None:
        raise ConfigError(f"{where} needs {' and '.join(needed)}")
    plain = ABSOLUTE[kind] if kind in ABSOLUTE else getattr(kind, "absolute", ())
    left_out = {f.name: getattr(base, f.name, f.default) for f in fields}
    values = {
        k: v
        if isinstance(v, msgspec.Struct)
        else _convert(hints[k], v, f"{where}.{k}", absolute=k in plain, base=left_out[k])
        for k, v in raw.items()
    }
    try:
        return kind(**values) if base is None else msgspec.structs.replace(base, **values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _with_unit(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`first_size` names its own unit, unless `size_unit` says that a plain number means something else."""
    fields = dict(raw)
    if "first_size" not in fields:
        return fields
    try:
        amount, unit = size(fields["first_size"])
    except ValueError as error:
        raise ConfigError(f"{where}.first_size: {error}") from None
    given = fields.get("size_unit")
    if given is not None and unit not in {"quantity", given}:
        raise ConfigError(f"{where}: first_size {fields['first_size']!r} and size_unit {given} contradict")
    return {**fields, "first_size": amount, "size_unit": given or unit}


def _with_weights(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`weights_file` names a YAML file of factor weights, in the stead of `weights`."""
    fields = dict(raw)
    if WEIGHTS_FILE not in fields:
        return fields
    path = Path(str(fields.pop(WEIGHTS_FILE))).expanduser()
    if "weights" in fields:
        raise ConfigError(f"{where}: weights and {WEIGHTS_FILE} say the same thing twice; keep one")
    if not path.is_file():
        raise ConfigError(f"{where}.{WEIGHTS_FILE}: {path} is not a file")
    try:
        fields["weights"] = parse_weights(read_yaml(path).data)
    except ValueError as error:
        raise ConfigError(f"{where}.{WEIGHTS_FILE}: {path}: {error}") from None
    return fields


def _convert(hint: Any, value: Any, where: str, *, absolute: bool, base: object = None) -> Any:
    """A configured value as the field's type."""
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(a for a in get_args(hint) if a is not type(None))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _build(hint, value, where, base=base)
    if get_origin(hint) is tuple:
        items = value if isinstance(value, list) else [value]
        inner = get_args(hint)[0]
        return tuple(_convert(inner, v, f"{where}[{i}]", absolute=absolute) for i, v in enumerate(items))
    try:
        return _scalar(hint, value, absolute=absolute)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _scalar(hint: Any, value: Any, *, absolute: bool) -> Any:
    if hint is TimeNs:
        return duration(value)
    if hint is Decimal:
        return decimal(value) if absolute else fraction(value)
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise ValueError(f"{value!r} is not true or false")
    if hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ValueError(f"{value!r} is not a whole number")
    if isinstance(hint, type) and issubclass(hint, Enum):
        known = {str(member.value).lower(): member for member in hint}
        found = known.get(str(value).lower())
        if found is None:
            names = [str(member.value) for member in hint]
            raise ValueError(f"{value!r} is not known; {suggestion(str(value), names)}")
        return found
    return str(value)
