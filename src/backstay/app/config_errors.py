"""Turning a validation error into sentences: which key, where it stands, what was expected, what is near."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from backstay.app.nearest import nearest, suggestion
from backstay.app.yaml_file import KeyPath, dotted


def explain(error: ValidationError, model: type[BaseModel], where: Callable[[KeyPath], str]) -> str:
    """All of the error, one line for each key."""
    lines = [_explain_one(e, model, where) for e in error.errors(include_url=False, include_input=True)]
    return "\n".join(dict.fromkeys(lines))


def _explain_one(error: ErrorDetails, model: type[BaseModel], where: Callable[[KeyPath], str]) -> str:
    at: KeyPath = tuple(p for p in error["loc"] if not _is_tag(p))
    name, given = dotted(at), error.get("input")
    if error["type"] == "extra_forbidden":
        return f"{where(at)}: {name} is not a key; {_unknown(at, model)}"
    if error["type"] in {"enum", "literal_error"}:
        expected = str(error.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ")
        known = [part.strip() for part in expected.split(",")]
        return f"{where(at)}: {name}: {given!r} is not known; {suggestion(str(given), known)}"
    if error["type"] == "too_short":
        return f"{where(at)}: {name}: write at least {error.get('ctx', {}).get('min_length')}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
    shown = "" if repr(given) in message else f" is {given!r};" if not isinstance(given, (dict, list)) else ""
    return f"{where(at)}: {name}{shown or ':'} {message}"


def _is_tag(part: str | int) -> bool:
    """Names that the validator puts into a location for the branch of a union."""
    return isinstance(part, str) and ("[" in part or part in {"constrained-int", "none"})


def _unknown(at: KeyPath, model: type[BaseModel]) -> str:
    key = str(at[-1])
    if any(word in key.lower() for word in ("secret", "api_key", "apikey", "private_key")):
        return "secrets stand in the environment or in .env alone, such as BINANCE_API_KEY"
    section = _section(model, at[:-1])
    names = list(section.model_fields) if section is not None else []
    prefix = dotted(at[:-1]) + "." if len(at) > 1 else ""
    near = nearest(key, names)
    if near:
        return f"did you mean {prefix}{near}?"
    elsewhere = {path.rpartition(".")[2]: path for path in _all_keys(model, "")}
    near = nearest(key, elsewhere)
    return f"did you mean {elsewhere[near]}?" if near else f"known are {', '.join(prefix + n for n in names)}"


def _section(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    here: type[BaseModel] | None = model
    for part in path:
        if here is None or part not in here.model_fields:
            return None
        here = _model_of(here.model_fields[str(part)].annotation)
    return here


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _all_keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        inner = _model_of(field.annotation)
        if inner is not None:
            yield from _all_keys(inner, f"{prefix}{name}.")
