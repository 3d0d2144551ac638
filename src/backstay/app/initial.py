"""A first `config.yaml` and `.env`, from a few answers; checked before anything is written."""

import os
import tempfile
from pathlib import Path

import msgspec
import yaml

from backstay.app.config import Settings, load_settings
from backstay.app.errors import RefusedError
from backstay.app.secrets import PREFIXES
from backstay.core.types import Mode, PositionMode


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` asks."""

    mode: Mode
    symbols: tuple[str, ...] = ()
    position_mode: PositionMode = PositionMode.ONE_WAY
    stop: str = "5%"
    take_profit: str = "1.5%"
    dca_steps: int = 0
    dca_size: str = ""
    api_key: str = ""
    api_secret: str = ""
    private_key_path: str = ""


def config_text(answers: Answers) -> str:
    """`config.yaml` with a word about each choice."""
    manager: dict[str, object] = {
        "strategy": "position_manager",
        "product": "usdm",
        "symbols": list(answers.symbols),
        "stop_loss": {"kind": "close_position", "distance": answers.stop, "working_type": "MARK_PRICE"},
        "take_profit": {"kind": "limit", "levels": [{"distance": answers.take_profit, "share": "100%"}]},
    }
    if answers.dca_steps:
        manager["dca"] = {
            "steps": answers.dca_steps,
            "first_deviation": "1%",
            "deviation_multiplier": "1.5",
            "first_size": answers.dca_size,
            "size_multiplier": "1.5",
        }
    document = {
        "run": {"mode": answers.mode.value, "enable_trading": False},
        "account": {"name": "main", "position_mode": answers.position_mode.value},
        "managers": [manager],
    }
    head = (
        "# Every key: docs/reference/configuration.md. Secrets stand in .env, never here.\n"
        "# run.enable_trading is false: nothing is sent in DEMO, TESTNET and LIVE until you change it.\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, default_flow_style=None)


def env_text(answers: Answers) -> str:
    """`.env` with the keys of the mode; empty when it needs none."""
    prefix = PREFIXES.get(answers.mode)
    if prefix is None or not answers.api_key:
        return ""
    lines = [f"{prefix}API_KEY={answers.api_key}"]
    if answers.private_key_path:
        lines.append(f"{prefix}PRIVATE_KEY_PATH={answers.private_key_path}")
    else:
        lines.append(f"{prefix}API_SECRET={answers.api_secret}")
    return "\n".join(lines) + "\n"


def check(answers: Answers) -> Settings:
    """Read what would be written. Raises ConfigError."""
    with tempfile.TemporaryDirectory() as folder:
        config, env = Path(folder) / "config.yaml", Path(folder) / ".env"
        config.write_text(config_text(answers), encoding="utf-8")
        env.touch(mode=0o600)
        env.write_text(env_text(answers), encoding="utf-8")
        found = load_settings(config, environ={}, env_file=env)
        if answers.api_key:
            found.secrets.signer(answers.mode)
        return found


def write(answers: Answers, folder: Path, *, force: bool) -> list[Path]:
    """Write the files; returns them. Raises RefusedError rather than overwrite, ConfigError, OSError."""
    texts = {folder / "config.yaml": config_text(answers)}
    env = env_text(answers)
    if env:
        texts[folder / ".env"] = env
    there = [path for path in texts if path.exists()]
    if there and not force:
        names = " and ".join(str(path) for path in there)
        raise RefusedError(f"{names} exists already, and nothing was written; --force writes over it")
    check(answers)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        # Made with its final permissions: a secret must not be readable for even a moment.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if path.name == ".env" else 0o644)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            if path.name == ".env":
                os.fchmod(fd, 0o600)
            file.write(text)
    return list(texts)
