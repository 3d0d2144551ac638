"""One real browser for all tests of the page; they are skipped where there is none."""

import asyncio
import os
import shutil

import pytest

from backstay.dashboard.server import serve_page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def browser_path():
    names = (os.environ.get("BACKSTAY_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser():
    """The loop that the browser is talked to from, and the browser: to start one takes seconds."""
    path = browser_path()
    if path is None:
        pytest.skip("no Chromium found (BACKSTAY_CHROMIUM names one)")
    from playwright.async_api import async_playwright

    with asyncio.Runner() as runner:
        starting = async_playwright()
        playwright = runner.run(starting.__aenter__())
        try:
            started = runner.run(playwright.chromium.launch(executable_path=path, args=FLAGS))
            yield runner, started
            runner.run(started.close())
        finally:
            runner.run(starting.__aexit__())


@pytest.fixture
def looked_at(browser):
    """Opens the page in a window of a size and hands it to `talk`; errors on the page fail the test."""
    runner, started = browser

    async def look(talk, snapshot, width, height):
        served = await serve_page("127.0.0.1", 0, snapshot, chosen_by="dashboard.port")
        wrong = []
        try:
            # A context of its own: nothing of another test's page is remembered in it.
            async with await started.new_context(viewport={"width": width, "height": height}) as context:
                window = await context.new_page()
                window.on("pageerror", lambda error: wrong.append(str(error)))
                window.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
                await window.goto(served.url)
                await window.wait_for_selector("body[data-life=alive]")
                assert wrong == []
                await talk(window, served)
        finally:
            await served.close()

    return lambda *given: runner.run(look(*given))
