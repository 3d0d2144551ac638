"""News for the scores: a schedule that is checked, and a feed that may be away or send rubbish."""

import asyncio
import json

import pytest

from backstay.app.errors import ConfigError
from backstay.app.headlines import Headlines, read_windows
from backstay.core.types import SECOND
from backstay.marketdata.news import NewsDesk
from backstay.runtime.virtual_time import run_virtual
from backstay.signals.news import WindowEffect

NOW = 1_790_000_000 * SECOND


def schedule(folder, text):
    path = folder / "news.yaml"
    path.write_text(text)
    return path


def test_a_schedule_is_read_with_times_as_people_write_them(tmp_path):
    path = schedule(
        tmp_path,
        """
windows:
  - {name: rates, start: "2026-09-21T19:00:00Z", end: "2026-09-21T21:00:00+00:00"}
  - {name: unlock, start: 2026-09-22T00:00:00, end: 2026-09-23T00:00:00, symbols: [AUSDT], effect: damp}
""",
    )
    rates, unlock = read_windows(path)
    assert rates.end - rates.start == 7200 * SECOND
    assert unlock.effect is WindowEffect.DAMP
    assert unlock.start - rates.start == 5 * 3600 * SECOND
    desk = NewsDesk((rates, unlock))
    assert desk.outlook("BUSDT", rates.start).blocked_by == "rates"
    assert desk.outlook("AUSDT", unlock.start).damping == 0.5
    assert read_windows(None) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("windows: [{name: x, start: soon, end: later}]", "window 1: 'soon' is not a time; write 2026"),
        (
            "windows: [{name: x, start: 1, end: 2, effect: blok}]",
            "effect 'blok' is not known; write block or damp",
        ),
        ("windows: [{name: x, start: 2026-01-02T00:00:00, end: 2026-01-01T00:00:00}]", "not after its start"),
        ("windows: 3", "a schedule is a list"),
        ("windos: []", "windos"),
        ("windows: [{name: x, start: 1, end: 2, kind: block}]", "window 1"),
    ],
)
def test_a_schedule_with_a_mistake_is_one_clear_error(tmp_path, text, told):
    with pytest.raises(ConfigError, match=told) as error:
        read_windows(schedule(tmp_path, text))
    assert "news.yaml" in str(error.value)


def looking(path, script):
    words, desk = [], NewsDesk()

    def main(clock):
        async def go():
            feed = Headlines(str(path), desk, every=60 * SECOND, now_ns=clock.now_ns, tell=words.append)
            await script(feed)

        return go()

    run_virtual(main, start_ns=NOW)
    return words, desk


def test_only_what_is_new_since_the_first_look_counts(tmp_path):
    path = tmp_path / "feed.json"
    path.write_text(json.dumps([{"text": "exchange hacked"}]))

    async def script(feed):
        feed.start()
        await asyncio.sleep(30)
        path.write_text(json.dumps([{"title": "fund approved, record inflows"}, {"text": "exchange hacked"}]))
        await asyncio.sleep(60)
        await feed.stop()

    words, desk = looking(path, script)
    assert words == []
    later = desk.outlook("BTCUSDT", NOW + 120 * SECOND)
    assert later.headlines == 1
    assert later.pressure > 0
    assert desk.outlook("BTCUSDT", NOW + 10 * SECOND).headlines == 0


def test_a_feed_that_is_away_or_sends_rubbish_is_told_once_and_changes_no_score(tmp_path):
    path = tmp_path / "feed.json"

    async def script(feed):
        for body in (None, None, "<html>", '{"a": 1}', "[1, {}]", "[]"):
            if body is not None:
                path.write_text(body)
            await feed.look()
        await feed.stop()

    words, desk = looking(path, script)
    assert len(words) == 5
    assert "No such file" in words[0]
    assert "not JSON" in words[1]
    assert "not a list" in words[2]
    assert "no headline: not a mapping" in words[3]
    assert words[4] == "the news feed is back"
    assert desk.outlook("BTCUSDT", NOW).headlines == 0


def test_a_web_feed_that_nobody_serves_is_told(tmp_path):
    async def script():
        words = []
        feed = Headlines(
            "http://127.0.0.1:9/", NewsDesk(), every=SECOND, now_ns=lambda: NOW, tell=words.append
        )
        await feed.look()
        await feed.stop()
        return words

    (told,) = asyncio.run(script())
    assert "cannot be read" in told
