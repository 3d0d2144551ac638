"""Secrets never leave: every text that is shown or kept passes through here.

Two nets: values that are known to be secret (`hide`), wherever they stand, and shapes of secrets that nobody
told of: signatures, listen keys, key headers, PEM blocks, passwords in addresses.
"""

import re

REDACTED = "<redacted>"
SHORTEST = 8
"""Shorter values are no secrets of the venue, and hiding them would eat ordinary words."""

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        REDACTED,
    ),
    (
        re.compile(
            r"(?i)((?:signature|listen_?key|api_?key|api_?secret|secret(?:_?key)?|x-mbx-apikey|password|passwd"
            r"|private_key|authorization|token)[\"']?\s*[=:]\s*[\"']?)(?!<redacted>)[^\s\"'&,;})]{4,}"
        ),
        rf"\g<1>{REDACTED}",
    ),
    (re.compile(r"(://[^/\s:@]+:)[^@\s/]+(@)"), rf"\g<1>{REDACTED}\g<2>"),
    (re.compile(r"(/(?:ws|stream|private)/)[A-Za-z0-9]{40,}"), rf"\g<1>{REDACTED}"),
    (re.compile(r"\b[A-Za-z0-9]{64}\b"), REDACTED),
)
"""Keys, secrets and signatures of the venue have 64 characters; so has a hash, which no log needs."""

_hidden: dict[str, None] = {}


def hide(*values: str) -> None:
    """From now on these are never shown, in this process."""
    for value in values:
        if len(value) >= SHORTEST:
            _hidden[value] = None


def redact(text: str) -> str:
    """The text without secrets."""
    text = scrub(text)
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def scrub(text: str) -> str:
    """The text without the values that are known to be secret: quick, for documents of megabytes."""
    for value in _hidden:
        if value in text:
            text = text.replace(value, REDACTED)
    return text


def redacted(value: object) -> object:
    """Texts inside dictionaries, lists and tuples likewise; everything else as it is."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {str(k): redacted(v) for k, v in value.items()}
        case list() | tuple():
            return [redacted(v) for v in value]
        case int() | float() | None:
            return value
        case _:
            return redact(str(value))
