"""Checking of signatures, from `binance.md` section 3: HMAC-SHA256 hex, RSA PKCS#1 v1.5, Ed25519.

REST signs the query string followed by the body, exactly as sent. The WebSocket API signs its parameters
sorted by name, raw UTF-8, not percent-encoded. The two rules are opposite, and only non-ASCII text tells
them apart.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from backstay.simulator.server.replies import encode


class KeyKind(StrEnum):
    HMAC = "HMAC"
    RSA = "RSA"
    ED25519 = "ED25519"


class Verifier:
    """Checks signatures of one API key. `material` is the HMAC secret or a PEM public key."""

    def __init__(self, kind: KeyKind, material: str) -> None:
        self.kind = kind
        self._secret = b""
        self._public: RSAPublicKey | Ed25519PublicKey | None = None
        if kind is KeyKind.HMAC:
            if not material:
                raise ValueError("an HMAC key needs a secret that is not empty")
            self._secret = material.encode()
            return
        wanted = RSAPublicKey if kind is KeyKind.RSA else Ed25519PublicKey
        try:
            public = serialization.load_pem_public_key(material.encode())
        except ValueError as error:
            raise ValueError(f"the public key of a {kind} credential must be PEM: {error}") from error
        if not isinstance(public, wanted):
            raise ValueError(f"the PEM holds a {type(public).__name__}, a {kind} key is wanted")  # noqa: TRY004 - a value of the configuration
        self._public = public

    def matches(self, payload: bytes, signature: str) -> bool:
        """True when `signature` is this key's over `payload`. HMAC hex in any case; base64 exactly."""
        if self.kind is KeyKind.HMAC:
            expected = hmac.new(self._secret, payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected, signature.lower()) if signature.isascii() else False
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        try:
            if isinstance(self._public, RSAPublicKey):
                self._public.verify(raw, payload, padding.PKCS1v15(), hashes.SHA256())
            elif isinstance(self._public, Ed25519PublicKey):
                self._public.verify(raw, payload)
        except InvalidSignature:
            return False
        return True


def rest_payload(query: str, body: str) -> tuple[str, list[str]]:
    """What a REST request signs, and the (still encoded) signatures that it carries.

    The members named `signature` are cut out of both texts, everything else stays as sent; query and body are
    joined without a separator.
    """
    signatures: list[str] = []

    def cut(text: str) -> str:
        if "signature=" not in text:
            return text
        kept = []
        for member in text.split("&"):
            if member.startswith("signature="):
                signatures.append(member[len("signature=") :])
            else:
                kept.append(member)
        return "&".join(kept)

    return cut(query) + cut(body), signatures


def ws_payload(params: Mapping[str, Any]) -> str:
    """What a WebSocket API request signs: `k=v` of all members but the signature, sorted, joined by `&`."""
    return "&".join(f"{name}={ws_text(params[name])}" for name in sorted(params) if name != "signature")


def ws_text(value: Any) -> str:
    """The text of one JSON value as it enters the signature and the order parameters."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    return encode(value).decode()
