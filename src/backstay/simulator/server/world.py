"""Effects that change the venue and not one message: halts, lags, dead keys, liquidations, cut lines."""

from collections.abc import Callable, Iterable

from backstay.simulator.server.auth import Keyring
from backstay.simulator.server.connections import Conn, Outbox
from backstay.simulator.server.desk import Desk
from backstay.simulator.server.faults import Effect
from backstay.simulator.server.injector import Change, Subject
from backstay.simulator.server.settings import MS, SECOND
from backstay.simulator.server.streams import Streams
from backstay.simulator.server.subscriptions import Subscriptions
from backstay.simulator.server.ws_api import WsApiDoor

_LAGS = ("orders", "algo", "positions", "balances", "trades")


class World:
    """Carries out effects on the engine, the keys, the limits and whole groups of connections."""

    def __init__(
        self,
        desk: Desk,
        streams: Streams,
        ws_api: WsApiDoor,
        users: Subscriptions,
        outbox: Outbox,
        connections: Callable[[], Iterable[Conn]],
    ) -> None:
        self._desk = desk
        self._streams = streams
        self._ws_api = ws_api
        self._users = users
        self._outbox = outbox
        self._connections = connections

    def change(self, change: Change, now: int) -> None:
        """A timed rule begins, or the state that it made ends."""
        match, effect = change.rule.match, change.rule.effect
        subject = Subject(
            surface=str(effect.args.get("surface") or match.surface or ""),
            symbol=str(effect.args.get("symbol") or match.symbol or ""),
            account=match.account or "",
        )
        if effect.kind == "clock_skew":
            self._desk.skew += int(effect.args["ms"] * MS) * (1 if change.on else -1)
        elif effect.kind == "keys_revoked":
            self._revoke(subject.account or None, now, on=change.on)
        elif not self._market_state(effect, subject.symbol or "*", match.probability, on=change.on):
            self.act(effect, subject, None, now)

    def act(self, effect: Effect, subject: Subject, conn: Conn | None, now: int) -> None:
        """A single happening. With a connection, socket effects concern that one; without, the whole
        surface.
        """
        args = effect.args
        match effect.kind:
            case "cut" | "half_open" | "silent":
                group = [conn] if conn is not None else self._group(args.get("surface") or subject.surface)
                for one in group:
                    self._socket(effect, one, now)
            case "listen_key_death":
                for key in self._desk.keys.kill(subject.account or None):
                    self._streams.expired(key, now, announce=args["announce"])
            case "subscription_end":
                self._users.end_account(subject.account or None, now)
            case "server_shutdown":
                for one in [conn] if conn is not None else self._group(subject.surface):
                    if one.surface != "rest":
                        one.closes = min(one.closes, now + int(args["ms"] * MS))
                        self._users.shut_down(one, now)
            case "ban_418":
                for peer in {c.peer for c in self._connections()}:
                    self._desk.limits.ban(peer, now + args["seconds"] * SECOND)
            case "adl":
                self._desk.engine.force_adl(
                    self._account(subject),
                    self._symbol(effect, subject),
                    now,
                    position_side=args["side"],
                )
            case "liquidation":
                self._desk.engine.force_liquidation(
                    self._account(subject),
                    self._symbol(effect, subject),
                    now,
                    position_side=args["side"],
                )
            case _:
                raise LookupError(f"the effect {effect.kind} has no place in the world of the venue")

    def _market_state(self, effect: Effect, symbol: str, probability: float, *, on: bool) -> bool:
        faults, args = self._desk.engine.faults, effect.args
        match effect.kind:
            case "partial_fills":
                if args["max_qty"] is None:
                    faults.partial_probability = probability if on else 0.0
                else:
                    _put(faults.max_fill_qty, symbol, args["max_qty"], on=on)
            case "visibility_lag":
                for name in _LAGS if args["lagging"] == "all" else (args["lagging"],):
                    _put(faults.lag_ns, name, int(args["ms"] * MS), on=on)
            case "stuck_triggering":
                if symbol == "*":
                    faults.stuck_probability = probability if on else 0.0
                elif on:
                    faults.stuck_symbols.add(symbol)
                else:
                    faults.stuck_symbols.discard(symbol)
            case "reject_child":
                if probability < 1.0:
                    faults.trigger_reject_probability = probability if on else 0.0
                else:
                    _put(faults.trigger_reject, symbol, args["reason"], on=on)
            case "slippage":
                faults.slippage = args["rate"] if on else args["rate"] * 0
            case "restricted":
                _put(faults.restricted, "*", args["code"], on=on)
            case "pending_modify":
                faults.pending_modify_ns = int(args["ms"] * MS) if on else 0
            case "algo_query_miss":
                faults.algo_query_miss = probability if on else 0.0
            case "halt":
                _put(faults.halted, symbol, args["status"], on=on)
            case _:
                return False
        return True

    def _revoke(self, account: str | None, now: int, *, on: bool) -> None:
        keyring: Keyring = self._desk.keyring
        if not on:
            keyring.restore(account)
            return
        gone = set(keyring.revoke(account))
        for conn in self._connections():
            if conn.session is not None and conn.session.api_key in gone:
                self._ws_api.revoked(conn, now)

    def _socket(self, effect: Effect, conn: Conn, now: int) -> None:
        if effect.kind == "cut":
            self._outbox.abort(conn, max(now, conn.last_due))
        elif effect.kind == "half_open":
            conn.dead = True
        else:
            span = effect.args["ms"]
            conn.deaf_until = -1 if span is None else now + int(span * MS)

    def _group(self, surface: str) -> list[Conn]:
        return [c for c in self._connections() if not surface or c.surface == surface]

    def _account(self, subject: Subject) -> str:
        return subject.account or self._desk.keyring.accounts()[0]

    @staticmethod
    def _symbol(effect: Effect, subject: Subject) -> str:
        symbol = effect.args.get("symbol") or subject.symbol
        if not symbol:
            raise ValueError(f"the effect {effect.kind} needs a symbol, in its arguments or in match")
        return str(symbol)


def _put[K, V](table: dict[K, V], key: K, value: V, *, on: bool) -> None:
    if on:
        table[key] = value
    else:
        table.pop(key, None)
