"""The stories of the contract by the desk's own buttons, on the development switch, signalling alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Locator, WebSocketRoute

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUPERVISOR = "1009"
Stage = Any  # of conftest.py, which test files cannot import
Desk = Any


async def call(alice: Desk, bob: Desk, number: str = "6001") -> tuple[Locator, Locator]:
    """Alice calls Bob by the dial pad, Bob answers: the card of each."""
    await alice.dial(number)
    await bob.card(phase="ringing").wait_for()
    await bob.press(bob.card(phase="ringing"), "Answer")
    await alice.card(number, "active").wait_for()
    await bob.card(phase="active").wait_for()
    return alice.card(number), bob.card("1000")


async def test_a_wrong_password_is_said_and_can_be_mended(stage: Stage) -> None:
    desk = await stage.open()
    await desk.page.goto(desk.url)
    await desk.page.get_by_label("Extension", exact=True).fill("1000")
    await desk.page.get_by_role("button", name="Log in").click()
    await expect(desk.page.get_by_role("alert").first).to_contain_text("Type your extension and your password.")
    await desk.page.get_by_label("Password").fill("wrong")
    await desk.page.get_by_role("button", name="Log in").click()
    await expect(desk.page.get_by_role("alert").first).to_contain_text("The extension or the password is wrong.")
    await desk.page.get_by_label("Password").fill("1234")
    await desk.page.keyboard.press("Enter")
    await desk.page.locator("[data-readiness=ready]").wait_for()
    await desk.said("Logged in as extension 1000")


async def test_a_call_rings_with_caller_queue_and_variables(stage: Stage) -> None:
    alice, bob = await stage.desk("1000"), await stage.desk("1001")
    await alice.dial("6001")
    ringing = bob.card("1000", "ringing")
    await expect(ringing).to_contain_text("Ringing")
    await expect(ringing).to_contain_text("Queuesupport")
    await expect(ringing).to_contain_text("value-3")
    await bob.said("Incoming call from 1000, queue support")
    await expect(bob.page).to_have_title(re.compile("^Ringing: 1000"))
    await bob.press(ringing, "Answer")
    await alice.card("6001", "active").wait_for()
    await alice.said("Connected to 6001")
    await expect(bob.page).to_have_title(re.compile("^1001"))


async def test_reject_tells_the_caller_why(stage: Stage) -> None:
    alice, bob = await stage.desk("1000"), await stage.desk("1001")
    await alice.dial("1001")
    await bob.press(bob.card("1000", "ringing"), "Reject")
    await expect(alice.card("1001", "ended")).to_contain_text("Rejected")
    await alice.page.get_by_role("tab", name="History").click()
    await expect(alice.page.get_by_role("tabpanel")).to_contain_text("Not reached · Rejected")


async def test_hold_mute_and_digits(stage: Stage) -> None:
    alice, bob = await stage.desk("1000"), await stage.desk("1001")
    hers, his = await call(alice, bob)
    await alice.press(hers, "Hold")
    await expect(alice.card("6001", "held")).to_contain_text("On hold")
    await alice.said("6001 is on hold")
    await alice.press(alice.card("6001", "held"), "Resume")
    await alice.card("6001", "active").wait_for()
    await bob.press(his, "Mute")
    await expect(his.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
    await expect(his).to_contain_text("Muted")
    await alice.press(hers, "Keypad")
    for digit in ("4", "# Hash"):
        await hers.get_by_role("region", name="Send digits").get_by_role("button", name=digit, exact=True).click()
    await expect(hers.get_by_role("status")).to_have_text("4#")
    await alice.press(hers, "Hang up")
    await bob.card("1000", "ended").wait_for()
    await bob.said("The call with 1000 has ended")


async def test_blind_transfer(stage: Stage) -> None:
    alice, bob, carol = await stage.desk("1000"), await stage.desk("1001"), await stage.desk("1002")
    _, his = await call(alice, bob)
    await bob.press(his, "Transfer")
    await his.get_by_label("Number or extension").fill("1002")
    await bob.page.keyboard.press("Enter")
    await carol.card(phase="ringing").wait_for()
    await carol.press(carol.card(phase="ringing"), "Answer")
    await expect(bob.card("1000", "ended")).to_contain_text("Transferred")
    await expect(bob.card("1000", "ended")).to_contain_text("Passed on")
    await carol.card(phase="active").wait_for()


async def test_a_transfer_that_fails_leaves_the_call_and_says_so(stage: Stage) -> None:
    alice, bob = await stage.desk("1000"), await stage.desk("1001")
    _, his = await call(alice, bob)
    await bob.press(his, "Transfer")
    await his.get_by_label("Number or extension").fill("1005")
    await his.get_by_role("button", name="Transfer now").click()
    await bob.page.locator(".notice.error").wait_for()
    await expect(bob.card("1000", "active")).to_be_visible()


async def test_transfer_to_a_queue(stage: Stage) -> None:
    """The development switch's queue has one agent, 1001; the transfer is done when that one has answered."""
    alice, bob, carol = await stage.desk("1000"), await stage.desk("1001"), await stage.desk("1002")
    _, hers = await call(alice, carol, "6002")
    await carol.press(hers, "Transfer")
    await hers.get_by_label("a queue").check()
    await hers.get_by_label("Name of the queue").fill("support")
    await hers.get_by_label("Number of the queue").fill("5900")
    await hers.get_by_role("button", name="Transfer now").click()
    await expect(hers.get_by_role("button", name="Waiting for the outcome")).to_be_visible()
    await bob.press(bob.card(phase="ringing"), "Answer")
    await expect(carol.card("1000", "ended")).to_contain_text("Passed on")


