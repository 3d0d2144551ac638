"""`ledger tail|verify|replay|rebuild|why`: reading the truth. None of these changes it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from backstay.cli.common import (
    ConfigOption,
    DataDirOption,
    JobsOption,
    JsonOption,
    console,
    folder,
    loop,
    settings,
    show_json,
)
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from backstay.app.ledgers import Ledger
    from backstay.app.story import Story
    from backstay.core.records import Record

app = App(name="ledger", help="Follow, check, replay and explain the record.", help_format="plaintext")


type ProductOption = Annotated[
    Literal["usdm", "spot"] | None,
    Parameter(name="--product", help="Only this account's ledger [default: every one that there is]."),
]


def _found(config: Path | None, data_dir: Path | None, product: str | None) -> "list[Ledger]":
    """Raises ConfigError when there is no ledger."""
    from backstay.app.ledgers import ledgers

    return ledgers(folder(config, data_dir), product)


def _line(record: "Record", ledger: str = "") -> str:
    from backstay.app.status import iso
    from backstay.app.words import words

    cause = f" <{record.cause}" if record.cause else ""
    name = f" {ledger:4}" if ledger else ""
    return f"{record.seq:>8}{name}{cause:<10} {iso(record.at) or '':25} {words(record.body)}"


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
    product: ProductOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """The newest records in plain words; of two accounts in the order of time."""
    from backstay.ledger import reader

    found = _found(config, data_dir, product)

    def show(ledger: "Ledger", record: "Record") -> None:
        if json:
            show_json({"ledger": ledger.product, **_document(record)})
        else:
            print(_line(record, ledger.product if len(found) > 1 else ""), flush=True)

    newest = [
        (ledger, record)
        for ledger in found
        for record in reader.last(ledger.disk, ledger.path, max(lines, 0))
    ]
    newest.sort(key=lambda each: each[1].at)
    for ledger, record in newest[-lines:] if lines > 0 else ():
        show(ledger, record)
    if follow:
        import asyncio
        import contextlib

        async def go_on(ledger: "Ledger", seq: int) -> None:
            offset = reader.find(ledger.disk, ledger.path, seq).offset if seq else 0
            async for record in reader.follow(ledger.disk, ledger.path, offset=offset):
                if record.seq > seq:
                    show(ledger, record)

        async def go_on_all() -> None:
            heads = {ledger.product: reader.last(ledger.disk, ledger.path, 1) for ledger in found}
            shown = {ledger.product: record.seq for ledger, record in newest}
            seqs = {name: shown.get(name) or (head[-1].seq if head else 0) for name, head in heads.items()}
            await asyncio.gather(*(go_on(ledger, seqs[ledger.product]) for ledger in found))

        with contextlib.suppress(KeyboardInterrupt):
            loop(go_on_all())
    return Exit.DONE


@app.command
def verify(
    *,
    product: ProductOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Check every number and every hash of the chain."""
    from backstay.app.ledgers import verified
    from backstay.core.names import counted

    document, results = verified(_found(config, data_dir, product))
    if json:
        show_json(document)
        return Exit.DONE if document["ok"] else Exit.DAMAGED
    for ledger, result in results:
        if result.ok:
            name = f"{ledger.product}: " if len(results) > 1 else ""
            print(f"{name}{counted(result.records, 'record')}, all good. {result.detail}".strip())
        else:
            complain(
                f"{ledger.path} is damaged at record {result.first_bad}, after "
                f"{counted(result.records, 'good one')}: {result.detail}"
            )
    return Exit.DONE if document["ok"] else Exit.DAMAGED


