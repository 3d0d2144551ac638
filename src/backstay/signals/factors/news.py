"""News: what the headlines of the last hours sum up to. Scheduled windows are `backstay.signals.news`.

Score and confidence are those of the headlines (`Outlook.pressure`, `Outlook.belief`); without a feed both
are 0 and nothing changes.
"""

from backstay.signals.factors.base import Factor, Figures, Inputs, Marks, Ops, Row, settled

INPUTS = ("news_pressure", "news_belief", "news_damping", "news_blocked")


def evaluate(x: Inputs, f: Figures, ops: Ops) -> Marks:
    return settled(x["news_pressure"], x["news_belief"], ops)


def sentence(x: Row, f: Figures) -> str:
    if x["news_blocked"]:
        return "a scheduled event forbids entries"
    damped = (
        f"; a scheduled event leaves {x['news_damping']:.0%} of all confidence"
        if x["news_damping"] < 1
        else ""
    )
    if not x["news_belief"]:
        return f"no headline counts{damped}"
    mood = "good" if x["news_pressure"] > 0 else "bad" if x["news_pressure"] < 0 else "mixed"
    return f"the latest headlines are {mood} ({x['news_pressure']:+.2f}){damped}"


NEWS = Factor("news", INPUTS, evaluate, sentence)
