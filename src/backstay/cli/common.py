"""What commands share: common options, reading the configuration, printing, running a coroutine."""

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from backstay.cli.exits import complain
from backstay.telemetry.redaction import scrub

if TYPE_CHECKING:
    from rich.console import Console

    from backstay.app.config import Settings

type ConfigOption = Annotated[
    Path | None,
    Parameter(name=("--config", "-c"), help="Configuration file [default: config.yaml, if it is there]."),
]
type JsonOption = Annotated[
    bool, Parameter(name="--json", negative=(), help="Machine output on stdout, and nothing else there.")
]
Port = Annotated[int, Parameter(show_default=True, validator=validators.Number(gte=0, lte=65535))]
type YesOption = Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), help="Do not ask.")]
type JobsOption = Annotated[
    int,
    Parameter(help="Processes; 0: one for each core.", validator=validators.Number(gte=0)),
]
type DataDirOption = Annotated[
    Path | None, Parameter(name="--data-dir", help="Data folder, instead of the configured run.data_dir.")
]


def settings(config: Path | None, data_dir: Path | None = None, *, quiet: bool = True) -> "Settings":
    """The configuration, over another data folder where one is named; its warnings go to stderr unless
    `quiet`. Raises ConfigError.
    """
    from backstay.app.config import load_settings

    found = load_settings(config)
    if data_dir is not None:
        run = found.run.model_copy(update={"data_dir": data_dir})
        found = found.model_copy(update={"run": run})
    if not quiet:
        for warning in found.warnings:
            complain(f"warning: {warning}")
    return found


def folder(config: Path | None, data_dir: Path | None) -> Path:
    """The data folder: the one that is named, else the configured one."""
    return data_dir.expanduser() if data_dir is not None else settings(config).data_dir


def show_json(document: Any) -> None:
    """One document in one line, at once."""
    import msgspec

    print(scrub(msgspec.json.encode(document).decode()), flush=True)


def console() -> "Console":
    """For human output. Wide enough for tables where there is no terminal."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=180)


def loop[T](main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the fast event loop where there is one."""
    try:
        import uvloop
    except ImportError:
        import asyncio

        return asyncio.run(main)
    return uvloop.run(main)


def confirm(question: str, *, yes: bool) -> bool:
    """Ask on the terminal; without one the answer is no, unless `--yes` was given."""
    if yes:
        return True
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