async def consulted(stage: Stage) -> tuple[Desk, Desk, Desk]:
    """Bob has a call with Alice, held, and a consult with Carol."""
    alice, bob, carol = await stage.desk("1000"), await stage.desk("1001"), await stage.desk("1002")
    _, his = await call(alice, bob)
    await bob.press(his, "Consult")
    await his.get_by_label("Number or extension").fill("1002")
    await his.get_by_role("button", name="Consult now").click()
    await carol.card(phase="ringing").wait_for()
    await expect(carol.card("1001", "ringing")).to_contain_text("Colleague asks you")
    await carol.press(carol.card(phase="ringing"), "Answer")
    await bob.card("1002", "active").wait_for()
    await bob.card("1000", "held").wait_for()
    return alice, bob, carol


async def test_consult_swap_and_complete(stage: Stage) -> None:
    _, bob, carol = await consulted(stage)
    await expect(bob.card("1002")).to_contain_text("About1000")
    await bob.press(bob.card("1002", "active"), "Swap")
    await bob.card("1002", "held").wait_for()
    await bob.card("1000", "active").wait_for()
    await bob.press(bob.card("1002", "held"), "Swap")
    await bob.card("1002", "active").wait_for()
    await bob.press(bob.card("1002", "active"), "Complete transfer")
    await expect(bob.card("1002", "ended")).to_contain_text("Passed on")
    await bob.card("1000", "ended").wait_for()
    await carol.card("1000", "active").wait_for()


async def test_conference_and_removal_of_a_member(stage: Stage) -> None:
    _, bob, carol = await consulted(stage)
    await bob.press(bob.card("1002", "active"), "Conference")
    conference = bob.page.locator("article[data-kind=conference]")
    await expect(conference.get_by_role("listitem")).to_have_count(3)
    await bob.said("Conference of 3 members")
    await carol.page.locator("article[data-kind=conference]").wait_for()
    await bob.press(conference, "Hold")
    await expect(carol.page.get_by_role("listitem").filter(has_text="1001")).to_contain_text("On hold")
    await bob.press(conference, "Resume")
    await conference.get_by_role("button", name="Remove 1002 from the conference").click()
    await carol.card(phase="ended").filter(has_text="Removed from the conference").wait_for()
    await expect(bob.page.locator("article[data-kind=conference]")).to_have_count(0)
    await bob.card(phase="active").wait_for()


async def test_two_calls_side_by_side_are_switched(stage: Stage) -> None:
    alice, bob, carol = await stage.desk("1000"), await stage.desk("1001"), await stage.desk("1002")
    await call(alice, bob)
    await carol.dial("1001")
    await bob.press(bob.card("1002", "ringing"), "Answer")
    await bob.card("1000", "held").wait_for()
    await bob.card("1002", "active").wait_for()
    await bob.card("1000", "held").get_by_role("button", name="Switch").click()
    await bob.card("1002", "held").wait_for()
    await bob.card("1000", "active").wait_for()


