"""Strategies of the user's own: loaded by path or by entry point, checked, known by the digest of their file.

The code runs with the program's rights and decides about orders: whoever may write the file may trade. A
ledger names the file and its digest, because only the same code comes to the same decisions again.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from backstay.app.errors import ConfigError
from backstay.app.nearest import suggestion
from backstay.core.types import Product, TimeNs
from backstay.strategies.hosted import Code, Hosted
from backstay.strategies.older import Older, is_older

GROUP = "backstay.strategies"
"""Entry points of installed packages: the name is what `strategy:` says, the object a strategy class."""
NOT_PURE = frozenset({"random", "secrets", "time", "uuid"})
"""Modules whose import is told of: what `wanted` answers may not come from there."""
HOOKS = ("on_price", "on_order")
SIMPLE = (Decimal, bool, int, str, TimeNs)


class Loaded(msgspec.Struct, frozen=True):
    """A user's strategy, ready to be configured."""

    name: str
    """As in the configuration."""
    policy: type[msgspec.Struct]
    products: tuple[Product, ...]
    by_lot: bool
    code: Code
    kind: Any
    """The user's class; calling it gives an instance."""
    warnings: tuple[str, ...] = ()

    def make(self) -> Hosted:
        return Hosted(_instance(self.kind), self.name, self.code)

    def hooks(self) -> Any:
        """Another instance, for the hooks alone; None: it has none."""
        hooked = not is_older(self.kind) and any(hasattr(self.kind, name) for name in HOOKS)
        return self.kind() if hooked else None


def is_path(reference: str) -> bool:
    """Whether `strategy:` names a file (`path/to/file.py:Class`)."""
    return ".py:" in reference or reference.endswith(".py")


def registered() -> dict[str, metadata.EntryPoint]:
    """Name -> entry point of what installed packages register."""
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def load(reference: str, where: str) -> Loaded:
    """By path, or the registered strategy of that name. Raises ConfigError; `where` begins its message."""
    return _by_path(reference, where) if is_path(reference) else _by_name(reference, where)


def load_again(reference: str, code: Code, where: str) -> Loaded:
    """The very code that a ledger names. Raises ConfigError when it cannot be loaded or is another."""
    _, _, name = reference.rpartition(":")
    found = load(f"{code.path}:{name}", where) if is_path(reference) else load(reference, where)
    if found.code.sha256 != code.sha256:
        raise ConfigError(
            f"{where}: {found.code.path} has changed since (its digest was {code.sha256[:12]}, now it is "
            f"{found.code.sha256[:12]}); only the same file decides the same again"
        )
    return msgspec.structs.replace(found, name=reference)


def _by_path(reference: str, where: str) -> Loaded:
    file, _, name = reference.rpartition(":")
    if not file or not name.isidentifier():
        raise ConfigError(f"{where}: {reference!r} names no class; write path/to/file.py:Class")
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise ConfigError(f"{where}: {path} is not a file; write its path, then a colon and the class")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{where}: {path} cannot be read: {error.strerror}") from None
    digest = sha256(source, usedforsecurity=False).hexdigest()
    module = _module(path, source, digest, where)
    found = getattr(module, name, None)
    if found is None:
        near = suggestion(name, _classes(module))
        raise ConfigError(f"{where}: {path} has no class {name}; {near}")
    return _checked(found, reference, Code(str(path), digest), _impure(source), where)


def _module(path: Path, source: bytes, digest: str, where: str) -> ModuleType:
    """The file as a module; the bytes that were hashed are the ones that run. Loaded once for each digest."""
    name = f"backstay_user_{path.stem}_{digest[:16]}_{sha256(str(path).encode()).hexdigest()[:8]}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - the operator named this file
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's file does, one message tells it
        del sys.modules[name]
        raise ConfigError(f"{where}: {path} cannot be imported: {_words(error, path)}") from None
    return module


def _words(error: BaseException, path: Path) -> str:
    """What went wrong, and at which line of the user's file."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None and not isinstance(error, SyntaxError):
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    at = f"line {line}: " if line else ""
    return f"{at}{type(error).__name__}: {what}"


def _by_name(reference: str, where: str) -> Loaded:
    point = registered().get(reference)
    if point is None:
        raise ConfigError(f"{where}: no installed package registers {reference!r} under {GROUP}")
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's package does, one message tells it
        raise ConfigError(
            f"{where}: {reference!r} ({point.value}) cannot be imported: {type(error).__name__}: {error}"
        ) from None
    try:
        path = Path(inspect.getfile(found)).resolve()
        source = path.read_bytes()
    except (OSError, TypeError):
        raise ConfigError(f"{where}: {reference!r} ({point.value}) has no source file to name") from None
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else ""
    code = Code(str(path), sha256(source, usedforsecurity=False).hexdigest(), package)
    return _checked(found, reference, code, _impure(source), where)


def _classes(module: ModuleType) -> list[str]:
    """Strategies that the file defines."""
    return [
        name
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and kind.__module__ == module.__name__
        and (is_older(kind) or hasattr(kind, "wanted"))
    ]


def _impure(source: bytes) -> list[str]:
    """Imported modules that a pure answer has no use for."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return sorted(found & NOT_PURE)


