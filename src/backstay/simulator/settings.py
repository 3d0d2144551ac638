"""What a simulated venue is set to do, and the switches that make it misbehave."""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fixed for the life of an engine. Where the venue publishes no rule, the choice is marked (model)."""

    maker_rate: Decimal = Decimal("0.0002")
    taker_rate: Decimal = Decimal("0.0005")
    default_leverage: int = 20
    fill_model: str = "queue"
    """(model) How resting orders fill. queue: behind the quantity found at their price; touch: at the first
    trade at their price; through: only when the market trades beyond it."""
    queue_share: Decimal = Decimal(1)
    """(model) Share of the displayed quantity at the price that stands before a new order."""
    level_notional: Decimal = Decimal(150_000)
    """(model) Average quote value of one book level behind the best."""
    level_spacing: Decimal = Decimal("0.00002")
    """(model) Distance between book levels as a share of the price; at least one tick."""
    depth_levels: int = 1000
    default_stp: str = "EXPIRE_MAKER"
    gtx_expires: bool = False
    """A post-only order that would take: refused with -5022, or (older behaviour) accepted, then EXPIRED."""
    child_fill_before_triggered: bool = False
    """Event order at a trigger: the child's fill group before ALGO_UPDATE TRIGGERED instead of after it."""
    account_update_last: bool = False
    """Event order of a fill: ORDER_TRADE_UPDATE before ACCOUNT_UPDATE instead of after it."""
    algo_reduce_only_needs_position: bool = False
    """Refuse a reduce-only conditional order at once when there is nothing to reduce (-2022). Off: found
    out at the trigger, as the migration notes say ("no check until the trigger fires")."""
    trigger_latency_ns: int = 0
    """Between TRIGGERING and the child order."""
    max_algo_orders: int = 200
    market_margin_pad: Decimal = Decimal("1.0005")
    """(model) A MARKET buy's margin is reckoned at best ask times this."""
    insurance_fund: Decimal = Decimal(1_000_000)
    keep_canceled_days: int = 3
    keep_days: int = 90
    klines_kept: int = 3000
    trades_kept: int = 1000
    history_minutes: int = 0
    """(model) Bars made up for the time before the market began, ending at its first price, so that who needs
    a history can read one. `klines_kept` has to hold them."""
    bracket_single_object: bool = False
    """leverageBracket with a symbol answers one object instead of a list of one."""


@dataclass(slots=True)
class EngineFaults:
    """Switches that may be changed at any moment; every one is off by default."""

    lag_ns: dict[str, int] = field(default_factory=dict)
    """Visibility lag of queries by surface: orders, algo, positions, balances, trades."""
    stuck_symbols: set[str] = field(default_factory=set)
    """Conditional orders of these symbols stop in TRIGGERING for good."""
    stuck_probability: float = 0.0
    trigger_reject: dict[str, str] = field(default_factory=dict)
    """symbol (or "*") -> reason: children are refused at the trigger with this `rm`."""
    trigger_reject_probability: float = 0.0
    max_fill_qty: dict[str, Decimal] = field(default_factory=dict)
    """symbol (or "*") -> largest quantity of one trade; takers get several, makers one at a time."""
    partial_probability: float = 0.0
    """Chance that a fill is cut in two."""
    slippage: Decimal = Decimal(0)
    """Takers pay this share of the price more (buys) or get it less (sells)."""
    halted: dict[str, str] = field(default_factory=dict)
    """symbol -> status instead of the spec's (TRADING_HALT, TRADING_CANCEL_ONLY, CLOSE ...)."""
    restricted: dict[str, int] = field(default_factory=dict)
    """account (or "*") -> code (-4087, -4400, -4401, -4088): opening orders are refused with it."""
    pending_modify_ns: int = 0
    """A modify within this time after the last one is refused with -5043."""
    algo_query_miss: float = 0.0
    """Chance that the single conditional query answers -2013 for an order that exists."""
