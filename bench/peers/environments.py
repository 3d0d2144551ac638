"""Each peer in a virtual environment of its own, made once below `.cache`, with pinned versions."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
PINS = {
    "nautilus": ("nautilus_trader==1.231.0", "pandas<3"),
    "freqtrade": ("freqtrade==2026.9",),
    "backtesting": ("backtesting==0.6.6", "pandas<3"),
}
PATIENCE_S = 1200


class CannotInstallError(Exception):
    """A peer is not there and cannot be brought: why, in its installer's last words."""


def python_of(peer: str) -> Path:
    """The peer's interpreter; makes the environment at the first call. Raises CannotInstallError."""
    folder = CACHE / peer
    python = folder / "bin" / "python"
    done = folder / "installed.txt"
    wanted = "\n".join(PINS[peer])
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    if folder.exists():
        shutil.rmtree(folder)
    CACHE.mkdir(exist_ok=True)
    print(f"installing {', '.join(PINS[peer])} below {CACHE.name}/{peer} (once)", file=sys.stderr, flush=True)
    _run([_base_python(), "-m", "venv", str(folder)], peer)
    _run([str(python), "-m", "pip", "install", "-q", *PINS[peer]], peer)
    done.write_text(wanted, encoding="utf-8")
    return python


def versions(peer: str) -> dict[str, str]:
    """What is installed of the peer's own packages, and its Python."""
    script = (
        "import importlib.metadata as m, json, platform, sys; "
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:]} | {'python': platform.python_version()}))"
    )
    names = [pin.split("=")[0].split("<")[0] for pin in PINS[peer]]
    if peer == "freqtrade":
        names.append("ccxt")
    found = subprocess.run(
        [str(python_of(peer)), "-c", script, *names], capture_output=True, text=True, check=True
    )
    return dict(json.loads(found.stdout))


def _base_python() -> str:
    """An interpreter that the peers have wheels for: this one, or what PEERS_PYTHON names."""
    return os.environ.get("PEERS_PYTHON") or str(Path(sys.base_prefix) / "bin" / "python3")


def _run(command: list[str], peer: str) -> None:
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            preexec_fn=lambda: os.nice(10),
        )
    except subprocess.TimeoutExpired:
        raise CannotInstallError(f"{peer}: not installed after {PATIENCE_S} s") from None
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        raise CannotInstallError(f"{peer}: {' '.join(last) or f'exit code {done.returncode}'}")
