"""Figures for Prometheus: counted from ledger records, and read from the run when somebody asks.

`Metrics.take` is given every record by a reader that follows the ledger; `read` is asked at each scrape for
what no record tells. Names are a contract: docs/reference/metrics.md lists them and a test compares.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backstay.core.decisions import Act
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnswerClass,
    AnswerReceived,
    OrderReport,
    RecoveryEnded,
    RequestSent,
    RequestsRegistered,
    StreamChanged,
    StreamState,
)
from backstay.core.records import Decided, Noted, Record
from backstay.core.scored import SignalScored
from backstay.core.types import SECOND, ExecutionType, OrderStatus, TimeNs

NAKED_S = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0)
LAG_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
ANSWER_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
LOOP_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0)
ENDED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
PASS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0)
KEPT = 10_000
NAMESPACE = "backstay"

type Label = tuple[str, ...]
type Gauges = Mapping[str, Mapping[Label, float]]
"""Name of a gauge without its prefix -> values by labels."""

GAUGES: dict[str, tuple[str, Label]] = {
    "up": ("1 while the account is guarded, 0 before that and behind it", ()),
    "mode": ("1 for the mode of this run", ("mode",)),
    "armed": ("1 when orders may be sent", ()),
    "positions": ("Open positions by how they stand", ("state",)),
    "exposure": ("Cost of the open position, in quote currency", ("product", "symbol", "side")),
    "notional": (
        "Value of the open position at the mark price, in quote currency",
        ("product", "symbol", "side"),
    ),
    "unrealised_pnl": ("Open result at the mark price", ("product", "symbol", "side")),
    "wallet": ("Balance of the wallet", ("product", "asset")),
    "equity": ("Balance of the wallet and the open results in that asset", ("product", "asset")),
    "naked_positions": ("Positions without a stop now", ()),
    "manual_reviews": ("Scopes that wait for a person", ()),
    "gates_shut": ("1 for each door of the account that is shut", ("gate",)),
    "stream_up": ("1 while the connection stands", ("stream",)),
    "stream_reconnects": ("Times a connection was lost and opened anew since the start", ("stream",)),
    "rate_budget_used": ("Share of a bucket of the venue that is used up", ("bucket",)),
    "rate_budget_left": ("Requests left in a bucket of the venue", ("bucket",)),
    "limit_refusals": ("Answers 429 (and -1003, -1015) of the venue since the start", ()),
    "bans": ("Answers 418 of the venue since the start", ()),
    "orders_outstanding": ("Requests without an answer", ()),
    "last_event_age_seconds": ("Since the newest event of the venue", ()),
    "ledger_records": ("Number of the newest record", ()),
    "events": ("Events taken in since the start", ()),
    "passes": ("Decisions taken since the start", ()),
}


class _Asked(Collector):
    """Gauges whose values are read when somebody asks."""

    def __init__(self, read: Callable[[], Gauges]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        values = self._read()
        for name, (meaning, labels) in GAUGES.items():
            family = GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, labels=labels)
            for label, value in sorted(values.get(name, {}).items()):
                family.add_metric(label, value)
            yield family


class Metrics:
    """One registry for one run."""

    def __init__(self, read: Callable[[], Gauges]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Asked(read))
        self._requests = self._counter(
            "requests",
            "Requests by action, role, kind of order and what the venue answered",
            *("action", "role", "kind", "outcome"),
        )
        self._ended = self._counter("orders_ended", "Our orders by how they ended", "role", "status")
        self._rejections = self._counter(
            "rejections", "Refusals by class and by what they forbid", "answer", "effect"
        )
        self._fills = self._counter("fills", "Trades of the account", "product", "symbol", "side")
        self._results = self._gauge(
            "realised_pnl", "Result of fills since the start, without fees", "product"
        )
        self._fees = self._gauge("fees_paid", "Fees of fills since the start", "product", "asset")
        self._funding = self._gauge(
            "funding", "Funding received since the start, less paid", "product", "asset"
        )
        self._score = self._gauge("score", "Newest score, -1 to 1", "symbol")
        self._factors = self._gauge("factor_score", "Newest score of a factor, -1 to 1", "symbol", "factor")
        self._shares = self._gauge(
            "factor_contribution", "What a factor adds to the newest score", "symbol", "factor"
        )
        self._decisions = self._counter("decisions", "Passes by what they decided", "decision", "family")
        self._refusals = self._counter("refusals", "Intents that a gate of ours refused", "gate")
        self._losses = self._counter("stream_losses", "Times the private stream was lost", "state")
        self._recoveries = self._counter("recoveries", "Recoveries by how they ended", "outcome")
        self._alarms = self._counter("unprotected_alarms", "Alarms: too long without a stop")
        self._slow = self._counter("slow", "What was beyond the limits of `pace`, by kind", "what")
        self._naked = self._histogram("naked_seconds", "Time without a stop", NAKED_S)
        self._lag = self._histogram("event_lag_seconds", "From the venue's time to ours", LAG_S)
        self._pass = self._histogram("pass_seconds", "From evidence to decision", PASS_S)
        self._answers = self._histogram("answer_seconds", "From a request to its answer", ANSWER_S, "action")
        self._calls = self._histogram("rest_call_seconds", "Time of a REST call", ANSWER_S, "path")
        self._loop = self._histogram("loop_seconds", "How late the event loop was for its own timer", LOOP_S)
        self._roles: dict[str, tuple[str, str]] = {}
        self._sent: dict[str, TimeNs] = {}
        self._at: dict[tuple[str, int], TimeNs] = {}

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, namespace=NAMESPACE, registry=self.registry)

    def looped(self, late_s: float) -> None:
        """The event loop came so much later than its timer asked for."""
        self._loop.observe(max(late_s, 0.0))

    def take(self, record: Record, ledger: str = "usdm") -> None:
        """Count one record of a ledger."""
        self._at[ledger, record.seq] = record.at
        _prune(self._at)
        body = record.body
        match body:
            case RequestsRegistered():
                for request in body.requests:
                    if request.context is not None:
                        self._name(request.ctx_id, request.key.role.value, request.context.slot.kind.value)
            case RequestSent():
                self._sent[body.ctx_id] = record.at
                _prune(self._sent)
            case AnswerReceived():
                self._answer(body, record.at)
            case OrderReport() | AlgoReport() | AccountReport():
                self._report(body, record.at)
                if isinstance(body, AccountReport) and body.reason == "FUNDING_FEE":
                    for row in body.balances:
                        self._funding.labels(body.product.value, row.asset).inc(float(row.change))
            case SignalScored():
                self._scored(body)
            case StreamChanged():
                if body.state not in {StreamState.CONNECTED, StreamState.OVERLAP}:
                    self._losses.labels(body.state.value).inc()
            case RecoveryEnded():
                self._recoveries.labels("failed" if body.failure else "done").inc()
            case Decided():
                family = body.decision.family.value if isinstance(body.decision, Act) else ""
                self._decisions.labels(str(body.decision.__struct_config__.tag), family).inc()
                for refused in body.refused:
                    self._refusals.labels(refused.gate).inc()
                if (ledger, record.cause) in self._at:
                    self._pass.observe(max(record.at - self._at[ledger, record.cause], 0) / SECOND)
            case Noted():
                if body.what == "protected":
                    self._naked.observe(int(body.detail["naked_us"]) / 1_000_000)
                elif body.what == "unprotected":
                    self._alarms.inc()
                elif body.what == "rest_call":
                    seconds = int(body.detail["latency_us"]) / 1_000_000
                    self._calls.labels(str(body.detail["path"])).observe(seconds)
            case _:
                pass

    def _name(self, ctx_id: str, role: str, kind: str) -> None:
        self._roles[ctx_id] = role, kind
        _prune(self._roles)

    def _answer(self, body: AnswerReceived, at: TimeNs) -> None:
        role, kind = self._roles.get(body.ctx_id, ("", ""))
        self._requests.labels(body.action.value, role, kind, body.answer.value).inc()
        sent_at = self._sent.pop(body.ctx_id, 0)
        if sent_at:
            self._answers.labels(body.action.value).observe(max(at - sent_at, 0) / SECOND)
        if body.answer not in {AnswerClass.ACCEPTED, AnswerClass.NOOP}:
            self._rejections.labels(body.answer.value, body.effect.value).inc()

    def _scored(self, body: SignalScored) -> None:
        self._score.labels(body.symbol).set(float(body.signal.score))
        for factor in body.factors:
            self._factors.labels(body.symbol, factor.name).set(float(factor.score))
            self._shares.labels(body.symbol, factor.name).set(float(factor.contribution))

    def _report(self, body: OrderReport | AlgoReport | AccountReport, at: TimeNs) -> None:
        if isinstance(body, OrderReport):
            if body.execution is ExecutionType.SNAPSHOT:
                return
            product = body.product.value
            if body.trade_id and body.last_qty:
                self._fills.labels(product, body.symbol, body.side.value).inc()
                self._results.labels(product).inc(float(body.realized_pnl))
                if body.commission_asset:
                    self._fees.labels(product, body.commission_asset).inc(float(body.commission))
            if body.status in ENDED and body.client_id in self._roles:
                self._ended.labels(self._roles[body.client_id][0], body.status.value).inc()
        elif isinstance(body, AlgoReport) and body.snapshot:
            return
        self._lag.observe(max(at - body.at, 0) / SECOND)

    def slow(self, what: str) -> None:
        """Count something that took longer than configured (`telemetry.pace`)."""
        self._slow.labels(what).inc()

    def names(self) -> dict[str, tuple[str, str]]:
        """Every name -> (kind, meaning), as they are scraped."""
        return {m.name: (m.type, m.documentation) for m in self.registry.collect()}

    def serve(self, host: str, port: int) -> tuple[int, Callable[[], None]]:
        """Answer `GET /metrics` on a thread; returns the port and how to stop. Raises OSError."""
        server, thread = start_http_server(port, addr=host, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join(5)

        return server.server_port, stop


def _prune(kept: dict[Any, Any]) -> None:
    if len(kept) > KEPT:
        del kept[next(iter(kept))]
