"""The desk in browser windows: addresses that log in by themselves, and two windows that call each other as a proof.

The proof needs Debian's chromium and the package playwright, which drives it; without them it says what is missing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt

from offhook.config import Config
from offhook.gateway.app import Gateway, running

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

TOKEN_SECONDS = 3600.0
"""How long an address logs in, and a desk that came by it stays in."""
STEP_SECONDS = 10.0
"""That a window has for each step of the proof."""
ISSUER = "offhook-demo"
FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # To a gateway on loopback; otherwise Chromium leaves its addresses out.
    "--allow-loopback-in-peer-connection",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--mute-audio",
)

EAR = """
window.offhookDemo = [];
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { offhookDemo.push(this); return play.call(this); };
"""
"""Before a page's own scripts: notes what plays."""
HEARD = """(milliseconds) => new Promise((done) => {
  const end = Date.now() + milliseconds;
  const arrives = (element) => element.srcObject?.getAudioTracks().some((track) => !track.muted);
  const look = () => {
    if (offhookDemo.some(arrives)) done(true);
    else if (Date.now() > end) done(false);
    else setTimeout(look, 50);
  };
  look();
})"""
"""Whether audio arrives in a page: a track is muted until it does."""


class Unproved(Exception):
    """The windows could not be opened here; the text says why, and what helps."""


@dataclass(frozen=True)
class DeskGateway:
    """A gateway whose agents have their audio in pages, on loopback, and a secret for tokens that it takes."""

    gateway: Gateway
    secret: bytes = field(repr=False)

    @property
    def page(self) -> str:
        """The address of the desk."""
        return self.gateway.health_url.removesuffix("healthz") + "desk/"

    def link(self, extension: str) -> str:
        """An address of the desk that logs that extension in, for `TOKEN_SECONDS`. It is a secret."""
        claims = {
            "iss": ISSUER,
            "aud": self.gateway.config.token_audience,
            "exp": time.time() + TOKEN_SECONDS,
            "extension": extension,
        }
        return f"{self.page}#token={jwt.encode(claims, self.secret, algorithm='HS256')}"


@asynccontextmanager
async def desk_gateway(sip: str, password: str, folder: Path) -> AsyncIterator[DeskGateway]:
    """A gateway for desks on a free port, whose extensions at that server all have that password.

    The secret of its tokens and the password are written into `folder`, for its owner alone.
    """
    secret = secrets.token_hex(32).encode()
    key, static = folder / "token.key", folder / "password"
    for path, content in ((key, secret), (static, f"{password}\n".encode())):
        path.touch(mode=0o600)
        path.write_bytes(content)
    config = Config(
        listen="127.0.0.1:0",
        sip=(sip,),
        media="browser",
        password_source=f"static:{static}",
        token_key=(f"demo=HS256:{key}",),
        token_issuer=ISSUER,
    )
    async with running(Gateway(config)) as gateway:
        yield DeskGateway(gateway, secret)


async def look_at_page(url: str) -> None:
    """Fetch the desk's page. Raises AssertionError where it is not served."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
        assert answer.status == 200, f"the desk's page is answered {answer.status}"
        assert "desk.mjs" in text, "what is served as the desk's page is something else"


async def call_each_other(links: dict[str, str], say: Callable[[str], None]) -> None:
    """Two windows, opened at these addresses by extension: the first calls the second, they talk, and it hangs up.

    Raises `Unproved` where there is no browser here, AssertionError where something does not come about.
    """
    chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if chromium is None:
        raise Unproved("chromium is not installed: apt-get install chromium")
    try:
        from playwright.async_api import Error, async_playwright  # for development alone
    except ImportError:
        raise Unproved("the package playwright is not installed: pip install 'offhook[dev]'") from None
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *sandbox])
        except Error as problem:
            raise Unproved(f"chromium does not start: {problem.message.splitlines()[0]}") from None
        stage = ""

        def begin(words: str) -> None:
            nonlocal stage
            stage = words
            say(words)

        try:
            await _call(browser, links, begin)
        except Error as problem:
            raise AssertionError(f"{stage}: {problem.message.splitlines()[0]}") from None
        finally:
            await browser.close()


async def _call(browser: Browser, links: dict[str, str], say: Callable[[str], None]) -> None:
    (caller, her_link), (called, his_link) = links.items()
    windows: dict[str, Page] = {}
    for extension, link in ((caller, her_link), (called, his_link)):
        say(f"window of {extension}: opened by its address, it logs in")
        context = await browser.new_context(permissions=["microphone"], locale="en")
        context.set_default_timeout(STEP_SECONDS * 1000)
        windows[extension] = page = await context.new_page()
        await page.add_init_script(EAR)
        await page.goto(link)
        await page.locator("[data-readiness=ready]").wait_for()
    hers, his = windows[caller], windows[called]
    say(f"window of {caller}: calls {called}")
    await hers.get_by_label("Number or extension").first.fill(called)
    await hers.get_by_role("button", name="Call", exact=True).click()
    say(f"window of {called}: rings, and answers")
    await _press(his, "ringing", "Answer")
    for extension, page in windows.items():
        await page.locator("article[data-phase=active]").wait_for()
        heard = await page.evaluate(HEARD, STEP_SECONDS * 1000)
        assert heard, f"window of {extension}: no audio comes"
        say(f"window of {extension}: the call is up, and audio comes")
    say(f"window of {caller}: hangs up")
    await _press(hers, "active", "Hang up")
    for page in windows.values():
        await page.locator("article[data-phase=active]").wait_for(state="detached")


async def _press(page: Page, phase: str, name: str) -> None:
    card: Any = page.locator(f"article[data-phase={phase}]")
    await card.get_by_role("group").get_by_role("button", name=name, exact=True).click()
