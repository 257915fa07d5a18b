"""The desk with the audio in its own page: quality, level, devices, and another window that takes the audio over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")

Stage = Any  # of conftest.py, which test files cannot import


@pytest_asyncio.fixture(loop_scope="session")
async def sounding(browser: Browser, staged: Any) -> AsyncIterator[Stage]:
    async with staged(browser, media="browser") as stage:
        yield stage
        assert stage.problems() == []


async def test_a_call_with_audio_is_measured(sounding: Stage) -> None:
    alice = await sounding.desk("1000", permissions=["microphone", "camera"])
    bob = await sounding.desk("1001", permissions=["microphone", "camera"])
    for desk in (alice, bob):
        await desk.page.get_by_role("tab", name="Settings").click()
        await expect(desk.page.get_by_label("Microphone", exact=True)).to_be_visible()
    # Chromium's own microphone beeps once a second.
    await bob.until("document.getElementById('level').value > -50")
    await alice.page.get_by_role("tab", name="Dial").click()
    await alice.dial("1001")
    await bob.press(bob.card("1000", "ringing"), "Answer")
    await alice.card("1001", "active").wait_for()
    await expect(alice.card("1001").locator("[data-quality]")).to_be_visible(timeout=15_000)
    await expect(bob.card("1000").locator("[data-quality]")).to_be_visible(timeout=15_000)
    await alice.press(alice.card("1001"), "Hold")
    await alice.card("1001", "held").wait_for()
    await alice.press(alice.card("1001"), "Resume")
    await alice.card("1001", "active").wait_for()


async def test_the_camera_is_turned_on_and_off(sounding: Stage) -> None:
    """One's own side: the development switch hands on audio alone."""
    alice = await sounding.desk("1000", permissions=["microphone", "camera"])
    bob = await sounding.desk("1001", permissions=["microphone", "camera"])
    await alice.dial("1001")
    await bob.press(bob.card("1000", "ringing"), "Answer")
    await alice.card("1001", "active").wait_for()
    await alice.press(alice.card("1001"), "Camera")
    await expect(alice.card("1001").get_by_label("Your video")).to_be_visible()
    await alice.press(alice.card("1001"), "Camera off")
    await expect(alice.card("1001").get_by_label("Your video")).to_have_count(0)


async def test_another_window_takes_the_audio_and_gives_it_back(sounding: Stage) -> None:
    first = await sounding.desk("1000", permissions=["microphone"])
    second = await sounding.desk("1000", permissions=["microphone"])
    await expect(first.page.locator(".notice.warning")).to_contain_text("Another window has taken over the audio")
    await first.page.get_by_role("tab", name="Settings").click()
    await first.page.get_by_role("button", name="Bring the audio here").click()
    await expect(second.page.locator(".notice.warning")).to_contain_text("Another window has taken over the audio")
    await expect(first.page.get_by_role("button", name="Bring the audio here")).to_have_count(0)


GONE = "localStorage.setItem('offhook.desk', localStorage.getItem('offhook.desk') ?? '{\"microphone\": \"yesterday\"}')"


def without(error: str) -> str:
    """A script after which the browser has no microphone, and why."""
    failing = f"Promise.reject(new DOMException('no', '{error}'))"
    return f"navigator.mediaDevices.getUserMedia = () => {failing}"


async def test_a_microphone_that_was_remembered_and_is_gone_is_replaced(sounding: Stage) -> None:
    alice, bob = await sounding.open(permissions=["microphone"]), await sounding.desk("1001")
    await alice.page.add_init_script(GONE)
    await alice.login("1000")
    await expect(alice.page.locator(".notice.warning")).to_contain_text("The microphone that was chosen is not there")
    await alice.page.locator("[data-audio=here]").wait_for()
    assert '"microphone":""' in await alice.page.evaluate("localStorage.getItem('offhook.desk')")
    panel = await alice.tab("Settings")
    await expect(panel.get_by_label("Microphone", exact=True)).to_have_value("")
    await bob.dial("1000")
    await alice.press(alice.card("1001", "ringing"), "Answer")
    await alice.card("1001", "active").wait_for()


@pytest.mark.parametrize(
    ("error", "why"),
    [("NotAllowedError", "the browser does not let this page use"), ("NotFoundError", "there is no microphone")],
)
async def test_without_a_microphone_a_call_goes_on_ringing(sounding: Stage, error: str, why: str) -> None:
    alice, bob = await sounding.open(permissions=["microphone"]), await sounding.desk("1001")
    await alice.page.add_init_script(without(error))
    await alice.page.goto(alice.url)
    await alice.page.get_by_label("Extension", exact=True).fill("1000")
    await alice.page.get_by_label("Password").fill("1234")
    await alice.page.get_by_role("button", name="Log in").click()
    await alice.page.locator("[data-readiness=silent]").wait_for()
    panel = await alice.tab("Settings")
    await expect(panel.get_by_label("Microphone", exact=True)).to_be_visible()
    await bob.dial("1000")
    await alice.press(alice.card("1001", "ringing"), "Answer")
    await expect(alice.page.locator(".notice.error")).to_contain_text(f"Not done: {why}")
    # Commands go out in order: had the call been answered, or ended, this one would find nothing that rings.
    await alice.press(alice.card("1001", "ringing"), "Reject")
    await expect(bob.card("1000", "ended")).to_contain_text("Rejected")


async def test_a_question_of_the_browser_that_nobody_answers_is_told(sounding: Stage) -> None:
    alice = await sounding.open(permissions=["microphone"])
    ask = """const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        const answered = new Promise((allow) => { window.allow = allow; });
        navigator.mediaDevices.getUserMedia = (wish) => answered.then(() => ask(wish));"""
    await alice.page.add_init_script(ask)
    await alice.login("1000")
    await alice.dial("1001")
    await expect(alice.page.locator(".notice.warning")).to_contain_text("The browser asks whether")
    await alice.page.get_by_role("button", name="Call", exact=True).click()
    await alice.page.evaluate("allow()")
    await expect(alice.page.locator(".notice.warning")).to_have_count(0)
    await expect(alice.card("1001")).to_have_count(1)
