"""`ledger tail|verify|replay|rebuild|why`: reading the truth. None of these changes it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from backstay.app.errors import ConfigError
from backstay.cli.common import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    console,
    folder,
    loop,
    settings,
    show_json,
)
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from backstay.core.records import Record
    from backstay.ledger.disk import FileDisk

app = App(name="ledger", help="Follow, check, replay and explain the record.", help_format="plaintext")


def _disk(config: Path | None, data_dir: Path | None) -> "tuple[FileDisk, str]":
    """The disk and the ledger's path on it. Raises ConfigError when there is no ledger."""
    from backstay.app.ledgers import LEDGER
    from backstay.ledger.disk import FileDisk

    root = folder(config, data_dir)
    disk = FileDisk(root)
    if disk.size(LEDGER) is None:
        raise ConfigError(f"there is no ledger at {root / LEDGER}; `backstay run` or `demo` makes one")
    return disk, LEDGER


def _line(record: "Record") -> str:
    from backstay.app.status import iso
    from backstay.app.words import words

    cause = f" <{record.cause}" if record.cause else ""
    return f"{record.seq:>8}{cause:<10} {iso(record.at) or '':25} {words(record.body)}"


def _document(record: "Record") -> dict[str, Any]:
    import msgspec

    body = msgspec.to_builtins(record.body)
    return {"seq": record.seq, "at": record.at, "cause": record.cause, "type": body["type"], "body": body}


@app.command
def tail(
    *,
    lines: Annotated[
        int, Parameter(show_default=True, name=("--lines", "-n"), help="How many of the newest records.")
    ] = 20,
    follow: Annotated[
        bool, Parameter(name=("--follow", "-f"), negative=(), help="Go on with new ones.")
    ] = False,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """The newest records in plain words."""
    from backstay.ledger import reader

    disk, path = _disk(config, data_dir)

    def show(record: "Record") -> None:
        show_json(_document(record)) if json else print(_line(record), flush=True)

    newest = reader.last(disk, path, max(lines, 0))
    for record in newest:
        show(record)
    if follow:
        import contextlib

        async def go_on(seq: int) -> None:
            offset = reader.find(disk, path, seq).offset if seq else 0
            async for record in reader.follow(disk, path, offset=offset):
                if record.seq > seq:
                    show(record)

        last = newest or reader.last(disk, path, 1)
        with contextlib.suppress(KeyboardInterrupt):
            loop(go_on(last[-1].seq if last else 0))
    return Exit.DONE


@app.command
def verify(*, data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Check every number and every hash of the chain."""
    from backstay.ledger.verify import verify as check

    disk, path = _disk(config, data_dir)
    result = check(disk, path)
    if json:
        show_json(
            {
                "records": result.records,
                "ok": result.ok,
                "first_bad": result.first_bad,
                "detail": result.detail,
            }
        )
    elif result.ok:
        print(f"{result.records} records, all good. {result.detail}".strip())
    else:
        complain(
            f"{path} is damaged at record {result.first_bad}, after {result.records} good ones: "
            f"{result.detail}"
        )
    return Exit.DONE if result.ok else Exit.DAMAGED


@app.command
def replay(*, data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Fold the ledger again, take every decision again, and compare."""
    from backstay.app.replaying import replay as play

    disk, path = _disk(config, data_dir)
    state, result = play(disk, path)
    document = {
        "records": result.records,
        "state_digest": result.state_digest,
        "decisions_digest": result.decisions_digest,
        "records_per_s": result.records_per_s,
        "decisions": result.decisions,
        "decisions_agree": result.mismatch is None,
        "first_different": result.mismatch.seq if result.mismatch is not None else None,
        "positions": sum(1 for s in state.scopes.values() if s.position.quantity),
    }
    if json:
        show_json(document)
    else:
        for key, value in document.items():
            print(f"{key.replace('_', ' '):18} {value}")
    if result.mismatch is not None:
        complain(
            f"record {result.mismatch.seq} was decided differently:\n  then: {result.mismatch.recorded}\n"
            f"  now:  {result.mismatch.recomputed}"
        )
        return Exit.DEFECT
    return Exit.DONE


@app.command
def rebuild(*, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Drop the database and make it anew from the ledger. Refused while a process keeps it up to date."""
    from backstay.app.store import rebuild_alone

    done = rebuild_alone(settings(config))
    if json:
        show_json({"store": done.where, "records": done.records, "rows": done.rows})
    else:
        records = ", ".join(f"{count} records of {name}" for name, count in done.records.items())
        print(f"{done.where}: rebuilt from {records or 'no ledger: it is empty'}")
        print("  ".join(f"{name} {count}" for name, count in done.rows.items()))
    return Exit.DONE


@app.command
def why(
    seq: Annotated[int, Parameter(help="Number of a record.")],
    /,
    *,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Explain one record: what it followed from, what it decided, what became of it."""
    from backstay.ledger import reader

    disk, path = _disk(config, data_dir)
    chain = reader.causes(disk, path, seq)
    after = reader.consequences(disk, path, seq)
    if json:
        show_json(
            {
                "record": _document(chain[0]),
                "causes": [_document(r) for r in chain[1:]],
                "consequences": [_document(r) for r in after],
            }
        )
        return Exit.DONE
    out = console()
    for title, records in (
        ("because of", list(reversed(chain[1:]))),
        ("this record", chain[:1]),
        ("led to", after),
    ):
        if records:
            out.print(f"[bold]{title}[/bold]")
            for record in records:
                out.print(_line(record), markup=False)
    import msgspec

    out.print("[bold]in full[/bold]")
    out.print(msgspec.json.format(msgspec.json.encode(chain[0].body), indent=2).decode(), markup=False)
    return Exit.DONE
