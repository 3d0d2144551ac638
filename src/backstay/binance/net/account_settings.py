"""How an account trades: leverage, margin type, position mode, multi-assets mode (binance-usdm.md 9).

Each call names a state, so it may safely be repeated. "No need to change" is a success. Nothing here asks
whether a position is open: the venue refuses what it must, and who calls knows better.
"""

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.reads import decoded
from backstay.binance.net.rest import Rest
from backstay.binance.wire import decode_settings, endpoints
from backstay.binance.wire.decode_settings import Bracket
from backstay.binance.wire.endpoints import Endpoint
from backstay.binance.wire.sign import WsValue

NO_NEED = frozenset({-4046, -4059, -4171})
"""Already so: margin type, position mode, multi-assets mode."""


class AccountSettings:
    """All raise VenueUnavailable, whose `code` is the venue's."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def brackets(self, symbol: str) -> tuple[Bracket, ...]:
        """The symbol's leverage brackets, the highest leverage first."""
        read = await self._rest.read(endpoints.LEVERAGE_BRACKET, {"symbol": symbol})
        return decoded(lambda body: decode_settings.brackets(body, symbol), read.body)

    async def leverage(self, symbol: str, leverage: int) -> int:
        """Returns the applied leverage."""
        read = await self._rest.read(endpoints.SET_LEVERAGE, {"symbol": symbol, "leverage": leverage})
        return decoded(decode_settings.leverage, read.body)

    async def margin_type(self, symbol: str, *, isolated: bool) -> None:
        wanted = "ISOLATED" if isolated else "CROSSED"
        await self._set(endpoints.SET_MARGIN_TYPE, {"symbol": symbol, "marginType": wanted})

    async def position_mode(self, *, hedge: bool) -> None:
        """Flips COIN-M futures with it."""
        await self._set(endpoints.SET_POSITION_MODE, {"dualSidePosition": "true" if hedge else "false"})

    async def multi_assets(self, *, on: bool) -> None:
        await self._set(endpoints.SET_MULTI_ASSETS, {"multiAssetsMargin": "true" if on else "false"})

    async def _set(self, endpoint: Endpoint, params: dict[str, WsValue]) -> None:
        try:
            await self._rest.read(endpoint, params)
        except VenueUnavailable as failure:
            if failure.code not in NO_NEED:
                raise