async def test_a_supervisor_listens_whispers_and_joins(stage: Stage) -> None:
    alice, bob, boss = await stage.desk("1000"), await stage.desk("1001"), await stage.desk(SUPERVISOR)
    await call(alice, bob)
    await boss.page.get_by_role("tab", name="Supervise").click()
    await boss.page.get_by_label("Extension of the colleague").fill("1001")
    await boss.page.get_by_role("tabpanel").get_by_role("button", name="Listen", exact=True).click()
    card = boss.card("1001", "active")
    await expect(card).to_contain_text("Nobody hears you.")
    await boss.press(card, "Whisper")
    await expect(card).to_contain_text("The agent hears you. The customer does not.")
    await boss.press(card, "Stop whispering")
    await expect(card).to_contain_text("Nobody hears you.")
    await boss.press(card, "Join")
    await boss.page.locator("article[data-kind=conference]").wait_for()
    await bob.page.locator("article[data-kind=conference]").wait_for()


async def test_who_is_no_supervisor_is_told_so(stage: Stage) -> None:
    desk = await stage.desk("1000")
    await desk.page.get_by_role("tab", name="Supervise").click()
    await desk.page.get_by_label("Extension of the colleague").fill("1001")
    await desk.page.keyboard.press("Enter")
    await expect(desk.page.locator(".notice.error")).to_contain_text("Only supervisors may listen to other calls.")
    await desk.page.locator(".notice.error").get_by_role("button", name="Dismiss").click()
    await expect(desk.page.locator(".notice")).to_have_count(0)


async def test_a_lost_connection_comes_back_with_the_calls_as_they_are(stage: Stage) -> None:
    alice, bob = await stage.open(), await stage.desk("1001")
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    await alice.page.route_web_socket(re.compile("/cti$"), through)
    await alice.login("1000")
    await call(alice, bob)
    await sockets[-1].close(code=1011)
    await alice.said("The connection to the gateway is lost")
    await alice.said("The connection to the gateway is back")
    assert len(sockets) == 2
    await expect(alice.card("6001", "active")).to_be_visible()
    await bob.press(bob.card("1000"), "Hang up")
    await alice.card("6001", "ended").wait_for()


async def test_an_outage_longer_than_the_grace_time_leaves_no_call_behind(stage: Stage) -> None:
    alice, bob = await stage.open(), await stage.desk("1001")
    sockets: list[WebSocketRoute] = []
    servers: list[WebSocketRoute] = []
    silent = False

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if not silent:
            servers.append(socket.connect_to_server())

    await alice.page.route_web_socket(re.compile("/cti$"), through)
    await alice.login("1000")
    await call(alice, bob)
    silent = True
    await servers[-1].close(code=1000)
    await sockets[-1].close(code=1011)
    await expect(bob.card(phase="active")).to_have_count(0)
    await alice.press(alice.card("6001", "active"), "Hold")
    await expect(alice.page.locator(".notice.warning")).to_contain_text("Not done: the connection")
    silent = False
    await sockets[-1].close(code=1011)
    await alice.card("6001", "ended").wait_for()
    await expect(alice.page.locator(".notice")).to_have_count(0)


async def test_two_windows_of_one_agent_see_the_same(stage: Stage) -> None:
    alice, bob = await stage.desk("1000"), await stage.desk("1001")
    await call(alice, bob)
    second = await stage.desk("1000")
    await second.press(second.card("6001", "active"), "Hold")
    await alice.card("6001", "held").wait_for()


async def test_log_out_ends_it_and_shows_no_call_of_before(stage: Stage) -> None:
    desk = await stage.desk("1000")
    await desk.dial("9196")
    await desk.card("9196", "active").wait_for()
    await desk.page.get_by_role("button", name="Log out", exact=True).click()
    await desk.page.get_by_role("button", name="Stay").click()
    await expect(desk.card("9196", "active")).to_be_visible()
    await desk.page.get_by_role("button", name="Log out", exact=True).click()
    await desk.page.get_by_role("button", name="Log out and end the calls").click()
    await desk.page.get_by_role("button", name="Log in").wait_for()
    await expect(desk.page.locator("article")).to_have_count(0)
    await expect(desk.page.locator("#login-problem")).to_be_empty()
    await expect(desk.page.get_by_label("Password")).to_have_value("")
    assert not stage.switch.channels()


async def test_settings_are_remembered_and_the_page_turns_for_arabic(stage: Stage) -> None:
    desk = await stage.desk("1000")
    await desk.page.get_by_role("tab", name="Settings").click()
    await desk.page.get_by_label("Colours", exact=True).select_option("dark")
    await expect(desk.page.locator("html")).to_have_attribute("data-theme", "dark")
    await desk.page.get_by_label("Language").select_option("ar")
    await expect(desk.page.locator("html")).to_have_attribute("dir", "rtl")
    await desk.page.reload()
    await expect(desk.page.locator("html")).to_have_attribute("data-theme", "dark")
    await desk.page.get_by_role("button", name="دخول").wait_for()