# --- whether it is a strategy -----------------------------------------------------------------------


def _checked(kind: Any, reference: str, code: Code, impure: list[str], where: str) -> Loaded:
    """Raises ConfigError when it is not a strategy."""
    lacking = _lacking(kind)
    if lacking:
        raise ConfigError(f"{where}: {reference} is not a strategy: {lacking}")
    user = _instance(kind, where, reference)
    flaw = next(_policy_flaws(user.policy), "")
    if flaw:
        raise ConfigError(f"{where}: {reference} is not a strategy: {flaw}")
    by_lot = bool(getattr(user, "by_lot", False))
    products = tuple(getattr(user, "products", (Product.SPOT,) if by_lot else (Product.USDM,)))
    if not products or not all(isinstance(p, Product) for p in products):
        raise ConfigError(f"{where}: {reference}: products is {products!r}, not a tuple of Product")
    if by_lot and products != (Product.SPOT,):
        raise ConfigError(
            f"{where}: {reference}: lots are sold on spot only; write products = (Product.SPOT,)"
        )
    told = f"{reference} imports {' and '.join(impure)}: what `wanted` answers must follow from its arguments"
    return Loaded(reference, user.policy, products, by_lot, code, kind, (told,) if impure else ())


def _lacking(kind: Any) -> str:
    """What a class needs to be a strategy and has not; empty: nothing."""
    if not isinstance(kind, type):
        return "it is not a class"
    if is_older(kind):
        return ""
    method = getattr(kind, "wanted", None)
    if not callable(method):
        return "it has no method wanted(self, view, policy, now)"
    try:
        inspect.signature(method).bind(None, None, None, None)
    except TypeError:
        return "its method must be wanted(self, view, policy, now)"
    return "" if hasattr(kind, "policy") else "it has no policy = ... that names the struct of its settings"


def _instance(kind: Any, where: str = "", reference: str = "") -> Any:
    if is_older(kind):
        return Older(kind)
    try:
        return kind()
    except Exception as error:  # noqa: BLE001 - whatever a user's class does, one message tells it
        raise ConfigError(
            f"{where}: {reference} cannot be made without arguments: {type(error).__name__}: {error}"
        ) from None


def _policy_flaws(policy: Any) -> Iterator[str]:
    """Why a configuration cannot be read into this type."""
    if not (isinstance(policy, type) and issubclass(policy, msgspec.Struct)):
        yield f"policy is {policy!r}, not a msgspec Struct; derive it from UserPolicy"
        return
    if not policy.__struct_config__.frozen:
        yield f"{policy.__name__} must be frozen; write class {policy.__name__}(UserPolicy, frozen=True)"
    if not callable(getattr(policy, "check", None)) or "symbols" not in policy.__struct_fields__:
        yield f"{policy.__name__} has no symbols and check(); derive it from UserPolicy"
    try:
        hints = get_type_hints(policy)
    except (NameError, TypeError) as error:
        yield f"the types of {policy.__name__} cannot be read: {error}"
        return
    for name in policy.__struct_fields__:
        if not _readable(hints[name]):
            yield (
                f"{policy.__name__}.{name} is a {hints[name]}, which no key can be; it may be a Decimal, "
                "TimeNs, bool, int, str, Enum, Struct, or a tuple of these"
            )


def _readable(hint: Any) -> bool:
    """Whether `backstay.app.managers` makes such a value of a key."""
    if get_origin(hint) in (Union, UnionType):
        inner = [x for x in get_args(hint) if x is not type(None)]
        return len(inner) == 1 and _readable(inner[0])
    if get_origin(hint) is tuple:
        inner = list(get_args(hint))
        return len(inner) == 2 and inner[1] is ... and _readable(inner[0])
    if any(hint is simple for simple in SIMPLE):
        return True
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return next(_inner_flaws(hint), "") == ""
    return isinstance(hint, type) and issubclass(hint, Enum)


def _inner_flaws(kind: type[msgspec.Struct]) -> Iterator[str]:
    if not kind.__struct_config__.frozen:
        yield "not frozen"
    for name, hint in get_type_hints(kind).items():
        if name in kind.__struct_fields__ and not _readable(hint):
            yield name
