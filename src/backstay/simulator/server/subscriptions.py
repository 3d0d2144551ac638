"""Spot's user data on WebSocket API connections: subscribe, deliver, end (`binance-spot.md` 6 and 7)."""

from typing import Any

from backstay.simulator.numbers import Stamp
from backstay.simulator.server import replies
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.connections import Conn, Outbox
from backstay.simulator.server.desk import Desk, Request
from backstay.simulator.server.injector import Subject
from backstay.simulator.server.replies import encode
from backstay.simulator.server.streams import Streams

_ACTIVE = 1_000
_EVER = 65_535


class Subscriptions:
    """Which connection hears of which account. A subscription lives as long as its connection."""

    def __init__(self, desk: Desk, outbox: Outbox, streams: Streams) -> None:
        self._desk = desk
        self._outbox = outbox
        self._streams = streams
        self._conns: dict[int, Conn] = {}

    def subscribe(self, conn: Conn, account: str, *, logon: bool) -> dict[str, Any]:
        """A new subscription. -2035 when the account has one on this connection, -2042 when none is left."""
        if account in conn.subscriptions.values():
            raise replies.subscription_active()
        if len(conn.subscriptions) >= _ACTIVE or conn.subscribed >= _EVER:
            raise replies.no_more_subscriptions()
        number = conn.subscribed
        conn.subscribed += 1
        conn.subscriptions[number] = account
        if logon:
            conn.logon_subscription = number
        self._conns[conn.id] = conn
        return {"subscriptionId": number}

    def signed(self, conn: Conn, request: Request, now: int) -> Credentials:
        """Who signs a subscription; any kind of key may."""
        keyring = self._desk.keyring
        credentials = keyring.identify(request.api_key, conn.peer)
        keyring.check_permission(credentials, trading=False, peer=conn.peer)
        keyring.check_time(request.params, self._desk.clock_ms(now))
        keyring.check_signature(credentials, request.payload, request.signature)
        return credentials

    def chosen(self, conn: Conn, number: object) -> list[int]:
        """The subscriptions that an unsubscribe means: one, or all. -2036 when there is none."""
        if number is None:
            numbers = list(conn.subscriptions)
        else:
            numbers = [n for n in conn.subscriptions if n == number]
        if not numbers:
            raise replies.subscription_inactive()
        return numbers

    def end(self, conn: Conn, numbers: list[int], now: int) -> None:
        """End subscriptions and say so: eventStreamTerminated."""
        for number in numbers:
            conn.subscriptions.pop(number, None)
            if conn.logon_subscription == number:
                conn.logon_subscription = None
            event = {"e": "eventStreamTerminated", "E": Stamp(now)}
            frame = {"subscriptionId": number, "event": event}
            if not conn.deaf(now):
                due = self._outbox.due(now, self._outbox.event)
                self._outbox.frame(conn, due, encode(frame, micro=conn.micro))
        if not conn.subscriptions:
            self._conns.pop(conn.id, None)

    def end_account(self, account: str | None, now: int) -> None:
        """End every subscription of an account (None: of all)."""
        for conn in list(self._conns.values()):
            numbers = [n for n, owner in conn.subscriptions.items() if account in {None, owner}]
            self.end(conn, numbers, now)

    def closed(self, conn: Conn) -> None:
        self._conns.pop(conn.id, None)

    def private(self, account: str, event: dict[str, Any], now: int) -> None:
        """Send one event to every subscription of the account, in its frame `{subscriptionId, event}`."""
        subject = Subject(
            surface="private",
            event=str(event.get("e", "")),
            status=str(event.get("X", "")),
            symbol=str(event.get("s", "")),
            account=account,
            client_id=str(event.get("C") or event.get("c") or ""),
        )
        if event.get("e") == "executionReport" and event["x"] == "TRADE" and event["l"] == event["z"]:
            self._desk.limits.give_back(account, now)
        for conn in list(self._conns.values()):
            for number, owner in conn.subscriptions.items():
                if owner == account and not conn.gone:
                    raw = encode({"subscriptionId": number, "event": event}, micro=conn.micro)
                    self._streams.deliver(conn, "", raw, subject, self._outbox.event, now)

    def shut_down(self, conn: Conn, now: int) -> None:
        """serverShutdown: the connection will end; without a subscription number."""
        conn.warned = True
        event: dict[str, Any] = {"e": "serverShutdown", "E": Stamp(now)}
        frame = {"event": event} if conn.surface == "ws_api" else event
        if not conn.deaf(now):
            due = self._outbox.due(now, self._outbox.event)
            self._outbox.frame(conn, due, encode(frame, micro=conn.micro))
