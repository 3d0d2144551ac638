"""What is asked of the venue before an account is taken over: keys, position mode, symbols. Reads only."""

import msgspec

from backstay.app.config import Settings
from backstay.app.errors import ConfigError, ExchangeError, UnreachableError
from backstay.app.nearest import nearest
from backstay.core.events import AccountModeSnapshot, InstrumentsSnapshot
from backstay.core.modes import FACTS
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import Product
from backstay.runtime.ports import Venue
from backstay.strategies.scored.policy import ScoredPolicy


class Preflight(msgspec.Struct, frozen=True):
    """What the venue said."""

    instruments: InstrumentsSnapshot
    account: AccountModeSnapshot


NAMES = {Product.USDM: "futures", Product.SPOT: "spot"}
"""Products, as the exchange's pages call them."""
ID_PREFIX = "bs-"
"""How the custom id of every order of ours begins."""
PAPER_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
"""What PAPER trades where no symbol is configured."""


async def preflight(venue: Venue, settings: Settings, product: Product = Product.USDM) -> Preflight:
    """Read and check. Raises VenueUnavailable; ConfigError and ExchangeError with what to do."""
    instruments = await venue.read_instruments()
    check_symbols(settings, [i.symbol for i in instruments.instruments], product)
    account = await venue.read_account_mode()
    check_account(settings, account, product)
    return Preflight(instruments, account)


def check_symbols(settings: Settings, known: list[str], product: Product = Product.USDM) -> None:
    """Every symbol configured for the product exists at the venue. Raises ConfigError."""
    for manager in settings.policies:
        if manager.product is not product:
            continue
        for symbol in manager.policy.symbols:
            if symbol not in known:
                near = nearest(symbol, known)
                hint = f"did you mean {near}?" if near else f"it trades {len(known)} others"
                raise ConfigError(f"{manager.where}.symbols: the exchange has no {symbol}; {hint}")


def check_account(settings: Settings, account: AccountModeSnapshot, product: Product = Product.USDM) -> None:
    """The account is as configured and its keys may do what the mode needs. Spot has no position mode."""
    wanted = settings.account.position_mode
    switches = any(
        manager.policy.settings.switch_position_mode
        for manager in settings.policies
        if isinstance(manager.policy, ScoredPolicy)
    )
    if product is Product.USDM and account.position_mode is not wanted and not switches:
        raise ConfigError(
            f"account.position_mode is {wanted}, and the account is in {account.position_mode} mode. Nothing "
            f"was sent. Write account.position_mode: {account.position_mode}, or switch it at the exchange"
        )
    if not account.can_trade and FACTS[settings.mode].sends:
        name = NAMES[product]
        raise ExchangeError(
            f"the account or its keys may not trade {name}. Enable {name} trading for the API key at the "
            "exchange (withdrawals stay off), or use run.mode: DRY_RUN_PRIVATE to only read"
        )


def unreachable(
    failure: VenueUnavailable, settings: Settings, product: Product = Product.USDM
) -> ExchangeError:
    """A read's failure in words: refused keys, a ban, or no connection."""
    spot = product is Product.SPOT
    host = settings.spot_environment.spot.rest if spot else settings.environment.usdm.rest
    if failure.code in {-2014, -2015}:
        return ExchangeError(
            f"{host} refused the keys ({failure.code}). Check that they belong to mode {settings.mode}, that "
            f"{NAMES[product]} trading is enabled for them, and that the IP allow-list has this machine"
        )
    if failure.code == -1022:
        return ExchangeError(
            f"{host} refused the signature (-1022): the secret or private key is not this key's"
        )
    if failure.fatal:
        return ExchangeError(f"{host} cannot be read: {failure}. `backstay doctor` looks further")
    return UnreachableError(f"{host} cannot be read: {failure}. `backstay doctor` looks further")
