"""The stories of the contract by the desk's own buttons, with voices: each agent in a browser process of its own.

Browsers and log-ins are kept from story to story, because starting them is what costs; after each nobody may have a
call left. Servers and results (for docs/reference/desk-stories.md) are those of tests/scenarios.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, async_playwright

from offhook.config import Config
from offhook.gateway.app import Gateway, running
from offhook.testing.desk import until

HERE = Path(__file__).parent
AGENTS = {"alice": "1000", "bob": "1001", "carol": "1002", "boss": "1009"}
Stage = Any  # of ../conftest.py
Desk = Any


def _scenarios() -> Any:
    place = HERE.parents[2] / "scenarios" / "conftest.py"
    spec = importlib.util.spec_from_file_location("offhook_scenarios", place)
    assert spec is not None and spec.loader is not None
    module = sys.modules["offhook_scenarios"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scenarios = _scenarios()
pytest_runtest_logreport = scenarios.pytest_runtest_logreport
pytest_sessionfinish = scenarios.pytest_sessionfinish


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        story, call = item.get_closest_marker("story"), getattr(item, "callspec", None)
        if item.get_closest_marker("slow") and os.environ.get("OFFHOOK_SLOW") != "1":
            continue  # it tells nothing, and takes nothing back
        if HERE in item.path.parents and story is not None and call is not None:
            item.user_properties += [("story", story.args[0]), ("server", f"desk-{call.params['house']}")]


class House:
    """A telephone server, a gateway whose agents have their audio in pages, and the desks of those who work there."""

    def __init__(self, server: Any, stage: Stage, browser_of: Callable[[str], Awaitable[Browser]]) -> None:
        self.server = server
        self.stage = stage
        self._browser_of = browser_of
        self.desks: dict[str, Desk] = {}

    async def desk(self, extension: str) -> Desk:
        """That agent's desk, logged in."""
        if extension not in self.desks:
            self.desks[extension] = await self.stage.speaking(await self._browser_of(extension), extension)
        return self.desks[extension]

    async def leave(self, desk: Desk) -> None:
        """That desk is closed; the next story has another."""
        del self.desks[desk.extension]
        await desk.page.context.close()

    async def tidy(self) -> list[str]:
        """What is left of a story; the desks are as they were before it."""
        left = []
        for extension, desk in list(self.desks.items()):
            for call in await desk.page.locator("article[data-call]:not([data-phase=ended])").all():
                left.append(f"{extension}: {await call.get_attribute('aria-label')}")
            left += [f"{extension}: {problem}" for problem in desk.problems]
            away = (
                "document.querySelectorAll('article [data-do=dismiss], .notice .bare').forEach((each) => each.click())"
            )
            await desk.page.evaluate(away)
            await desk.page.get_by_role("tab", name="Dial").click()
        if left:
            for desk in list(self.desks.values()):
                await self.leave(desk)
        return left


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser_of(
    launch_browser: Any, tones: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    """The browser process of an agent, with the agent's tone for a microphone."""
    folder = tmp_path_factory.mktemp("voices")
    started: dict[str, Browser] = {}
    async with async_playwright() as playwright:

        async def browser_of(extension: str) -> Browser:
            if extension not in started:
                started[extension] = await launch_browser(playwright, folder, tones[extension])
            return started[extension]

        yield browser_of
        for browser in started.values():
            await browser.close()


@asynccontextmanager
async def _gateway(server: Any, **options: Any) -> AsyncIterator[Gateway]:
    given: dict[str, Any] = {"media": "browser", "supervisor": (AGENTS["boss"],), "grace": 1.0} | options
    async with running(Gateway(Config(listen="127.0.0.1:0", sip=(server.ws,), domain=server.domain, **given))) as found:
        yield found


OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["switch", pytest.param("freeswitch", marks=pytest.mark.freeswitch)]
)
async def house(request: pytest.FixtureRequest, browser_of: Any, stage_of: Any) -> AsyncIterator[House]:
    """The house of all stories on a server."""
    if request.param == "freeswitch" and "OFFHOOK_FREESWITCH" not in os.environ:
        pytest.skip("needs a real FreeSWITCH: set OFFHOOK_FREESWITCH=ws://HOST:PORT (tests/scenarios/README.md)")
    opening = scenarios._freeswitch() if request.param == "freeswitch" else scenarios._switch()
    async with opening as server, _gateway(server) as gateway:
        stage = stage_of(None, gateway, None)
        yield House(server, stage, browser_of)
        await stage.close()


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def quiet(request: pytest.FixtureRequest, house: House) -> AsyncIterator[None]:
    """No story leaves anything behind."""
    request.node.user_properties.append(("version", await house.server.version()))
    yield
    left = await house.tidy()
    assert not left, left

    async def nothing_left() -> bool:
        return bool(await house.server.channels() == 0)

    await until(nothing_left, "no channel left on the server")


@pytest_asyncio.fixture(loop_scope="session")
async def another_house(house: House, browser_of: Any, stage_of: Any) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    """A house at the same server, whose gateway has other settings; nobody is at both."""
    async with AsyncExitStack() as stack:

        async def another(**options: Any) -> House:
            stage = stage_of(None, await stack.enter_async_context(_gateway(house.server, **options)), None)
            stack.push_async_callback(stage.close)
            return House(house.server, stage, browser_of)

        yield another


@pytest_asyncio.fixture(loop_scope="session")
async def alice(house: House) -> Desk:
    """Agent 1000."""
    return await house.desk(AGENTS["alice"])


@pytest_asyncio.fixture(loop_scope="session")
async def bob(house: House) -> Desk:
    """Agent 1001, who is in the queue `support` too."""
    return await house.desk(AGENTS["bob"])


@pytest_asyncio.fixture(loop_scope="session")
async def carol(house: House) -> Desk:
    """The customer: 1002."""
    return await house.desk(AGENTS["carol"])


@pytest_asyncio.fixture(loop_scope="session")
async def boss(house: House) -> Desk:
    """The supervisor: 1009."""
    return await house.desk(AGENTS["boss"])


Connect = Callable[[Desk, Desk], Awaitable[tuple[Locator, Locator]]]


@pytest.fixture
def connect() -> Connect:
    """One calls the other, who answers; both hear that. Gives the card of each."""

    async def connected(caller: Desk, called: Desk) -> tuple[Locator, Locator]:
        await caller.dial(called.extension)
        await called.press(called.card(caller.extension, "ringing"), "Answer")
        await caller.card(called.extension, "active").wait_for()
        await called.card(caller.extension, "active").wait_for()
        await asyncio.gather(caller.hears(called), called.hears(caller))
        return caller.card(called.extension), called.card(caller.extension)

    return connected
