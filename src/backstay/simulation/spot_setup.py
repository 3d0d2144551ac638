"""What a run of spot is made of, drawn from its seed: symbols, policies, the venue's habits, commissions."""

from decimal import Decimal
from random import Random

import msgspec

from backstay.core.types import SECOND, Direction
from backstay.simulation.setup import draw_setup, scenario
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.spot.settings import SpotSettings
from backstay.simulator.spot.specs import SpotSpec, default_spot_specs
from backstay.strategies.position_manager.policy import (
    BreakEvenPolicy,
    OnManualCancel,
    PositionPolicy,
    StopKind,
    StopPolicy,
    TakeProfitKind,
    TakeProfitLevel,
    TakeProfitPolicy,
)
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

D = Decimal
SPECS: dict[str, SpotSpec] = {s.symbol: s for s in default_spot_specs()}
SYMBOLS = ("SOLUSDT", "XRPUSDT", "LINKUSDT", "TRUMPUSDC", "BTCUSDT", "BTCUSDC")
"""The last two sell the same coin: what one symbol's lots hold is also the other's balance."""
BNB = "BNBUSDT"
"""The market that prices commissions in BNB; nobody manages it."""
MINUTE_MS = 60_000


class SpotSetup(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run of spot that is neither an act nor a fault."""

    symbols: tuple[str, ...]
    policies: dict[str, SwingPolicy]
    duration_ms: int
    gap_ms: int
    heat: int
    server: ServerSettings
    engine: SpotSettings
    specs: dict[str, SpotSpec]
    burns_bnb: bool
    bnb: Decimal
    """What the account has of it: seldom enough for the whole run."""
    sync_ms: float
    guards: dict[str, PositionPolicy] = {}
    """Of a scenario that guards holdings, instead of `policies`."""

    @property
    def traded(self) -> tuple[str, ...]:
        """Every market of the venue."""
        return (*self.symbols, BNB)

    def words(self) -> tuple[str, ...]:
        """What it is, for the head of a story."""
        if self.guards:
            return f"spot, {', '.join(self.symbols)}", "; ".join(map(_told, self.guards.values()))
        policies = "; ".join(
            f"{name} {p.sell_when} at {p.profit}"
            + (", merging" if p.merge_unsellable else "")
            + (f", at most {p.max_sell_value}" if p.max_sell_value else "")
            for name, p in self.policies.items()
        )
        fees = f"commissions in BNB, of which there is {self.bnb}" if self.burns_bnb else "no BNB"
        return f"spot, {', '.join(self.symbols)}; {fees}", policies


def draw_spot_setup(seed: int, name: str) -> SpotSetup:
    """The world of a seed, without faults. Raises SimulationError."""
    what = scenario(name)
    dice = Random(f"{seed}/setup/{name}")
    markets = SYMBOLS[:-1] if what.guards else SYMBOLS  # a list locks the coins of all who hold them
    symbols = tuple(dice.sample(markets, dice.choice((1, 1, 2, 2, 3))))
    orders = dice.choice((200, 200, 200, 6))
    duration_ms = dice.randrange(60, 150) * 1000
    if what.minutes:
        duration_ms = dice.randrange(*what.minutes) * MINUTE_MS
    if what.product == "joint":
        duration_ms = draw_setup(seed, name).duration_ms
    if what.guards:
        orders = 200
    return SpotSetup(
        symbols=symbols,
        policies={} if what.guards else {symbol: _policy(dice, symbol) for symbol in symbols},
        guards={symbol: _guard(dice, symbol) for symbol in symbols} if what.guards else {},
        duration_ms=duration_ms,
        gap_ms=dice.choice((900, 1500, 2500)) * (len(symbols) + 1),
        heat=dice.choice((6, 10, 16, 25)),
        server=ServerSettings.spot(
            ack_latency_ms=dice.choice((1.0, 2.0, 8.0, 40.0)),
            event_latency_ms=dice.choice((1.0, 3.0, 8.0, 40.0)),
            jitter_ms=dice.choice((0.5, 2.0, 10.0)),
        ),
        engine=SpotSettings(fill_model=dice.choice(("queue", "touch", "through"))),
        specs={
            n: msgspec.structs.replace(SPECS[n], max_orders=orders) if n in symbols else SPECS[n]
            for n in (*symbols, BNB)
        },
        burns_bnb=dice.randrange(2) == 0,
        bnb=D(dice.choice(("0", "0.0004", "0.003", "0.02", "5"))),
        sync_ms=dice.choice((0.0, 0.5, 0.5, 5.0, 30.0)),
    )


def _policy(dice: Random, symbol: str) -> SwingPolicy:
    return SwingPolicy(
        symbols=(symbol,),
        profit=D(dice.choice(("0.0005", "0.0015", "0.003"))),
        sell_when=dice.choice(tuple(SellWhen)),
        max_sell_value=D(400) if dice.randrange(5) == 0 else None,
        merge_unsellable=dice.randrange(3) == 0,
        max_resting=3 if dice.randrange(8) == 0 else 0,
        age_alert=dice.choice((36_000 * SECOND, 60 * SECOND, None)),
    )


def _guard(dice: Random, symbol: str) -> PositionPolicy:
    kind = dice.choice((StopKind.FIXED_QTY, StopKind.FIXED_QTY, StopKind.STOP_LIMIT, StopKind.TRAILING_LOCAL))
    drawn = dice.randrange(8)
    stop = StopPolicy(
        enabled=drawn != 0,
        kind=kind,
        distance=D(dice.choice(("0.006", "0.012", "0.03"))),
        trail_as=StopKind.FIXED_QTY,
        trail_step=D("0.002"),
        close_position_fallback=False,
    )
    profit = TakeProfitPolicy(
        enabled=drawn != 1,
        kind=TakeProfitKind.MARKET if dice.randrange(4) == 0 else TakeProfitKind.LIMIT,
        levels=(TakeProfitLevel(distance=D(dice.choice(("0.004", "0.008", "0.015")))),),
        repair_delay=dice.choice((0, 1, 1)) * SECOND,
    )
    moves = dice.randrange(4) == 0
    return PositionPolicy(
        symbols=(symbol,),
        sides=(Direction.LONG,),
        stop_loss=stop,
        take_profit=profit,
        break_even=BreakEvenPolicy(trigger=D("0.0035"), offset=D("0.0002")) if moves else None,
        manual_cancel_policy=OnManualCancel.REPLACE,
    )


def _told(policy: PositionPolicy) -> str:
    stop, take = policy.stop_loss, policy.take_profit
    guard = f"stop {stop.kind} at {stop.distance}" if stop.enabled else "no stop"
    profit = f"take-profit {take.kind} at {take.levels[0].distance}" if take.enabled else "no take-profit"
    return f"{policy.symbols[0]}: {guard}, {profit}" + (", break-even" if policy.break_even else "")