@app.command
def replay(
    *,
    product: ProductOption = None,
    jobs: JobsOption = 0,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Fold the ledger again, take every decision again, and compare; also each snapshot with its records."""
    from backstay.app.ledgers import replayed

    document, differing = replayed(_found(config, data_dir, product), jobs)
    if json:
        show_json(document)
    else:
        for name, part in document["ledgers"].items():
            if len(document["ledgers"]) > 1:
                print(f"{name}:")
            for key, value in part.items():
                print(f"{key.replace('_', ' '):18} {value}")
    for text in differing:
        complain(text)
    return Exit.DEFECT if differing else Exit.DONE


@app.command
def rebuild(*, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Drop the database and the audit files (orders.csv, trades.csv, calls.csv, thinking.jsonl) and make them
    anew from the ledger. Refused while a process keeps them up to date.
    """
    from backstay.app.store import rebuild_alone
    from backstay.core.names import counted

    done = rebuild_alone(settings(config))
    if json:
        show_json({"store": done.where, "records": done.records, "rows": done.rows, "files": done.files})
    else:
        records = ", ".join(f"{counted(count, 'record')} of {name}" for name, count in done.records.items())
        print(f"{done.where}: rebuilt from {records or 'no ledger: it is empty'}")
        print("  ".join(f"{name} {count}" for name, count in done.rows.items()))
        if done.files:
            print("  ".join(f"{name} {size} bytes" for name, size in done.files.items()))
    return Exit.DONE


@app.command
def why(
    seq: Annotated[int, Parameter(help="Number of a record.")],
    /,
    *,
    product: ProductOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Explain one record: the story of its trade, what it followed from, what it led to."""
    from backstay.app.story import score_lines, story_of
    from backstay.core.scored import SignalScored
    from backstay.ledger import reader

    found = _found(config, data_dir, product)
    having = _with_record(found, seq)
    ledger = (having or found)[0]
    if len(having) > 1:
        complain(f"record {seq} of {ledger.product}; --product {having[1].product} shows the other {seq}")
    disk, path = ledger.disk, ledger.path
    chain = reader.causes(disk, path, seq)
    after = reader.consequences(disk, path, seq)
    story = story_of(disk, path, seq)
    body = chain[0].body
    score = list(score_lines(body)) if isinstance(body, SignalScored) else []
    if json:
        show_json(
            {
                "ledger": ledger.product,
                "record": _document(chain[0]),
                "causes": [_document(r) for r in chain[1:]],
                "consequences": [_document(r) for r in after],
                "trade": story.trade if story is not None else None,
                "story": [{"seq": x.seq, "at": x.at, "text": x.text} for x in story.lines] if story else [],
                "result": story.result if story is not None else "",
                "score": score,
            }
        )
        return Exit.DONE
    _tell(chain, after, story, score)
    return Exit.DONE


def _tell(chain: "list[Record]", after: "list[Record]", story: "Story | None", score: list[str]) -> None:
    """One record for people: `chain` begins with it and goes back to what made it happen."""
    import msgspec

    out = console()
    if story is not None:
        out.print(f"[bold]the trade {story.trade['id']}[/bold]", highlight=False)
        for line in story.lines:
            out.print(f"{line.seq:>8}  {line.at}  {line.text}", markup=False, soft_wrap=True)
        out.print(story.result, markup=False, soft_wrap=True)
    elif score:
        out.print("[bold]the score[/bold], which led to no trade")
        for text in score:
            out.print(text, markup=False, soft_wrap=True)
    for title, records in (
        ("because of", list(reversed(chain[1:]))),
        ("this record", chain[:1]),
        ("led to", after),
    ):
        if records:
            out.print(f"[bold]{title}[/bold]")
            for record in records:
                out.print(_line(record), markup=False)
    out.print("[bold]in full[/bold]")
    out.print(msgspec.json.format(msgspec.json.encode(chain[0].body), indent=2).decode(), markup=False)


def _with_record(found: "list[Ledger]", seq: int) -> "list[Ledger]":
    """The ledgers that have a record of this number."""
    from backstay.ledger import reader

    newest = {ledger.product: reader.last(ledger.disk, ledger.path, 1) for ledger in found}
    return [x for x in found if newest[x.product] and newest[x.product][-1].seq >= seq]
