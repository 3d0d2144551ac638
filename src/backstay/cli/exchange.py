"""`exchange serve`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from backstay.app.errors import ConfigError
from backstay.cli.common import JsonOption, Port, loop, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from backstay.app.exchange import ExchangeOptions
    from backstay.simulator.server.serve import Served

app = App(name="exchange", help="The simulated Binance alone, for any client.", help_format="plaintext")


@app.command
def serve(
    *,
    host: Annotated[str, Parameter(show_default=True, help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[Port, Parameter(help="Port of the USD-M paths; 0 takes a free one.")] = 9080,
    spot_port: Annotated[Port, Parameter(help="Port of the Spot paths; 0 takes a free one.")] = 9081,
    control_port: Annotated[Port, Parameter(help="Port of the control side; 0 takes a free one.")] = 9090,
    products: Annotated[
        str, Parameter(show_default=True, help="usdm, spot, or both, separated by commas.")
    ] = "usdm",
    feed: Annotated[
        str, Parameter(show_default=True, help="Market: synthetic, live, or paths of recorded data.")
    ] = "synthetic",
    seed: Annotated[int, Parameter(show_default=True, help="Of the market and of the exchange's dice.")] = 1,
    speed: Annotated[float, Parameter(show_default=True, help="Venue seconds per second.")] = 1.0,
    symbols: Annotated[str, Parameter(help="Separated by commas; left out: all that are known.")] = "",
    balance: Annotated[
        str, Parameter(show_default=True, help="USDT in the account, and on Spot as many USDC.")
    ] = "100000",
    hedge: Annotated[bool, Parameter(negative=(), help="A hedge-mode account.")] = False,
    faults: Annotated[Path | None, Parameter(help="A fault plan (YAML).")] = None,
    api_key: Annotated[
        str, Parameter(help="Key of the account; left out: a fixed one, which is printed.")
    ] = "",
    api_secret: Annotated[str, Parameter(help="Its HMAC secret.")] = "",
    json: JsonOption = False,
) -> int:
    """Serve REST, WebSocket API and streams until Ctrl-C, and a control side for prices, hands and faults."""
    from backstay.app.exchange import ExchangeOptions
    from backstay.app.units import decimal

    if bool(api_key) != bool(api_secret):
        raise ConfigError("--api-key and --api-secret belong together: give both or none")
    if not 0 < speed < float("inf"):
        raise ConfigError(f"--speed: {speed} must be above 0")
    try:
        amount = decimal(balance)
    except ValueError as error:
        raise ConfigError(f"--balance: {error}") from None
    options = ExchangeOptions(
        host=host,
        port=port,
        spot_port=spot_port,
        control_port=control_port,
        products=_products(products),
        feed=feed,
        seed=seed,
        speed=speed,
        symbols=tuple(s.strip().upper() for s in symbols.split(",") if s.strip()),
        balance=amount,
        hedge=hedge,
        faults=faults,
        **({"api_key": api_key, "api_secret": api_secret} if api_key else {}),
    )
    loop(_serve(options, json=json))
    return Exit.DONE


def _products(text: str) -> tuple[str, ...]:
    from backstay.app.exchange import PRODUCTS
    from backstay.app.nearest import suggestion

    chosen = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for product in chosen:
        if product not in PRODUCTS:
            raise ConfigError(f"--products: {product!r} is not a product; {suggestion(product, PRODUCTS)}")
    return chosen


async def _serve(options: "ExchangeOptions", *, json: bool) -> None:
    import asyncio

    from backstay.app.exchange import open_exchange
    from backstay.app.run import stop_signals

    served = await open_exchange(options)
    try:
        with stop_signals(asyncio.Event()) as ended:
            _tell(served, options, json=json)
            while not ended.is_set():
                try:
                    await asyncio.wait_for(ended.wait(), 0.5)
                except TimeoutError:
                    if (failure := served.failure()) is not None:
                        raise failure from None
    finally:
        await served.close()


def _tell(served: "Served", options: "ExchangeOptions", *, json: bool) -> None:
    document: dict[str, str] = {}
    for one in (served, *served.beside.values()):
        document |= _addresses(one, "" if one is served else f"{one.venue.product.name}_")
    document |= {
        "control": f"{served.control_url}/sim/v1",
        "api_key": options.api_key,
        "api_secret": options.api_secret,
    }
    if json:
        show_json(document)
        return
    complain("the simulated Binance is up (Ctrl-C ends it)")
    for key, value in document.items():
        print(f"{key:15} {value}", flush=True)


def _addresses(served: "Served", mark: str) -> dict[str, str]:
    """Where a product is to be found; the keys of a second product begin with its name."""
    base = served.ws_url
    if served.venue.product.spot:
        return {f"{mark}rest": served.url, f"{mark}stream": base, f"{mark}ws_api": f"{base}/ws-api/v3"}
    return {
        f"{mark}rest": served.url,
        f"{mark}public_stream": f"{base}/public",
        f"{mark}market_stream": f"{base}/market",
        f"{mark}private_stream": f"{base}/private",
        f"{mark}ws_api": f"{base}/ws-fapi/v1",
    }
