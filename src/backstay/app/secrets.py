"""Keys: read from the environment or `.env`, never from `config.yaml`, and never shown.

Each environment of the venue has its own variables, so that a key of one is never used with another.
"""

import stat
from collections.abc import Mapping
from pathlib import Path

from backstay.app.errors import ConfigError
from backstay.binance.wire.sign import Ed25519Signer, HmacSigner, Signer
from backstay.core.types import Mode
from backstay.telemetry.redaction import hide

PREFIXES = {
    Mode.DRY_RUN_PRIVATE: "BINANCE_",
    Mode.LIVE: "BINANCE_",
    Mode.TESTNET: "BINANCE_TESTNET_",
    Mode.DEMO: "BINANCE_DEMO_",
}
NAMES = ("API_KEY", "API_SECRET", "PRIVATE_KEY_PATH", "PRIVATE_KEY_PASSWORD")


class Secrets:
    """The key material of one process. Its repr shows names alone."""

    def __init__(self, values: Mapping[str, str], *, env_file: Path | None = None) -> None:
        known = {prefix + name for prefix in PREFIXES.values() for name in NAMES}
        self._values = {
            name: value.strip() for name, value in values.items() if name in known and value.strip()
        }
        self._env_file = env_file
        hide(*(value for name, value in self._values.items() if not name.endswith("PRIVATE_KEY_PATH")))

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values)) or 'none'})"

    def kind(self, mode: Mode) -> str:
        """`hmac`, `ed25519`, or empty when the keys of this mode are not there (or only half of them)."""
        prefix = PREFIXES.get(mode)
        if prefix is None or prefix + "API_KEY" not in self._values:
            return ""
        if prefix + "PRIVATE_KEY_PATH" in self._values:
            return "ed25519"
        return "hmac" if prefix + "API_SECRET" in self._values else ""

    def signer(self, mode: Mode) -> Signer:
        """Signs for this mode. Raises ConfigError that names the variables that are missing or wrong."""
        prefix = PREFIXES.get(mode)
        if prefix is None:
            raise ConfigError(f"mode {mode} needs no keys and has none")
        key = self._values.get(prefix + "API_KEY", "")
        if not key:
            raise ConfigError(
                f"mode {mode} needs {prefix}API_KEY, with {prefix}API_SECRET (HMAC) or "
                f"{prefix}PRIVATE_KEY_PATH (Ed25519), in the environment or in .env; PAPER needs none"
            )
        path = self._values.get(prefix + "PRIVATE_KEY_PATH")
        secret = self._values.get(prefix + "API_SECRET", "")
        if path is None:
            if not secret:
                raise ConfigError(
                    f"{prefix}API_KEY is set, but neither {prefix}API_SECRET (HMAC) nor "
                    f"{prefix}PRIVATE_KEY_PATH (Ed25519) is"
                )
            return HmacSigner(key, secret)
        if secret:
            raise ConfigError(
                f"{prefix}API_SECRET and {prefix}PRIVATE_KEY_PATH are both set; a key is of one kind, "
                f"remove the other"
            )
        password = self._values.get(prefix + "PRIVATE_KEY_PASSWORD")
        try:
            pem = Path(path).expanduser().read_bytes()
            return Ed25519Signer(key, pem, password.encode() if password else None)
        except OSError as error:
            raise ConfigError(f"{prefix}PRIVATE_KEY_PATH: {path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"{prefix}PRIVATE_KEY_PATH: {path}: {error}") from None

    def warnings(self) -> tuple[str, ...]:
        """Files with secrets that others on this machine can read."""
        files = [self._env_file] if self._env_file is not None else []
        files += [Path(v).expanduser() for n, v in self._values.items() if n.endswith("PRIVATE_KEY_PATH")]
        found = []
        for file in files:
            try:
                mode = file.stat().st_mode
            except OSError:
                continue
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                found.append(f"{file} can be read by others on this machine: chmod 600 {file}")
        return tuple(found)
