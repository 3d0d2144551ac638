"""What a URL may look like in a log line or an error."""

import re
from urllib.parse import urlsplit

_LONG = re.compile(r"[A-Za-z0-9_-]{16,}")


def redacted(url: str) -> str:
    """Scheme, host and path; no query string, and a listen key in the path is cut to its first characters."""
    parts = urlsplit(url)
    path = _LONG.sub(lambda found: found.group()[:4] + "...", parts.path)
    return f"{parts.scheme}://{parts.netloc}{path}"


def shown(query: str) -> str:
    """Parameters of a request as they may be kept: without its signature, a listen key cut short."""
    kept = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name.lower() in {"signature", "apikey"}:
            continue
        kept.append(f"{name}={redacted_key(value)}" if name.lower() == "listenkey" else part)
    return "&".join(kept)


def redacted_key(key: str) -> str:
    return f"{key[:4]}..."
