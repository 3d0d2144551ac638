"""`backstay init`: asks, checks, writes `config.yaml` and `.env`. Every answer is an option too."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from backstay.app.errors import ConfigError
from backstay.cli.common import JsonOption, YesOption, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from backstay.app.initial import Answers

type ModeName = Literal["PAPER", "DRY_RUN_PRIVATE", "DEMO", "TESTNET", "LIVE"]


def init(
    *,
    mode: Annotated[
        ModeName | None, Parameter(help="Run mode; DRY_RUN_PRIVATE reads and sends nothing.")
    ] = None,
    symbols: Annotated[str | None, Parameter(help="What to guard, separated by commas; empty: all.")] = None,
    position_mode: Annotated[
        Literal["one_way", "hedge"], Parameter(show_default=True, help="As the account is.")
    ] = "one_way",
    stop: Annotated[str | None, Parameter(help="Distance of the stop, such as 5%.")] = None,
    take_profit: Annotated[str | None, Parameter(help="Distance of the take-profit, such as 1.5%.")] = None,
    dca_steps: Annotated[int, Parameter(show_default=True, help="How many DCA steps; 0: none.")] = 0,
    dca_size: Annotated[str, Parameter(help='Size of the first: "0.010", "100 USDT" or "50%".')] = "",
    private_key_path: Annotated[str, Parameter(help="Ed25519 key file, instead of an HMAC secret.")] = "",
    folder: Annotated[Path, Parameter(name="--folder", help="Where the files are written.")] = Path(),
    force: Annotated[bool, Parameter(negative=(), help="Write over existing files.")] = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> int:
    """Ask a few questions, check the answers, write config.yaml and .env (readable by you alone).

    Keys come from the terminal or, with --yes, from the environment, never from an option.
    """
    from backstay.app.initial import Answers, write
    from backstay.core.types import Mode, PositionMode

    asking = not yes and sys.stdin.isatty()
    chosen = Mode(mode or _ask("Mode (PAPER, DRY_RUN_PRIVATE, DEMO, TESTNET, LIVE)", "PAPER", asking=asking))
    wanted = (
        symbols
        if symbols is not None
        else _ask("Symbols to guard (BTCUSDT,ETHUSDT; empty: all)", "", asking=asking)
    )
    key, secret = _keys(chosen, private_key_path, asking=asking)
    answers = Answers(
        mode=chosen,
        symbols=tuple(s.strip().upper() for s in wanted.split(",") if s.strip()),
        position_mode=PositionMode(position_mode),
        stop=stop or _ask("Stop-loss distance", "5%", asking=asking),
        take_profit=take_profit or _ask("Take-profit distance", "1.5%", asking=asking),
        dca_steps=dca_steps,
        dca_size=dca_size,
        api_key=key,
        api_secret=secret,
        private_key_path=private_key_path,
    )
    written = write(answers, folder.expanduser(), force=force)
    _tell(answers, written, json=json)
    return Exit.DONE


def _ask(question: str, default: str, *, asking: bool) -> str:
    if not asking:
        return default
    print(f"{question} [{default}]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def _keys(mode: str, private_key_path: str, *, asking: bool) -> tuple[str, str]:
    """The API key and, for HMAC, its secret."""
    import getpass
    import os

    from backstay.app.secrets import PREFIXES
    from backstay.core.types import Mode

    prefix = PREFIXES.get(Mode(mode))
    if prefix is None:
        return "", ""
    key, secret = os.environ.get(f"{prefix}API_KEY", ""), os.environ.get(f"{prefix}API_SECRET", "")
    if asking:
        complain("make a key with futures trading on, withdrawals off, and an IP allow-list")
        key = key or getpass.getpass("API key (not shown): ")
        secret = secret or ("" if private_key_path else getpass.getpass("API secret (not shown): "))
    if not key:
        raise ConfigError(f"mode {mode} needs {prefix}API_KEY in the environment, or a terminal to ask on")
    return key, secret


def _tell(answers: "Answers", written: list[Path], *, json: bool) -> None:
    if json:
        show_json({"written": [str(path) for path in written], "mode": answers.mode.value})
        return
    complain(f"written: {', '.join(map(str, written))}")
    complain("next: `backstay doctor`, then `backstay run`")
