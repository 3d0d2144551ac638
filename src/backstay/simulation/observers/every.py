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
from backstay.simulation.observers.single import Single
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
