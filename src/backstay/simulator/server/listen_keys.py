"""Listen keys: one per account, shared by all its processes, 60 minutes from the last POST or PUT.

Source: `binance-usdm.md` section 4. A dead key answers PUT with -1125; a new POST makes another key, and
sockets of the old one stay open and silent.
"""

import random
import string

import msgspec

from backstay.simulator.server import replies
from backstay.simulator.server.settings import MINUTE, ServerSettings

_ALPHABET = string.ascii_letters + string.digits


class ListenKey(msgspec.Struct):
    key: str
    account: str
    expires: int


class ListenKeys:
    def __init__(self, settings: ServerSettings, rng: random.Random) -> None:
        self._life = settings.listen_key_minutes * MINUTE
        self._rng = rng
        self._by_account: dict[str, ListenKey] = {}

    def start(self, account: str, now: int) -> ListenKey:
        """The account's living key, extended; or a new one."""
        found = self._by_account.get(account)
        if found is None or now >= found.expires:
            found = ListenKey("".join(self._rng.choices(_ALPHABET, k=64)), account, 0)
            self._by_account[account] = found
        found.expires = now + self._life
        return found

    def extend(self, account: str, now: int) -> ListenKey:
        """Keep the account's key alive. -1125 when there is none."""
        found = self._by_account.get(account)
        if found is None or now >= found.expires:
            raise replies.dead_listen_key()
        found.expires = now + self._life
        return found

    def stop(self, account: str) -> None:
        self._by_account.pop(account, None)

    def account_of(self, key: str) -> str | None:
        """The account whose living key this is; None for a key that is dead or never was."""
        return next((k.account for k in self._by_account.values() if k.key == key), None)

    def kill(self, account: str | None) -> list[ListenKey]:
        """Take keys away before their time (a fault). Returns those that were alive."""
        names = [a for a in self._by_account if account is None or a == account]
        return [self._by_account.pop(name) for name in names]

    def expired(self, now: int) -> list[ListenKey]:
        """Keys whose time is over; they are forgotten, the caller tells their sockets once."""
        over = [k for k in self._by_account.values() if now >= k.expires]
        for key in over:
            del self._by_account[key.account]
        return over

    def next_at(self) -> int | None:
        return min((k.expires for k in self._by_account.values()), default=None)
