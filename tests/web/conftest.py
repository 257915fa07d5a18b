"""Chromium for the tests of what runs in pages: one process an agent, each with its own microphone.

The microphone is a WAV file of a tone (Chromium's fake device), the camera its moving test picture, the screen is
chosen without a question. Audio between pages and server is real WebRTC over loopback. Where there is no chromium or
no playwright, the tests are skipped with that reason; tools/setup installs both.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import wave
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from math import pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from offhook.config import Config
from offhook.gateway.app import Gateway, running
from offhook.switch.server import Switch, SwitchConfig

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Playwright, Route

PASSWORD = "1234"  # the development switch's and test-config.py's, on loopback
RATE = 48000

FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    # To a server on loopback; otherwise Chromium leaves its addresses out.
    "--allow-loopback-in-peer-connection",
    # The pages of these tests come from the test, of no address, and may not reach loopback without a question.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    "--disable-gpu",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
]

PAGE = """<!doctype html><meta charset="utf-8"><title>test</title><body>
<script type="module">
import * as offhook from "/offhook.mjs";

window.offhook = offhook;
</script>
"""

LISTEN = """
// What is heard: the strongest frequency of a stream and its level, measured in this page.
window.ears = new Map();
window.hear = (stream) => {
  const track = stream && stream.getAudioTracks()[0];
  if (!track) return null;
  if (!ears.has(track)) {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    ears.set(track, { context, analyser });
  }
  const { context, analyser } = ears.get(track);
  if (context.state !== "running") { context.resume(); return null; }
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let best = 0;
  for (let at = 1; at < bins.length; at += 1) if (bins[at] > bins[best]) best = at;
  return { hz: best * context.sampleRate / analyser.fftSize, level: bins[best] };
};
window.hears = (stream, hz) => {
  const heard = hear(stream);
  return heard !== null && heard.level > -60 && Math.abs(heard.hz - hz) < 15;
};
window.silent = (stream) => {
  const heard = hear(stream);
  return heard !== null && heard.level < -70;
};
"""


def chromium() -> str | None:
    """The browser, by $CHROMIUM or its names on Debian and elsewhere."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)


def write_tone(path: Path, hz: float, seconds: float = 2.0) -> None:
    """A WAV file of a sine; whole periods, so that it can be repeated without a click."""
    samples = array("h", (round(16000 * sin(2 * pi * hz * at / RATE)) for at in range(int(RATE * seconds))))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


@pytest.fixture
def tone_file() -> Callable[[Path, float], None]:
    """`write_tone`, for who changes what a microphone says."""
    return write_tone


@pytest.fixture
async def playwright() -> AsyncIterator[Playwright]:
    if chromium() is None:
        pytest.skip("needs chromium: apt-get install chromium, or set CHROMIUM to one")
    api = pytest.importorskip("playwright.async_api", reason="needs playwright: pip install -e '.[dev]'")
    async with api.async_playwright() as playwright:
        yield playwright


async def launch(playwright: Playwright, folder: Path, hz: float, *flags: str) -> Browser:
    """A process with a tone as its microphone; the tone is a file in that folder."""
    tone = folder / f"{hz:g}.wav"
    write_tone(tone, hz)
    given = [*FLAGS, f"--use-file-for-fake-audio-capture={tone}", *flags]
    if os.geteuid() == 0:
        given.append("--no-sandbox")
    return await playwright.chromium.launch(executable_path=chromium(), args=given)


@pytest.fixture(scope="session")
def launch_browser() -> Callable[..., Awaitable[Browser]]:
    """`launch`, for who keeps browsers longer than a test."""
    return launch


StartBrowser = Callable[..., Awaitable["Browser"]]


@pytest.fixture
async def start_browser(playwright: Playwright, tmp_path: Path) -> AsyncIterator[StartBrowser]:
    """Starts a process with a tone as its microphone, for a test."""
    async with AsyncExitStack() as stack:

        async def start(hz: float, *flags: str) -> Browser:
            browser = await launch(playwright, tmp_path, hz, *flags)
            stack.push_async_callback(browser.close)
            return browser

        yield start


@dataclass
class Ground:
    """A gateway whose agents have their audio in pages, and the server behind it."""

    gateway: Gateway
    server: str
    """`switch` or `freeswitch`."""
    switch: Switch | None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"


@asynccontextmanager
async def _sip(name: str) -> AsyncIterator[tuple[str, Switch | None]]:
    if name == "switch":
        switch = Switch(SwitchConfig(ws_port=0, media="local"))
        await switch.start()
        try:
            yield switch.ws_url, switch
        finally:
            await switch.stop()
    else:
        yield os.environ["OFFHOOK_FREESWITCH"], None


