"""A private event of the venue in words, for stories."""

from typing import Any


def frame_words(frame: dict[str, Any]) -> str:
    """One line."""
    kind = frame["e"]
    if kind == "ACCOUNT_UPDATE":
        rows = ", ".join(f"{p['s']} {p['ps']} {p['pa']} at {p['ep']}" for p in frame["a"].get("P", ()))
        return f"position {rows or '(balances)'} [{frame['a'].get('m')}]"
    o = frame.get("o", {})
    name = o.get("caid") or o.get("c") or ""
    where = o.get("tp") if kind == "ALGO_UPDATE" else o.get("p")
    rest = f"{o.get('s')} {o.get('ps')} {o.get('S')} {o.get('o')} {o.get('q')} at {where} z={o.get('z', '')}"
    return f"{kind} {o.get('x', '')}/{o.get('X', '')} {name} {rest} {o.get('rm', '')}".rstrip()
