"""What the desk's tests need: a switch and a gateway in this process, Debian's chromium, and desks in it.

Everything runs on one loop for the session, because starting a browser is what costs. A page that logs an error, or
whose security policy is violated, fails the test that it was opened in.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, async_playwright

from offhook.config import Config
from offhook.gateway import static
from offhook.gateway.app import Gateway, running
from offhook.switch.directory import SAMPLE_PASSWORD
from offhook.switch.server import Switch, SwitchConfig

HERE = Path(__file__).parent
CHROMIUM = Path(os.environ.get("OFFHOOK_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
]
SUPERVISOR = "1009"
TONES = {"1000": 850, "1001": 1150, "1002": 1450, "1003": 1750, "1009": 2050}
"""Hz of each agent's voice, where agents have voices."""
EARS = f"window.tones = {sorted(TONES.values())};\n{(HERE / 'ears.js').read_text(encoding='utf-8')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason=f"{CHROMIUM} is missing: apt-get install chromium")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM.exists():
                item.add_marker(missing)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Desk:
    """A desk in a page of its own, worked by what an agent sees: roles and names."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    extension: str = ""

    async def login(self, extension: str, password: str = SAMPLE_PASSWORD) -> Desk:
        self.extension = extension
        await self.page.goto(self.url)
        await self.page.get_by_label("Extension", exact=True).fill(extension)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.locator("[data-readiness=ready]").wait_for()
        return self

    async def dial(self, number: str) -> None:
        await self.page.get_by_label("Number or extension").first.fill(number)
        await self.page.get_by_role("button", name="Call", exact=True).click()

    def card(self, number: str | None = None, phase: str | None = None) -> Locator:
        """The card of the call with that number, in that phase."""
        which = f"article[data-phase={phase}]" if phase else "article[data-call]"
        card = self.page.locator(which)
        return card.filter(has=self.page.locator("h2", has_text=number)) if number else card

    async def press(self, card: Locator, name: str) -> None:
        await card.get_by_role("group").get_by_role("button", name=name, exact=True).click()

    async def tab(self, name: str) -> Locator:
        """The panel of that tab."""
        await self.page.get_by_role("tab", name=name).click()
        return self.page.get_by_role("tabpanel")

    async def until(self, condition: str, seconds: float = 10.0) -> None:
        """Until a condition holds in the page. It is looked at there: its policy lets nobody evaluate texts later."""
        waiting = f"""(seconds) => new Promise((done, fail) => {{
            const end = Date.now() + seconds * 1000;
            const look = () => {{
                if ({condition}) done();
                else if (Date.now() > end) fail(new Error("not so"));
                else requestAnimationFrame(look);
            }};
            look();
        }})"""
        await self.page.evaluate(waiting, seconds)

    async def hears(self, *others: Desk, seconds: float = 15.0) -> None:
        """Until exactly the voices of these are heard, measured in the page."""
        wanted = sorted(TONES[other.extension] for other in others)
        heard = await self.page.evaluate("([tones, seconds]) => ears.hear(tones, seconds)", [wanted, seconds])
        assert not heard, f"{self.extension} does not hear {wanted} Hz and no other, but {heard}"

    async def keeps_hearing(self, *others: Desk, seconds: float) -> None:
        """The same for so long."""
        await self.hears(*others)
        wanted = sorted(TONES[other.extension] for other in others)
        heard = await self.page.evaluate("([tones, seconds]) => ears.keep(tones, seconds)", [wanted, seconds])
        assert not heard, f"{self.extension} does not go on hearing {wanted} Hz and no other, but {heard}"

    async def sees(self, label: str, frames: int = 4, seconds: float = 15.0) -> None:
        """Until so many more frames were shown in the picture with that label: few, since a screen on which nothing
        moves is sent about once a second."""
        moving = await self.page.evaluate(
            "([label, frames, seconds]) => frames_of(label, frames, seconds)", [label, frames, seconds]
        )
        assert moving, f"{self.extension}: {label!r} does not move"

    async def said(self, text: str) -> None:
        """A live region says it."""
        await self.page.locator("#polite, #urgent").get_by_text(re.compile(text)).first.wait_for(state="attached")


@dataclass
class Stage:
    """Switch, gateway and the desks that were opened."""

    switch: Switch | None
    """None: a server of its own."""
    gateway: Gateway
    browser: Browser
    desks: list[Desk] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.gateway.health_url.removesuffix("healthz") + "desk/"

    async def open(self, browser: Browser | None = None, **options: Any) -> Desk:
        """A desk in a browser profile of its own, nobody logged in."""
        context = await (browser or self.browser).new_context(
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en"} | options
        )
        context.set_default_timeout(8000)
        self.contexts.append(context)
        desk = Desk(await context.new_page(), self.url)

        def hear(message: ConsoleMessage) -> None:
            if message.type == "error" or "Content Security Policy" in message.text:
                desk.problems.append(message.text)

        desk.page.on("console", hear)
        desk.page.on("pageerror", lambda error: desk.problems.append(str(error)))
        self.desks.append(desk)
        return desk

    async def desk(self, extension: str, **options: Any) -> Desk:
        return await (await self.open(**options)).login(extension)

    async def speaking(self, browser: Browser, extension: str) -> Desk:
        """A desk whose microphone is that browser's tone, and whose ears are measured; logged in."""
        desk = await self.open(browser, permissions=["microphone", "camera"])
        await desk.page.add_init_script(EARS)
        # A steady tone is noise to a filter: who tests it turns the filter off, by the desk's own setting.
        await desk.page.add_init_script("localStorage.setItem('offhook.desk', JSON.stringify({ processing: false }))")
        await desk.login(extension)
        await desk.until("navigator.mediaDevices && document.querySelector('[data-audio=here]')")
        return desk

    def problems(self) -> list[str]:
        return [problem for desk in self.desks for problem in desk.problems]

    async def close(self) -> None:
        for context in self.contexts:
            await context.close()


