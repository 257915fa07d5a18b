"""Click to call: by the page that shows the desk in a frame, and by no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import expect

from offhook.testing.desk import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.story("18 Click To Call")]

Desk = Any  # of ../conftest.py
House = Any  # of conftest.py

CRM = """<!doctype html><title>CRM</title>
<script>
  function dial(desk, number) {
    desk.postMessage({ callType: "audio", Destination_Number: number, calledNumber: number, SourceType: "CTI" }, "*");
  }
</script>"""


@asynccontextmanager
async def crm() -> AsyncIterator[str]:
    """An origin with a page of a customer database."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=CRM, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def log_in(frame: Any, extension: str) -> None:
    await frame.get_by_label("Extension", exact=True).fill(extension)
    await frame.get_by_label("Password").fill("1234")
    await frame.get_by_role("button", name="Log in").click()
    await frame.locator("[data-audio=here]").wait_for()


async def test_the_page_that_shows_the_desk(alice: Desk, another_house: Any, browser_of: Any) -> None:
    async with crm() as friend:
        other = await another_house(allow_origin=(friend,))
        desk = await other.stage.open(await browser_of("1003"), permissions=["microphone"])
        await desk.page.goto(friend)
        show = """(url) => {
            const frame = document.createElement("iframe");
            Object.assign(frame, { src: url, allow: "microphone; autoplay", width: 400, height: 700 });
            document.body.append(frame);
        }"""
        await desk.page.evaluate(show, other.stage.url)
        frame = desk.page.frame_locator("iframe")
        await log_in(frame, "1003")
        await desk.page.evaluate("dial(frames[0], '1000')")
        await alice.press(alice.card("1003", "ringing"), "Answer")
        await frame.locator("article[data-phase=active]").wait_for()
        await alice.press(alice.card("1003", "active"), "Hang up")
        await frame.locator("article[data-phase=ended]").wait_for()


async def test_no_other_page(
    house: House, another_house: Any, browser_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Another page cannot show the desk in a frame; and what it says to a window that it has opened is refused."""
    async with crm() as stranger, crm() as friend:
        other = await another_house(allow_origin=(friend,))
        desk = await other.stage.open(await browser_of("1003"), permissions=["microphone"])
        await desk.page.goto(stranger)
        async with desk.page.expect_popup() as opening:
            await desk.page.evaluate("(url) => { window.desk = window.open(url); }", other.stage.url)
        window = await opening.value
        await log_in(window, "1003")
        async with window.expect_console_message(lambda said: "refused" in said.text) as said:
            await desk.page.evaluate("dial(window.desk, '1000')")
        assert f"click to call from {stranger} refused" in (await said.value).text
        await expect(window.locator("article")).to_have_count(0)

        async def logged() -> bool:
            return stranger in caplog.text

        await until(logged, "the refusal in the gateway's log")
        async with desk.page.expect_console_message(lambda said: "frame-ancestors" in said.text) as refusal:
            await desk.page.evaluate(
                "(url) => document.body.append(Object.assign(document.createElement('iframe'), { src: url }))",
                other.stage.url,
            )
        await asyncio.wait_for(refusal.value, 10)
        assert await house.server.channels() == 0


async def test_who_opened_the_window_has_no_hold_of_it(another_house: Any, browser_of: Any) -> None:
    """Where no other origin is allowed, the desk's window is cut off from the page that opened it."""
    async with crm() as stranger:
        other = await another_house()
        desk = await other.stage.open(await browser_of("1003"))
        await desk.page.goto(stranger)
        async with desk.page.expect_popup() as opening:
            await desk.page.evaluate("(url) => { window.desk = window.open(url); }", other.stage.url)
        await (await opening.value).get_by_role("button", name="Log in").wait_for()
        assert await desk.page.evaluate("window.desk.closed")
