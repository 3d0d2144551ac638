"""Who asks, and whether they may: API keys, the timestamp rule, permissions, addresses.

Sources: `binance.md` section 3 (accept rule: ts < server + 1000 ms and server - ts <= recvWindow), error
codes -2014, -2015, -1021, -1022, -1102, -1130 of `binance-errors.md`.
"""

import re
from collections.abc import Mapping

import msgspec

from backstay.simulator.server import replies
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.server.signing import KeyKind, Verifier

_MICRO = 10**15
"""Timestamps from here on are microseconds (Spot takes both)."""
_KEY_FORMAT = re.compile(r"[A-Za-z0-9]{64}")


class Credentials(msgspec.Struct, frozen=True):
    """One API key of one account. `material`: the HMAC secret, or the public key as PEM."""

    api_key: str
    account: str
    kind: KeyKind
    material: str
    reading: bool = True
    futures: bool = True
    withdrawals: bool = False
    addresses: tuple[str, ...] = ()
    spot: bool = True

    @classmethod
    def hmac(cls, api_key: str, secret: str, account: str = "main") -> "Credentials":
        return cls(api_key, account, KeyKind.HMAC, secret)

    @classmethod
    def ed25519(cls, api_key: str, public_pem: str, account: str = "main") -> "Credentials":
        return cls(api_key, account, KeyKind.ED25519, public_pem)

    @classmethod
    def rsa(cls, api_key: str, public_pem: str, account: str = "main") -> "Credentials":
        return cls(api_key, account, KeyKind.RSA, public_pem)

    def __repr__(self) -> str:
        return f"Credentials({self.api_key[:4]}..., {self.account}, {self.kind})"


class Keyring:
    """All keys of the venue. Raises `ValueError` for a key that cannot be loaded, naming it."""

    def __init__(
        self, accounts: Mapping[str, Credentials], settings: ServerSettings, *, spot: bool = False
    ) -> None:
        self._settings = settings
        self._spot = spot
        self._keys = dict(accounts)
        self._revoked: set[str] = set()
        self._verifiers: dict[str, Verifier] = {}
        for name, credentials in self._keys.items():
            try:
                self._verifiers[name] = Verifier(credentials.kind, credentials.material)
            except ValueError as error:
                raise ValueError(
                    f"API key {name[:4]}... of account {credentials.account}: {error}"
                ) from error

    def accounts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c.account for c in self._keys.values()))

    def revoke(self, account: str | None) -> tuple[str, ...]:
        """Revoke the keys of an account (None: all). Returns the keys that were alive until now."""
        gone = tuple(
            name
            for name, c in self._keys.items()
            if (account is None or c.account == account) and name not in self._revoked
        )
        self._revoked.update(gone)
        return gone

    def restore(self, account: str | None) -> None:
        self._revoked -= {n for n, c in self._keys.items() if account is None or c.account == account}

    def identify(self, api_key: str | None, peer: str) -> Credentials:
        """The credentials of a key header. -2014 for a malformed key, -2015 for any that may not pass."""
        known = self._keys.get(api_key) if api_key else None
        if known is None:
            if not api_key or not _KEY_FORMAT.fullmatch(api_key):
                raise replies.bad_key_format()
            raise replies.rejected_key(peer)
        if known.api_key in self._revoked or (known.addresses and peer not in known.addresses):
            raise replies.rejected_key(peer)
        return known

    def check_permission(self, credentials: Credentials, *, trading: bool, peer: str) -> None:
        may_trade = credentials.spot if self._spot else credentials.futures
        if not credentials.reading or (trading and not may_trade):
            raise replies.rejected_key(peer)

    def check_time(self, params: Mapping[str, str], now_ms: int) -> None:
        """The timestamp rule. `params` are decoded texts; `now_ms` is the venue's own clock."""
        stamp = _whole(params.get("timestamp"))
        if stamp is None:
            raise replies.missing_parameter("timestamp")
        if self._spot and stamp >= _MICRO:
            stamp //= 1000
        window = self._settings.default_recv_window_ms
        if "recvWindow" in params:
            asked = _window(params["recvWindow"])
            if asked is None or asked > self._settings.max_recv_window_ms:
                raise replies.invalid_parameter("recvWindow")
            window = asked
        if stamp >= now_ms + self._settings.future_tolerance_ms:
            raise replies.ahead_of_time()
        if now_ms - stamp > window:
            raise replies.outside_window()

    def check_signature(self, credentials: Credentials, payload: str, signature: str | None) -> None:
        if not signature:
            raise replies.missing_parameter("signature")
        try:
            raw = payload.encode()
        except UnicodeEncodeError as error:
            raise replies.bad_signature() from error
        if not self._verifiers[credentials.api_key].matches(raw, signature):
            raise replies.bad_signature()


def _whole(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text)


def _window(text: str) -> int | None:
    head, dot, tail = text.partition(".")
    if dot and (not tail.isdigit() or len(tail) > 3):
        return None
    return _whole(head)
