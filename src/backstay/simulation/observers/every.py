"""All observers, in the order in which their complaints are told."""

from backstay.simulation.observers.alive import Alive
from backstay.simulation.observers.base import Observer
from backstay.simulation.observers.caps import Caps
from backstay.simulation.observers.converges import Converges
from backstay.simulation.observers.duplicates import Duplicates
from backstay.simulation.observers.durable import Durable
from backstay.simulation.observers.exposure import Exposure
from backstay.simulation.observers.flat import Flat
from backstay.simulation.observers.foreign import Foreign
from backstay.simulation.observers.loops import Loops
from backstay.simulation.observers.naked import Naked
from backstay.simulation.observers.quiet import Quiet
from backstay.simulation.observers.reduce_only import ReduceOnly
from backstay.simulation.observers.replays import Replays
from backstay.simulation.observers.scored_audited import Audited
from backstay.simulation.observers.scored_base import ScoredLoops, ScoredNaked, ScoredQuiet
from backstay.simulation.observers.scored_bracketed import Bracketed
from backstay.simulation.observers.scored_converges import ScoredConverges
from backstay.simulation.observers.scored_explained import Explained
from backstay.simulation.observers.scored_gated import Gated
from backstay.simulation.observers.scored_once import OneEntry
from backstay.simulation.observers.scored_settings import SettingsUntouched
from backstay.simulation.observers.single import Single
from backstay.simulation.observers.spot_conserved import Conserved
from backstay.simulation.observers.spot_converges import SpotConverges
from backstay.simulation.observers.spot_hands_off import HandsOff
from backstay.simulation.observers.spot_held import Held
from backstay.simulation.observers.spot_naked import SpotNaked
from backstay.simulation.observers.spot_offered import AllOffered
from backstay.simulation.observers.spot_one_sale import OneSale
from backstay.simulation.observers.spot_one_unit import OneUnit
from backstay.simulation.observers.spot_profit import Profit
from backstay.simulation.observers.spot_safe_stop import SafeStop
from backstay.simulation.observers.spot_sold_twice import SoldTwice
from backstay.simulation.observers.spot_trusting import (
    GuardReplays,
    GuardUntrusted,
    SpotLoops,
    SpotReplays,
    SpotUntrusted,
)
from backstay.simulation.observers.spot_within import Within
from backstay.simulation.observers.untrusted import Untrusted

ALL: tuple[type[Observer], ...] = (
    Alive,
    Duplicates,
    Naked,
    Foreign,
    Exposure,
    Durable,
    Untrusted,
    ReduceOnly,
    Caps,
    Loops,
    Single,
    Converges,
    Quiet,
    Flat,
    Replays,
)

SPOT: tuple[type[Observer], ...] = (
    Alive,
    HandsOff,
    OneSale,
    SoldTwice,
    Held,
    Conserved,
    Profit,
    AllOffered,
    SafeStop,
    Foreign,
    Durable,
    SpotUntrusted,
    SpotLoops,
    Single,
    Quiet,
    SpotReplays,
)
"""Those of spot; where one has the name of another product's, it watches the same promise."""

GUARD: tuple[type[Observer], ...] = (
    Alive,
    SpotNaked,
    OneUnit,
    Within,
    SafeStop,
    Foreign,
    Durable,
    GuardUntrusted,
    SpotLoops,
    Single,
    SpotConverges,
    Quiet,
    GuardReplays,
)
"""Those of spot holdings under guard, named as above."""

SCORED: tuple[type[Observer], ...] = (
    Alive,
    Duplicates,
    ScoredNaked,
    Foreign,
    Exposure,
    Durable,
    Untrusted,
    ReduceOnly,
    Caps,
    ScoredLoops,
    Single,
    ScoredQuiet,
    Flat,
    Bracketed,
    ScoredConverges,
    Gated,
    OneEntry,
    Explained,
    Audited,
    SettingsUntouched,
    Replays,
)
"""Those of the scored trader."""

EVERYBODY: tuple[type[Observer], ...] = (
    *ALL,
    *{o.name: o for o in (*SCORED, *GUARD, *SPOT) if o.name not in {a.name for a in ALL}}.values(),
)
"""One observer for each name."""
