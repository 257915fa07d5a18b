"""Logging in with a token: by a link, without a trace in the address; its end is told, and another token goes on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Stage = Any  # of conftest.py, which test files cannot import
ISSUER = "https://crm.test"
SECRET = "0123456789abcdef" * 4


def token_of(extension: str, seconds: float = 3600.0, **claims: Any) -> str:
    """A token as a login service would make it, that ends in so many seconds."""
    said = {"iss": ISSUER, "aud": "offhook", "extension": extension, "exp": time.time() + seconds}
    return jwt.encode(said | claims, SECRET, algorithm="HS256", headers={"kid": "crm"})


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(browser: Browser, staged: Any, tmp_path: Path) -> AsyncIterator[Stage]:
    """A gateway that takes tokens alone."""
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "password").write_text("1234\n")
    options = {"token_key": (f"crm=HS256:{tmp_path / 'key'}",), "token_issuer": ISSUER, "supervisor": ()}
    async with staged(browser, password_source=f"static:{tmp_path / 'password'}", **options) as stage:
        yield stage
        assert stage.problems() == []


async def by_link(stage: Stage, token: str) -> Any:
    desk = await stage.open()
    await desk.page.goto(f"{desk.url}?lang=en#token={token}")
    return desk


async def test_a_link_logs_in_and_leaves_no_trace(guarded: Stage) -> None:
    desk = await by_link(guarded, token_of("1000"))
    await desk.page.locator("[data-readiness=ready]").wait_for()
    await expect(desk.page.get_by_role("banner")).to_contain_text("1000")
    assert desk.page.url == f"{desk.url}?lang=en"
    assert await desk.page.evaluate("history.length") == 2, "the blank page, and this one"
    kept = await desk.page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.documentElement.outerHTML])"
    )
    assert "eyJ" not in kept


async def test_a_password_is_not_enough_there(guarded: Stage) -> None:
    desk = await guarded.open()
    await desk.page.goto(desk.url)
    await desk.page.get_by_label("Extension", exact=True).fill("1000")
    await desk.page.get_by_label("Password").fill("1234")
    await desk.page.get_by_role("button", name="Log in").click()
    await expect(desk.page.get_by_role("alert").first).to_contain_text("Open the desk from the program")


async def test_a_token_that_is_refused(guarded: Stage) -> None:
    desk = await by_link(guarded, token_of("1000", aud="others"))
    await expect(desk.page.get_by_role("alert").first).to_contain_text("is not accepted here")
    assert "token" not in desk.page.url


async def test_the_end_is_told_and_another_link_goes_on(guarded: Stage) -> None:
    """The program that logs people in sends the window to a new link: the page stays, and its calls."""
    desk = await by_link(guarded, token_of("1000", 45.0))
    await desk.page.locator("[data-readiness=ready]").wait_for()
    await expect(desk.page.locator(".notice.warning")).to_contain_text("Your log-in ends in a minute")
    await desk.dial("9196")
    await desk.card("9196", "active").wait_for()
    await desk.page.evaluate("(token) => { location.hash = `token=${token}`; }", token_of("1000"))
    await desk.said("Your log-in goes on")
    await expect(desk.page.locator(".notice")).to_have_count(0)
    assert "token" not in desk.page.url
    await desk.press(desk.card("9196", "active"), "Hang up")


async def test_an_end_that_came_is_said_and_another_link_logs_in(guarded: Stage) -> None:
    desk = await by_link(guarded, token_of("1000", 6.0))
    await desk.page.locator("[data-readiness=ready]").wait_for()
    await expect(desk.page.get_by_role("alert").first).to_contain_text("Your log-in has expired.", timeout=15_000)
    await desk.page.evaluate("(token) => { location.hash = `token=${token}`; }", token_of("1000"))
    await desk.page.locator("[data-readiness=ready]").wait_for()


async def test_the_page_above_renews_it(guarded: Stage) -> None:
    """A page of the desk's own origin that shows it in a frame is told, and hands over another token."""
    desk = await guarded.open()
    above = desk.url.removesuffix("desk/") + "crm.html"
    await desk.page.route(above, lambda route: route.fulfill(content_type="text/html", body="<!doctype html><p>CRM"))
    await desk.page.goto(above)
    show = """([url, another]) => {
        addEventListener("message", (event) => {
            if (event.data.event === "tokenExpiring") event.source.postMessage({ token: another }, location.origin);
        });
        document.body.append(Object.assign(document.createElement("iframe"), { src: url }));
    }"""
    await desk.page.evaluate(show, [f"{desk.url}#token={token_of('1000', 45.0)}", token_of("1000")])
    frame = desk.page.frame_locator("iframe")
    await frame.locator("[data-readiness=ready]").wait_for()
    await frame.locator("#polite").get_by_text("Your log-in goes on").wait_for(state="attached")
    await expect(frame.locator(".notice")).to_have_count(0)


async def test_a_supervisor_by_token_sees_who_is_in_a_call(guarded: Stage) -> None:
    alice, bob = await by_link(guarded, token_of("1000")), await by_link(guarded, token_of("1001"))
    boss = await by_link(guarded, token_of("1009", role="supervisor"))
    for desk in (alice, bob, boss):
        await desk.page.locator("[data-readiness=ready]").wait_for()
    await alice.dial("1001")
    await bob.press(bob.card("1000", "ringing"), "Answer")
    panel = await boss.tab("Supervise")
    row = panel.locator("[data-agent='1001']")
    await expect(row).to_contain_text("Active")
    await row.get_by_role("button", name="Listen: 1001").click()
    await expect(boss.card("1001", "active")).to_contain_text("Nobody hears you.")
    await bob.press(bob.card("1000", "active"), "Hang up")


async def test_junk_in_the_address_is_tried_once_and_throws_nobody_off(guarded: Stage) -> None:
    """Any page that has the window can write there; a gateway counts refused tokens as wrong passwords."""
    desk = await guarded.open()
    sent: list[str] = []
    desk.page.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(str(text))))
    await desk.page.goto(f"{desk.url}?lang=en#token={token_of('1000')}")
    await desk.page.locator("[data-readiness=ready]").wait_for()
    for _ in range(8):
        await desk.page.evaluate("(token) => { location.hash = `token=${token}`; }", token_of("1000", aud="others"))
        await desk.until("!location.hash")
    await expect(desk.page.locator(".notice.error")).to_have_count(1)
    await desk.dial("9196")
    await desk.card("9196", "active").wait_for()
    assert sum("renewToken" in text for text in sent) == 1


async def test_after_a_refused_token_a_password_is_enough(browser: Browser, staged: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    options = {"token_key": (f"crm=HS256:{tmp_path / 'key'}",), "token_issuer": ISSUER}
    async with staged(browser, **options) as stage:
        desk = await by_link(stage, token_of("1000", -60.0))
        await expect(desk.page.get_by_role("alert").first).to_contain_text("is not accepted here")
        await desk.page.get_by_label("Password").fill("1234")
        await desk.page.get_by_role("button", name="Log in").click()
        await desk.page.locator("[data-readiness=ready]").wait_for()
        assert stage.problems() == []
