"""Rate limits: fixed calendar buckets, refusals with Retry-After, growing bans (`binance.md` section 4).

Weight is counted per address, orders per account. A refused request counts too, and an address that goes on
asking after its refusals is banned.
"""

import msgspec

from backstay.simulator.server import replies
from backstay.simulator.server.endpoints import Endpoint
from backstay.simulator.server.settings import HOUR, MINUTE, MS, SECOND, ServerSettings


class Bucket(msgspec.Struct):
    """Counts what falls into the calendar window that holds `now`; a new window starts from zero."""

    span: int
    started: int = -1
    count: int = 0

    def add(self, amount: int, now: int) -> int:
        start = now - now % self.span
        if start != self.started:
            self.started, self.count = start, 0
        self.count += amount
        return self.count

    def ends(self) -> int:
        return self.started + self.span


class _Address(msgspec.Struct):
    weight: Bucket
    ws_weight: Bucket
    funding: Bucket
    raw: Bucket
    refusals: int = 0
    banned_until: int = 0
    bans: int = 0


class _Account(msgspec.Struct):
    ten_seconds: Bucket
    long: Bucket


class LongWindow(msgspec.Struct, frozen=True):
    """The second pool in which a product counts orders. `mark` ends the header's name."""

    span: int
    interval: str
    text: str
    mark: str


PER_MINUTE = LongWindow(MINUTE, "MINUTE", "ONE_MINUTE", "1M")
PER_DAY = LongWindow(24 * HOUR, "DAY", "ONE_DAY", "1D")


class Usage(msgspec.Struct, frozen=True):
    """The counts after a charge, as the headers and the `rateLimits` array tell them."""

    weight: int
    orders_10s: int | None = None
    orders_long: int | None = None


