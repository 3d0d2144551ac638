"""The checks of a spot account: host, keys, permission, symbols, commission, balances, orphans."""

from collections.abc import Iterator
from decimal import Decimal

from backstay.app import preflight
from backstay.app.config import Settings
from backstay.app.doctor_checks import Check, protection, reachable, streams, tried
from backstay.app.errors import ConfigError, ExchangeError
from backstay.app.look import look_spot, make_spot_venue
from backstay.app.permission import may_trade
from backstay.app.preflight import ID_PREFIX
from backstay.app.status import rows
from backstay.app.words import number
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.spot_venue import SpotVenue
from backstay.binance.net.transport import Transport
from backstay.core import orders
from backstay.core.events import InstrumentsSnapshot
from backstay.core.modes import FACTS
from backstay.core.names import counted
from backstay.core.outcomes import VenueUnavailable
from backstay.core.state import AccountState
from backstay.core.types import ZERO, Product
from backstay.ledger.errors import LedgerError
from backstay.strategies.swing.policy import SwingPolicy

WEIGHT = 6_000
"""Request weight of a minute (binance-spot.md, limits)."""


async def examine_spot(settings: Settings) -> list[Check]:
    """All of them. Raises nothing expected."""
    found: list[Check] = []
    transport = SocketTransport()
    try:
        venue = make_spot_venue(settings, transport)
        hosts = settings.spot_environment.spot
        found.extend(
            await reachable(
                transport,
                hosts.rest,
                "/api/v3/time",
                key="endpoints.spot.rest",
                weight=WEIGHT,
                prefix="spot ",
            )
        )
        if any(c.state == "fail" for c in found):
            return found
        found.extend(await _answers(settings, venue, transport))
        if not any(c.state == "fail" for c in found):
            symbol = settings.symbols_of(Product.SPOT)[0].lower()
            market = f"{hosts.stream}/stream?streams={symbol}@miniTicker"
            named = (("spot market stream", market), ("spot order socket", hosts.ws_api))
            found.extend(await streams(transport, named))
    except ConfigError as error:
        found.append(Check("spot keys", "fail", str(error), "set the variables in .env", 2))
    except ExchangeError as error:
        found.append(Check("spot exchange", "fail", str(error), "see the message", error.exit_code))
    except VenueUnavailable as failure:
        told = preflight.unreachable(failure, settings, Product.SPOT)
        name = "spot keys" if failure.fatal else "spot exchange"
        found.append(Check(name, "fail", str(told), "see the message", told.exit_code))
    except LedgerError as error:
        found.append(Check("spot lots", "fail", str(error), "see docs/operating/incidents.md", 6))
    finally:
        await transport.close()
    return found


async def _answers(settings: Settings, venue: SpotVenue, transport: Transport) -> list[Check]:
    """Raises VenueUnavailable, ExchangeError, DamagedLedgerError."""
    instruments = await venue.read_instruments()
    names = [i.symbol for i in instruments.instruments]
    first = tried(
        "spot filters",
        lambda: preflight.check_symbols(settings, names, Product.SPOT),
        f"{counted(len(names), 'symbol')} known",
    )
    if first.state == "fail":
        return [first]
    wanted = settings.symbols_of(Product.SPOT)
    found = [first]
    found.extend(
        Check("spot filters", "warn", f"{i.symbol} is {i.status}", "nothing can be placed")
        for i in instruments.instruments
        if i.symbol in wanted and not i.trading
    )
    account = await venue.read_account_mode()
    found.append(Check("spot keys", "pass", f"accepted ({settings.secrets.kind(settings.mode)})"))
    found.append(
        tried(
            "spot account",
            lambda: preflight.check_account(settings, account, Product.SPOT),
            "may trade" if account.can_trade else "may not trade; this mode only reads",
        )
    )
    found.append(await _permission(settings, transport, instruments))
    found.extend([await _commission(settings, venue, symbol) for symbol in wanted])
    seen = await look_spot(settings)
    found.extend(_balances(seen.account))
    found.append(_orphans(seen.account))
    engine = settings.engine(Product.SPOT)
    if not all(manager.by_lot for manager in engine.managers):
        found.extend(protection(rows(seen.account, engine, seen.at, marks=seen.marks), "spot "))
    return found


async def _permission(settings: Settings, transport: Transport, instruments: InstrumentsSnapshot) -> Check:
    if not FACTS[settings.mode].sends:
        return Check("spot permissions", "skip", f"mode {settings.mode} only reads")
    try:
        await may_trade(settings, transport, instruments, Product.SPOT)
    except ExchangeError as error:
        return Check("spot permissions", "fail", str(error), "see the message", error.exit_code)
    return Check(
        "spot permissions", "pass", "the keys may trade spot (asked by a test order, which is not placed)"
    )


async def _commission(settings: Settings, venue: SpotVenue, symbol: str) -> Check:
    rates = await venue.read_commission(symbol)
    worst = max(rates.sell_maker, rates.sell_taker)
    told = f"{symbol}: buying {_percent(rates.buy_taker)}, selling {_percent(worst)} at most"
    if rates.discounted:
        told += f", less when paid in {rates.discount_asset}"
    policy = next(
        (
            m.policy
            for m in settings.policies
            if isinstance(m.policy, SwingPolicy) and symbol in m.policy.symbols
        ),
        None,
    )
    if policy is not None and policy.fee_sell is not None and policy.fee_sell < worst:
        return Check(
            "spot commission",
            "warn",
            f"{told}; fee_sell is {_percent(policy.fee_sell)}",
            "a sale may net less than profit: raise fee_sell, or leave it out",
        )
    return Check("spot commission", "pass", told)


def _percent(rate: Decimal) -> str:
    return f"{number(rate * 100)} %"


def _balances(state: AccountState) -> Iterator[Check]:
    """The account holds what its open lots say."""
    bases = {i.symbol: i.base for i in state.instruments.values()}
    held: dict[str, Decimal] = {}
    count = 0
    for key, s in state.scopes.items():
        if s.lots is not None and s.lots.count:
            count += s.lots.count
            base = bases.get(key.symbol, key.symbol)
            held[base] = held.get(base, ZERO) + s.lots.total
    wallets = {row.asset: row.wallet for row in state.balances.values()}
    short = False
    for base, total in sorted(held.items()):
        wallet = wallets.get(base, ZERO)
        if wallet < total:
            short = True
            yield Check(
                "spot balances",
                "fail",
                f"the account holds {number(wallet)} {base} and its lots are {number(total)}: "
                f"{number(total - wallet)} were sold or moved elsewhere",
                "no new SELL is placed until they are back, or until you say whose coins are gone: "
                "`backstay positions close --position-id LOT --gone`",
                4,
            )
    if not short:
        covered = f"{counted(count, 'lot')}, covered by the balances" if count else "no lots"
        yield Check("spot balances", "pass", covered)


def _orphans(state: AccountState) -> Check:
    """Orders with our prefix that nobody remembers."""
    strange = [
        f"{row.symbol} {row.kind} {row.order_id}"
        for s in state.scopes.values()
        for row in s.orders.values()
        if row.client_id.startswith(ID_PREFIX) and row.client_id not in s.contexts and orders.is_open(row)
    ]
    if not strange:
        return Check("spot orphans", "pass", "no order of ours without its context")
    return Check(
        "spot orphans",
        "warn",
        f"{counted(len(strange), 'order')} with our prefix and no context: {', '.join(strange[:5])}",
        "another ledger placed them; cancel them at the exchange if no other process owns them",
    )
