"""The results as Markdown: one line per case, three columns per client, and a line of sums."""

from collections.abc import Iterable, Mapping
from typing import Any

HEAD = ("naked", "dup / orph", "recovered")


def seconds(ms: float) -> str:
    """0, "45 ms", "3.2 s"."""
    if not ms:
        return "0"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def cells(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Naked time, duplicates / orphans, recovered. Without a verdict: dashes, and why."""
    verdict = row["verdict"]
    if verdict is None:
        return "-", "-", f"not tried: {row['why']}"
    told = "yes" if verdict["recovered"] else "**no**"
    remarks = [verdict["position"]] if verdict["position"] != "guarded" else []
    if verdict["foreign"]:
        remarks.append(f"{verdict['foreign']} foreign touched")
    remarks += verdict["notes"]
    counts = f"{verdict['duplicates']} / {verdict['orphans']}"
    return seconds(verdict["naked_ms"]), counts, ", ".join([told, *remarks])


def sums(rows: Iterable[Mapping[str, Any]]) -> tuple[str, str, str]:
    """Of one client: total naked time, duplicates / orphans, cases recovered of cases tried."""
    tried = [row["verdict"] for row in rows if row["verdict"] is not None]
    naked = sum(v["naked_ms"] for v in tried)
    counts = f"{sum(v['duplicates'] for v in tried)} / {sum(v['orphans'] for v in tried)}"
    return seconds(naked), counts, f"{sum(1 for v in tried if v['recovered'])} of {len(tried)}"


def render(document: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """The whole document as Markdown text; clients in the order of their first row."""
    rows = document["rows"]
    clients = list(dict.fromkeys(row["client"] for row in rows))
    by_case: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_case.setdefault(row["case"], {})[row["client"]] = row
    header = ["case", *(f"{client}: {name}" for client in clients for name in HEAD)]
    lines = [_line(header), _line(["---"] * len(header))]
    for case, found in by_case.items():
        cut = [cells(found[c]) if c in found else ("", "", "") for c in clients]
        lines.append(_line([titles.get(case, case), *(cell for three in cut for cell in three)]))
    total = [sums(row for row in rows if row["client"] == client) for client in clients]
    lines.append(_line(["**all that were tried**", *(cell for three in total for cell in three)]))
    about = document["about"]
    lines += ["", f"{about['date']}, {about['machine']}."]
    for client, versions in about["versions"].items():
        lines.append(f"{client}: {', '.join(f'{name} {v}' for name, v in versions.items())}.")
    lines += [f"{peer}: not driven, {why}." for peer, why in document["not_driven"].items()]
    return "\n".join(lines)


def _line(values: Iterable[str]) -> str:
    return "| " + " | ".join(values) + " |"
