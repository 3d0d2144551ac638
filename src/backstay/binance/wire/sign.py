"""Signatures of requests: HMAC-SHA256 and Ed25519, over the REST form and the WebSocket API form.

The two forms are opposite about encoding (binance.md 3): a REST query is percent-encoded *before* it
is signed, WebSocket API parameters are sorted by name and signed raw. Keys never appear in a repr.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

type WsValue = str | int

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Signer(Protocol):
    """Signs text with one key pair."""

    @property
    def api_key(self) -> str: ...

    @property
    def can_logon(self) -> bool:
        """The key may authenticate a whole connection (`session.logon`): Ed25519 only."""
        ...

    def sign(self, text: str) -> str:
        """The signature of `text` (UTF-8): hex for HMAC, base64 for Ed25519; not percent-encoded."""
        ...

    def sign_rest(self, query: str) -> str:
        """`query`, already percent-encoded, with `signature` as its last parameter."""
        ...

    def sign_ws(self, params: Mapping[str, WsValue]) -> str:
        """Signature of WebSocket API parameters (with `apiKey`, without `signature`), in any order."""
        ...


def ws_text(params: Mapping[str, WsValue]) -> str:
    """What a WebSocket API signature covers: every member but `signature`, sorted, raw."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")


class HmacSigner:
    """HMAC-SHA256 with the key schedule done once; each request copies the two prepared states."""

    __slots__ = ("_api_key", "_inner", "_outer")

    can_logon = False

    def __init__(self, api_key: str, secret: str) -> None:
        """Raises ValueError when a key is empty."""
        if not api_key or not secret:
            raise ValueError("an HMAC signer needs both the API key and its secret")
        key = secret.encode()
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        key = key.ljust(_BLOCK, b"\0")
        self._api_key = api_key
        self._inner = hashlib.sha256(key.translate(_INNER))
        self._outer = hashlib.sha256(key.translate(_OUTER))

    def __repr__(self) -> str:
        return "HmacSigner(<redacted>)"

    @property
    def api_key(self) -> str:
        return self._api_key

    def sign(self, text: str) -> str:
        inner = self._inner.copy()
        inner.update(text.encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()

    def sign_rest(self, query: str) -> str:
        return f"{query}&signature={self.sign(query)}"

    def sign_ws(self, params: Mapping[str, WsValue]) -> str:
        return self.sign(ws_text(params))


class Ed25519Signer:
    """Ed25519 over a private key in PEM (PKCS#8), as the venue's key page asks for it."""

    __slots__ = ("_api_key", "_key")

    can_logon = True

    def __init__(self, api_key: str, private_key_pem: bytes, password: bytes | None = None) -> None:
        """Raises ValueError when the key is empty, unreadable or of another kind."""
        if not api_key:
            raise ValueError("an Ed25519 signer needs the API key that belongs to the private key")
        # 7 MB of memory, for such keys alone.
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(private_key_pem, password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The library's text may quote the input.
            raise ValueError("the private key is not readable PKCS#8 PEM, or its password is wrong") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(  # noqa: TRY004 (the argument's type is right, its content is not)
                "the private key is not an Ed25519 key; `openssl genpkey -algorithm ed25519` makes one"
            )
        self._api_key = api_key
        self._key = key

    def __repr__(self) -> str:
        return "Ed25519Signer(<redacted>)"

    @property
    def api_key(self) -> str:
        return self._api_key

    def sign(self, text: str) -> str:
        return base64.b64encode(self._key.sign(text.encode())).decode()

    def sign_rest(self, query: str) -> str:
        return f"{query}&signature={quote(self.sign(query), safe='')}"

    def sign_ws(self, params: Mapping[str, WsValue]) -> str:
        return self.sign(ws_text(params))


def logon_params(signer: Signer, timestamp_ms: int, recv_window_ms: int = 5000) -> dict[str, WsValue]:
    """Signed parameters of `session.logon`. Raises ValueError for a key that cannot log on."""
    if not signer.can_logon:
        raise ValueError("session.logon needs an Ed25519 key; with HMAC every request is signed on its own")
    params: dict[str, WsValue] = {
        "apiKey": signer.api_key,
        "recvWindow": recv_window_ms,
        "timestamp": timestamp_ms,
    }
    params["signature"] = signer.sign_ws(params)
    return params
