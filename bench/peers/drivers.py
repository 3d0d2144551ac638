"""The clients under comparison as processes: how each is configured, started, killed. None is modified."""

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from environments import HERE, python_of
from stage import KEY, SECRET, SYMBOL, Stage

ROOT = HERE.parent.parent
NICE = 10
_PR_SET_PDEATHSIG = 1


class Client:
    """One client in one case. Subclasses say how to configure and what it is able to do at all."""

    name = ""
    enters = True
    """Opens its position itself; otherwise the account's owner opens it by hand."""
    take_profit = True
    """Rests a take-profit at the venue."""
    hedge = True
    """Can be run on a hedge-mode account."""
    start_s = 60.0
    """How long a start may take before it counts as failed."""

    def __init__(self, folder: Path, *, hedge: bool) -> None:
        self.folder = folder
        self.on_hedge = hedge
        self.process: asyncio.subprocess.Process | None = None
        self.exits: list[dict[str, Any]] = []
        self.starts = 0

    def configure(self, stage: Stage, *, dca: bool) -> None:
        """Write what the client reads from files."""

    def command(self, stage: Stage, *, enter: bool) -> tuple[list[str], dict[str, str]]:
        """Arguments, and variables added to the environment."""
        raise NotImplementedError

    async def start(self, stage: Stage, *, enter: bool) -> None:
        arguments, more = self.command(stage, enter=enter)
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "TMPDIR"}}
        self.starts += 1
        log = (self.folder / f"{self.name}.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *arguments, cwd=self.folder, env=kept | more, stdout=log, stderr=log, preexec_fn=_modest
        )
        log.close()

    def look(self) -> None:
        """Note the end of a process that nobody ended."""
        process = self.process
        if process is not None and process.returncode is not None:
            self.exits.append({"at": time.time(), "code": process.returncode})
            self.process = None

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed, said or closed."""
        self.look()
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
            self.process = None

    def log_text(self) -> str:
        path = self.folder / f"{self.name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


class Backstay(Client):
    name = "backstay"
    enters = False

    def configure(self, stage: Stage, *, dca: bool) -> None:
        manager: dict[str, Any] = {
            "strategy": "position_manager",
            "symbols": [SYMBOL],
            "stop_loss": {"distance": "2%"},
            "take_profit": {"levels": [{"distance": "1.5%", "share": "100%"}]},
        }
        if dca:
            manager["dca"] = {"steps": 1, "first_deviation": "1%", "first_size": "0.020"}
        config = {
            "run": {"mode": "DEMO", "enable_trading": True},
            "account": {"position_mode": "hedge" if self.on_hedge else "one_way"},
            "endpoints": {
                "usdm": {
                    "rest": stage.rest,
                    "public_stream": f"{stage.ws}/public",
                    "market_stream": f"{stage.ws}/market",
                    "private_stream": f"{stage.ws}/private",
                    "ws_api": f"{stage.ws}/ws-fapi/v1",
                }
            },
            "managers": [manager],
            "dashboard": {"enabled": False},
        }
        # JSON is YAML.
        (self.folder / "config.yaml").write_text(json.dumps(config, indent=1), encoding="utf-8")

    def command(self, stage: Stage, *, enter: bool) -> tuple[list[str], dict[str, str]]:
        program = Path(sys.executable).parent / "backstay"
        more = {"BINANCE_DEMO_API_KEY": KEY, "BINANCE_DEMO_API_SECRET": SECRET}
        if "PYTHONPATH" in os.environ:
            more["PYTHONPATH"] = os.environ["PYTHONPATH"]
        return [str(program), "run", "--json"], more

    def ready(self) -> bool:
        """It has taken the account over as often as it was started."""
        return self.log_text().count('"ready"') >= self.starts


class Nautilus(Client):
    name = "nautilus"

    def command(self, stage: Stage, *, enter: bool) -> tuple[list[str], dict[str, str]]:
        arguments = [str(python_of(self.name)), str(HERE / "nautilus_client.py")]
        arguments += ["--http", stage.rest, "--ws", stage.ws, "--key", KEY, "--secret", SECRET]
        arguments += ["--enter"] * enter + ["--hedge"] * self.on_hedge
        return arguments, {}


class Freqtrade(Client):
    name = "freqtrade"
    take_profit = False
    hedge = False
    start_s = 90.0

    def configure(self, stage: Stage, *, dca: bool) -> None:
        # Its client library tells by the beginning of the address which list of error codes holds; without
        # this name in front of the host it would take every refusal for an unknown one.
        base = f"https://demo-fapi@127.0.0.1:{stage.tls_port}"
        paths = {
            "fapiPublic": "fapi/v1",
            "fapiPublicV2": "fapi/v2",
            "fapiPublicV3": "fapi/v3",
            "fapiPrivate": "fapi/v1",
            "fapiPrivateV2": "fapi/v2",
            "fapiPrivateV3": "fapi/v3",
            "fapiData": "futures/data",
            "sapi": "sapi/v1",
        }
        urls = {name: f"{base}/{path}" for name, path in paths.items()}
        # The list of coins and the other markets are calls of other hosts, which this venue has not.
        options = {"fetchCurrencies": False, "fetchMarkets": {"types": ["linear"]}}
        config = {
            "max_open_trades": 1,
            "stake_currency": "USDT",
            "stake_amount": 1605,
            "dry_run": False,
            "trading_mode": "futures",
            "margin_mode": "isolated",
            "cancel_open_orders_on_exit": False,
            "unfilledtimeout": {"entry": 10, "exit": 10, "unit": "minutes"},
            "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
            "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
            "exchange": {
                "name": "binance",
                "key": KEY,
                "secret": SECRET,
                "enable_ws": False,
                "ccxt_config": {"urls": {"api": urls}, "options": options, "verify": False},
                "pair_whitelist": ["BTC/USDT:USDT"],
            },
            "pairlists": [{"method": "StaticPairList"}],
            "telegram": {"enabled": False, "token": "", "chat_id": ""},
            "api_server": {
                "enabled": False,
                "listen_ip_address": "127.0.0.1",
                "listen_port": 8080,
                "username": "",
                "password": "",
            },
            "initial_state": "running",
            # The default is a look every five seconds; this is in its favour.
            "internals": {"process_throttle_secs": 1},
            "db_url": f"sqlite:///{self.folder / 'trades.sqlite'}",
            "bot_name": "peer",
        }
        (self.folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")

    def command(self, stage: Stage, *, enter: bool) -> tuple[list[str], dict[str, str]]:
        program = python_of(self.name).parent / "freqtrade"
        user = self.folder / "user_data"
        user.mkdir(exist_ok=True)
        arguments = [str(program), "trade", "-c", "config.json", "--userdir", str(user)]
        arguments += ["--strategy", "Guarded", "--strategy-path", str(self.folder / "strategy")]
        strategy = self.folder / "strategy"
        strategy.mkdir(exist_ok=True)
        source = (HERE / "freqtrade_strategy.py").read_text(encoding="utf-8")
        (strategy / "guarded.py").write_text(source, encoding="utf-8")
        return arguments, {"PEERS_ENTER": "1" if enter else "0"}


CLIENTS: dict[str, type[Client]] = {c.name: c for c in (Backstay, Nautilus, Freqtrade)}


def _modest() -> None:
    """In the child: last in the queue for the processor, and gone when whoever compares is gone."""
    os.nice(NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
