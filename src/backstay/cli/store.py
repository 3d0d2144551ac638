"""`store status|backup|clean`: the database, which is made of the ledger and can be made anew from it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from backstay.app.errors import ConfigError
from backstay.cli.common import ConfigOption, JsonOption, settings, show_json
from backstay.cli.exits import Exit

app = App(
    name="store",
    help="The database beside the ledger: how it stands, copies, cleaning up.",
    help_format="plaintext",
)


@app.command
def status(*, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Where it is, up to which record it goes, how many rows it has. Changes nothing."""
    from backstay.app.store import standing

    found = standing(settings(config))
    if json:
        show_json(found)
        return Exit.DONE
    if not found["exists"]:
        print(f"{found['where']} does not exist yet; `backstay run` or `ledger rebuild` makes it")
        return Exit.DONE
    print(found["where"])
    for key in ("records", "rows"):
        print(f"{key:8} " + "  ".join(f"{name} {count}" for name, count in found[key].items()))
    return Exit.DONE


@app.command
def backup(
    target: Annotated[Path, Parameter(help="The file of the copy.")],
    /,
    *,
    force: Annotated[bool, Parameter(negative=(), help="Write over a file that is there.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Copy the SQLite database while it is in use: one consistent moment, checked."""
    from backstay.app.store import opened
    from backstay.ledger.projections.upkeep import backup as copy

    with opened(settings(config)) as store:
        size = copy(store, target.expanduser(), force=force)
    show_json({"file": str(target), "bytes": size}) if json else print(f"{target}: {size} bytes")
    return Exit.DONE


@app.command
def clean(
    *,
    older_than: Annotated[str, Parameter(help="What was completed longer ago, such as 90d.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Remove completed orders, pairs and positions. The ledger keeps them; a rebuild brings them back."""
    import time

    from backstay.app.store import opened
    from backstay.app.units import duration
    from backstay.ledger.projections.upkeep import clean as remove

    try:
        age = duration(older_than)
    except ValueError as error:
        raise ConfigError(f"--older-than: {error}") from None
    with opened(settings(config), read_only=False) as store:
        gone = remove(store, time.time_ns() - age)
    if json:
        show_json({"removed": gone})
    else:
        print("removed: " + "  ".join(f"{name} {count}" for name, count in gone.items()))
    return Exit.DONE