class Limits:
    """All buckets of the venue. Charging raises `VenueError` 418 or 429 when there is no room."""

    def __init__(self, settings: ServerSettings, window: LongWindow = PER_MINUTE) -> None:
        self._settings = settings
        self.window = window
        self._long_limit = settings.orders_per_day if window is PER_DAY else settings.orders_per_minute
        self._addresses: dict[str, _Address] = {}
        self._accounts: dict[str, _Account] = {}

    def charge_weight(self, peer: str, amount: int, now: int, *, ws: bool) -> int:
        """Count `amount` for the address and return what the minute holds now.

        Raises -1003 as 429 over the limit, and as 418 while the address is banned.
        """
        address = self._address(peer)
        self._check_ban(address, peer, now)
        self._charge_raw(address, peer, now)
        bucket = address.ws_weight if ws and not self._settings.shared_weight_pool else address.weight
        used = bucket.add(amount, now)
        if used > self._settings.weight_per_minute:
            self._refuse(address, peer, now)
            raise replies.too_much_weight(
                peer,
                self._settings.weight_per_minute,
                per="minute",
                now_ms=now // MS,
                until_ms=bucket.ends() // MS,
            )
        if amount:
            address.refusals = 0
        return used

    def _charge_raw(self, address: _Address, peer: str, now: int) -> None:
        """RAW_REQUESTS, where the product has that limit."""
        limit = self._settings.raw_requests_per_5m
        if limit and address.raw.add(1, now) > limit:
            self._refuse(address, peer, now)
            raise replies.too_much_weight(
                peer, limit, per="5 minutes", now_ms=now // MS, until_ms=address.raw.ends() // MS
            )

    def charge_failure(self, peer: str, amount: int, now: int) -> int:
        """What a request costs because it failed; its refusal is what the client hears of it."""
        return self._address(peer).weight.add(amount, now)

    def give_back(self, account: str, now: int) -> None:
        """An order has had its first fill: it is not unfilled any more (Spot)."""
        pools = self._pools(account)
        for pool in (pools.ten_seconds, pools.long):
            if pool.add(0, now) > 0:
                pool.count -= 1

    def charge_funding(self, peer: str, now: int) -> None:
        """The own pool of fundingRate and fundingInfo: 500 requests in 5 minutes."""
        address = self._address(peer)
        used = address.funding.add(1, now)
        if used > self._settings.funding_requests_per_5m:
            self._refuse(address, peer, now)
            raise replies.too_much_weight(
                peer,
                self._settings.funding_requests_per_5m,
                per="5 minutes",
                now_ms=now // MS,
                until_ms=address.funding.ends() // MS,
            )

    def charge_orders(self, account: str, endpoint: Endpoint, now: int) -> tuple[int, int]:
        """Count an order request of the account; returns the counts of both pools. Raises -1015."""
        pools = self._pools(account)
        short = pools.ten_seconds.add(endpoint.orders[0], now)
        long = pools.long.add(endpoint.orders[1], now)
        for count, limit, per, pool in (
            (short, self._settings.orders_per_10s, "TEN_SECONDS", pools.ten_seconds),
            (long, self._long_limit, self.window.text, pools.long),
        ):
            if count > limit:
                raise replies.too_many_orders(
                    limit,
                    per=per,
                    now_ms=now // MS,
                    until_ms=pool.ends() // MS,
                )
        return short, long

    def ban(self, peer: str, until: int) -> None:
        self._address(peer).banned_until = until

    def rate_limits(self, peer: str, account: str | None, now: int) -> list[dict[str, object]]:
        """The `rateLimits` array of a WebSocket API answer."""
        address = self._address(peer)
        bucket = address.weight if self._settings.shared_weight_pool else address.ws_weight
        rows = [_row("REQUEST_WEIGHT", "MINUTE", 1, self._settings.weight_per_minute, bucket.add(0, now))]
        if account is not None:
            pools = self._pools(account)
            short, long = pools.ten_seconds.add(0, now), pools.long.add(0, now)
            rows.append(_row("ORDERS", "SECOND", 10, self._settings.orders_per_10s, short))
            rows.append(_row("ORDERS", self.window.interval, 1, self._long_limit, long))
        return rows

    def order_limits(self, account: str | None = None, now: int = 0) -> list[dict[str, object]]:
        """The answer of `rateLimit/order`: limits, with counts for an account (Spot)."""
        pools = None if account is None else self._pools(account)
        short = None if pools is None else pools.ten_seconds.add(0, now)
        long = None if pools is None else pools.long.add(0, now)
        return [
            _row("ORDERS", "SECOND", 10, self._settings.orders_per_10s, short),
            _row("ORDERS", self.window.interval, 1, self._long_limit, long),
        ]

    def _check_ban(self, address: _Address, peer: str, now: int) -> None:
        if now < address.banned_until:
            raise replies.banned(peer, now_ms=now // MS, until_ms=address.banned_until // MS)

    def _refuse(self, address: _Address, peer: str, now: int) -> None:
        address.refusals += 1
        if address.refusals <= self._settings.refusals_before_ban:
            return
        seconds = min(self._settings.first_ban_s * 2**address.bans, self._settings.longest_ban_s)
        address.bans += 1
        address.refusals = 0
        address.banned_until = now + seconds * SECOND
        self._check_ban(address, peer, now)

    def _address(self, peer: str) -> _Address:
        found = self._addresses.get(peer)
        if found is None:
            found = _Address(Bucket(MINUTE), Bucket(MINUTE), Bucket(5 * MINUTE), Bucket(5 * MINUTE))
            self._addresses[peer] = found
        return found

    def _pools(self, account: str) -> _Account:
        found = self._accounts.get(account)
        if found is None:
            found = _Account(Bucket(10 * SECOND), Bucket(self.window.span))
            self._accounts[account] = found
        return found


def _row(kind: str, interval: str, number: int, limit: int, count: int | None) -> dict[str, object]:
    row: dict[str, object] = {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": limit,
    }
    if count is not None:
        row["count"] = count
    return row