@contextlib.asynccontextmanager
async def _staged(browser: Browser, **options: Any) -> AsyncIterator[Stage]:
    switch = Switch(SwitchConfig(host="127.0.0.1", ws_port=0, media="local"))
    await switch.start()
    try:
        given: dict[str, Any] = {"sip": (switch.ws_url,), "media": "null", "supervisor": (SUPERVISOR,), "grace": 1.0}
        config = Config(**(given | {"listen": "127.0.0.1:0"} | options))
        async with running(Gateway(config)) as gateway:
            stage = Stage(switch, gateway, browser)
            try:
                yield stage
            finally:
                await stage.close()
    finally:
        await switch.stop()


@pytest.fixture(scope="session")
def tones() -> dict[str, int]:
    """`TONES`."""
    return TONES


@pytest.fixture(scope="session")
def stage_of() -> type[Stage]:
    """`Stage`, for who has a gateway already."""
    return Stage


@pytest.fixture
def staged() -> Callable[..., contextlib.AbstractAsyncContextManager[Stage]]:
    """A stage with other settings of the gateway."""
    return _staged


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pages() -> AsyncIterator[str]:
    """The desk's files as the gateway serves them, without a gateway; the address of their folder."""
    app = web.Application()
    app.router.add_get("/{path:.*}", static.Pages().serve)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/desk/"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def blank(browser: Browser, pages: str) -> AsyncIterator[Page]:
    """A page at the desk's origin and under its policy, to which this folder's modules are at hand: the log-in page."""
    context = await browser.new_context(locale="en", reduced_motion="reduce")
    page = await context.new_page()
    for name in ("cases.mjs", "gallery.mjs"):
        body = (HERE / name).read_text(encoding="utf-8")
        await page.route(f"**/desk/{name}", functools.partial(_fulfil, body=body))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    await page.goto(pages)
    await page.get_by_role("button", name="Log in").wait_for()
    yield page
    await context.close()
    assert problems == []


async def _fulfil(route: Route, body: str) -> None:
    await route.fulfill(body=body, content_type="text/javascript")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(browser: Browser) -> AsyncIterator[Stage]:
    async with _staged(browser) as stage:
        yield stage
        assert stage.problems() == []
