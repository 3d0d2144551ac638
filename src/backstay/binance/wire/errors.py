"""The one error that reading the venue's bytes can raise, and the redaction that its text needs."""

import re

# Listen keys have 64 characters, signatures 64 or 88, API keys 64; custom ids at most 36.
_SECRET = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
_LIMIT = 300


class WireError(ValueError):
    """Bytes of the venue that cannot be read. `what` says what is wrong, `where` in which payload."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{where}: {what}")
        self.what = what
        self.where = where


def redact(data: bytes, limit: int = _LIMIT) -> str:
    """Printable text of `data` without anything long enough to be a key or a signature, cut to `limit`."""
    text = data[: 16 * limit].decode("utf-8", "replace")
    text = _SECRET.sub("<redacted>", text)
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= limit else f"{text[:limit]}..."
