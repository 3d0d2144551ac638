import asyncio
import json
import socket

import aiohttp
import pytest

from backstay.dashboard.server import PageError, serve_page


def served(talk, snapshot=lambda: {"status": {"mode": "PAPER"}, "positions": []}):
    async def run():
        page = await serve_page("127.0.0.1", 0, snapshot, chosen_by="dashboard.port")
        try:
            async with aiohttp.ClientSession() as session:
                return await talk(session, page)
        finally:
            await page.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "text/html"),
        ("app.js", "text/javascript"),
        ("style.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_the_page_comes_from_this_machine_alone(name, kind):
    async def talk(session, page):
        async with session.get(page.url + name) as answer:
            text = await answer.text()
            assert answer.status == 200
            assert answer.content_type == kind
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "https://" not in text
            assert text.count("http://") == text.count("http://www.w3.org/2000/svg")

    served(talk)


def test_the_state_is_told_at_once_and_again():
    count = iter(range(100))

    async def talk(session, page):
        async with session.get(f"{page.url}events") as answer:
            assert answer.content_type == "text/event-stream"
            first = await asyncio.wait_for(answer.content.readline(), 5)
            assert first.startswith(b"data: ")
            await answer.content.readline()
            second = await asyncio.wait_for(answer.content.readline(), 5)
            assert json.loads(first[6:])["n"] < json.loads(second[6:])["n"]

    served(talk, lambda: {"n": next(count)})


def test_another_sites_name_for_this_machine_is_not_answered():
    async def talk(session, page):
        async with session.get(
            f"{page.url}snapshot", headers={"Host": f"evil.example:{page.port}"}
        ) as answer:
            assert answer.status == 403
        async with session.get(f"{page.url}snapshot", headers={"Host": f"localhost:{page.port}"}) as answer:
            assert answer.status == 200

    served(talk)


def test_only_the_pages_files_are_served():
    async def talk(session, page):
        for path in ("server.py", "..%2fserver.py", "page/app.js"):
            async with session.get(page.url + path) as answer:
                assert answer.status == 404

    served(talk)


def test_a_port_in_use_is_named_with_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PageError, match=f"port {port} .*in use.*\\(--port\\)") as refused:
            asyncio.run(serve_page("127.0.0.1", port, dict, chosen_by="--port"))
    assert refused.value.exit_code == 2