@pytest.fixture
def gateway_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of the gateway, beside those that all tests share."""
    return dict(getattr(request.node.get_closest_marker("gateway"), "kwargs", {}))


@pytest.fixture(params=["switch", pytest.param("freeswitch", marks=pytest.mark.freeswitch)])
async def ground(request: pytest.FixtureRequest, gateway_options: dict[str, Any]) -> AsyncIterator[Ground]:
    if request.param == "freeswitch" and "OFFHOOK_FREESWITCH" not in os.environ:
        pytest.skip("needs a real FreeSWITCH: set OFFHOOK_FREESWITCH=ws://HOST:PORT (see tests/scenarios/README.md)")
    async with _sip(request.param) as (url, switch):
        given = {"listen": "127.0.0.1:0", "sip": (url,), "domain": "127.0.0.1", "media": "browser"} | gateway_options
        async with running(Gateway(Config(**given))) as gateway:
            yield Ground(gateway, request.param, switch)


class Seat:
    """An agent before a page: what the page knows is asked of it, what is to come is waited for."""

    def __init__(self, ground: Ground, page: Page) -> None:
        self.ground = ground
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda problem: self.said.append(str(problem)))

    async def open(self, html: str = PAGE, path: str = "/test.html", origin: str | None = None) -> None:
        """A page of that text at the gateway's origin, or another."""
        await serve_at(self.page, html, path)
        await self.page.add_init_script(LISTEN)
        await self.page.goto(f"{origin or self.ground.origin}{path}")

    async def login(self, extension: str) -> None:
        await self.page.wait_for_function("window.offhook")
        await self.page.evaluate(
            """async ([extension, password]) => {
                window.heard = [];
                window.told = [];
                window.agent = new offhook.Agent();
                agent.addEventListener("event", (event) => heard.push(event.detail));
                for (const name of ["warning", "device", "blocked", "unblocked", "relay", "audio"]) {
                  const note = (event) => told.push([name, event.detail && JSON.parse(JSON.stringify(event.detail))]);
                  agent.media.addEventListener(name, note);
                }
                await agent.media.use({ processing: false });
                await agent.login(extension, password);
            }""",
            [extension, PASSWORD],
        )
        await self.page.wait_for_function("agent.media.held")

    async def run(self, script: str, *given: Any) -> Any:
        """A function of the page; `call` in it is the id of the only call."""
        text = f"async (given) => {{ const call = [...agent.calls.keys()][0]; {script} }}"
        return await self.page.evaluate(text, list(given))

    async def until(self, condition: str, *given: Any, timeout: float = 20) -> None:
        """Until a condition of the page holds; `call` and `remote` are of the only call."""
        from playwright.async_api import TimeoutError as TooLate  # here, for it may be missing

        text = f"""(given) => {{
            const call = [...agent.calls.keys()][0];
            const remote = call && agent.media.streams(call) ? agent.media.streams(call).remote : null;
            return {condition};
        }}"""
        try:
            await self.page.wait_for_function(text, arg=list(given), timeout=timeout * 1000, polling=50)
        except TooLate:
            state = await self.page.evaluate(
                """() => ({
                    heard: heard.slice(-8).map(({event, response}) =>
                        [event, response?.dialog?.state, response?.description]),
                    told, levels: [...ears.keys()].length,
                    hears: [...agent.calls.keys()].map((call) => hear(agent.media.streams(call)?.remote)),
                           figures: [...agent.calls.keys()].map((call) => agent.media.stats(call))})"""
            )
            raise AssertionError(f"not so: {condition}\n{state}\n{self.said}") from None

    async def state(self, wanted: str) -> None:
        await self.until("call && agent.calls.get(call).state === given[0]", wanted)

    async def hears(self, hz: float) -> None:
        await self.until("hears(remote, given[0])", hz)

    async def silence(self) -> None:
        await self.until("silent(remote)")


async def serve_at(page: Page, html: str, path: str) -> None:
    """A page of the test's own at any origin."""

    async def fulfil(route: Route) -> None:
        if urlsplit(route.request.url).path == path:
            await route.fulfill(content_type="text/html", body=html)
        else:
            await route.fallback()

    await page.route(f"**{path}*", fulfil)


@pytest.fixture
def serve() -> Callable[..., Awaitable[None]]:
    """For tests that open pages themselves."""
    return serve_at


@pytest.fixture
def listen() -> str:
    """The script that measures what is heard."""
    return LISTEN


SeatAt = Callable[..., Awaitable[Seat]]


@pytest.fixture
async def seat(ground: Ground, start_browser: StartBrowser) -> SeatAt:
    """Seats an agent before a browser of its own, with a tone for a voice, and logs in."""

    async def seat(extension: str, hz: float, *flags: str) -> Seat:
        browser = await start_browser(hz, *flags)
        context = await browser.new_context(permissions=["microphone", "camera"])
        seat = Seat(ground, await context.new_page())
        await seat.open()
        await seat.login(extension)
        return seat

    return seat


@pytest.fixture
async def pair(seat: SeatAt) -> tuple[Seat, Seat]:
    """Alice speaks at 600 Hz, Bob at 1000 Hz."""
    alice, bob = await asyncio.gather(seat("1000", 600.0), seat("1001", 1000.0))
    return alice, bob


async def connect(alice: Seat, bob: Seat) -> None:
    """Alice calls Bob, and both hear each other."""
    await alice.run("await agent.dial('1001')")
    await bob.state("ALERTING")
    await bob.run("await agent.answer(call)")
    await asyncio.gather(alice.state("ACTIVE"), bob.state("ACTIVE"))
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))


@pytest.fixture
async def call(pair: tuple[Seat, Seat]) -> AsyncIterator[tuple[Seat, Seat]]:
    """A call between them."""
    alice, bob = pair
    await connect(alice, bob)
    yield alice, bob
