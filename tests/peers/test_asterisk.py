"""Stories on Asterisk 22, over every transport: registration, calls both ways, hold, digits, offers from either side,
early media, refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from offhook import Phone
from offhook.errors import CallEnded, LoginRefused
from offhook.testing.desk import until

if TYPE_CHECKING:
    from tests.peers.conftest import Asterisk, Desk

    Agents = Callable[..., Awaitable[Desk]]


@pytest.fixture(params=["ws", "wss"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def agent(asterisk: Asterisk, open_desk: Agents, transport: str) -> Agents:
    """Logs an agent in at Asterisk over the transport of the story."""

    async def open_one(user: str, **options: Any) -> Desk:
        return await open_desk(asterisk.servers[transport], user, ca_file=str(asterisk.certificate), **options)

    return open_one


async def test_registration_and_what_is_left_after_logout(asterisk: Asterisk, agent: Agents) -> None:
    alice = await agent("1000")
    assert alice.agent.registered and len(await asterisk.contacts("1000")) == 1
    await alice.agent.logout()
    assert await asterisk.contacts("1000") == []


async def test_a_wrong_password_is_refused(asterisk: Asterisk) -> None:
    async with Phone(asterisk.ws) as phone:
        with pytest.raises(LoginRefused) as refused:
            await phone.login("1000", "4321")
    assert refused.value.code == "credentials-refused"


async def test_an_untrusted_certificate_is_refused(asterisk: Asterisk) -> None:
    async with Phone(asterisk.wss) as phone:
        with pytest.raises(LoginRefused) as refused:
            await phone.login("1000", "1234", timeout=3)
    assert refused.value.code in ("timeout", "unreachable")


@pytest.mark.parametrize(("user", "codec"), [("1000", "opus"), ("1003", "PCMA")])
async def test_echo_hold_retrieve(asterisk: Asterisk, agent: Agents, user: str, codec: str) -> None:
    desk = await agent(user)
    call = await desk.call("9196")
    await desk.ear.hears(440)
    assert (await call.stats()).codec == codec
    await call.hold()
    await desk.ear.hears_nothing()
    await call.retrieve()
    await desk.ear.hears(440)
    await call.mute()
    await desk.ear.hears_nothing()
    await call.unmute()
    await desk.ear.hears(440)
    await call.release()
    assert await call.ended(5) is None
    offers = desk.requests("INVITE", sent=True)
    assert ["a=sendonly" in offer.text or "a=inactive" in offer.text for offer in offers[-2:]] == [True, False]


@pytest.mark.parametrize("how", ["info", "rtp"])
async def test_digits(asterisk: Asterisk, agent: Agents, how: str) -> None:
    desk = await agent("1000", dtmf=how)
    await asterisk.cli("database deltree digits")
    call = await desk.call("9199")
    await call.send_digits("17*")
    await desk.ear.hears(440)
    assert await asterisk.digits("1000") == "17*"
    assert len(desk.requests("INFO", sent=True)) == (3 if how == "info" else 0)
    await call.release()


async def test_early_media_is_heard_before_the_answer(agent: Agents) -> None:
    desk = await agent("1000")
    call = await desk.dial("9198")
    await desk.ear.hears(440)
    assert call.state == "INITIATED"
    await call.answered(10)
    await desk.ear.hears(440)
    await call.release()


async def test_update_from_asterisk(agent: Agents) -> None:
    """The connected party changes: Asterisk says so by UPDATE, as we allow it."""
    desk = await agent("1000")
    call = await desk.call("9200")

    async def updated() -> bool:
        return len(desk.requests("UPDATE", sent=False)) == 1

    await until(updated, "an UPDATE from Asterisk")
    assert "5551234" in (desk.requests("UPDATE", sent=False)[0].headers.get("P-Asserted-Identity") or "")
    await desk.ear.hears(440)
    await call.hold()
    await call.retrieve()
    await desk.ear.hears(440)
    await call.release()


async def connect(alice: Desk, bob: Desk) -> tuple[Any, Any]:
    """Alice calls Bob, who answers; both hear the other."""
    hers = await alice.dial("1001")
    his = await bob.pick_up()
    await hers.answered(10)
    await alice.ear.hears(440)
    await bob.ear.hears(440)
    return hers, his


async def test_two_agents_hold_and_hear_that(agent: Agents) -> None:
    alice, bob = await agent("1000"), await agent("1001")
    hers, his = await connect(alice, bob)
    await hers.hold()
    await bob.ear.hears_nothing()
    await alice.ear.hears_nothing()
    await hers.retrieve()
    await alice.ear.hears(440)
    await bob.ear.hears(440)
    await his.hold()
    await alice.ear.hears_nothing()
    await his.retrieve()
    await alice.ear.hears(440)
    await bob.ear.hears(440)
    assert bob.requests("INVITE", sent=False)[1:], "Asterisk passed the hold on"
    await his.release()
    await hers.ended(5)
    assert await his.ended(5) is None


async def test_asterisk_calls_and_hangs_up(asterisk: Asterisk, agent: Agents) -> None:
    alice = await agent("1000")
    await asterisk.cli("channel originate PJSIP/1000 extension 9204@agents")
    call = await alice.pick_up()
    assert call.direction == "in"
    await alice.ear.hears(440)
    await call.ended(5)


async def test_a_call_that_is_not_taken(asterisk: Asterisk, agent: Agents) -> None:
    alice, bob = await agent("1000"), await agent("1001")
    hers = await alice.dial("1001")
    his = await bob.ringing()
    await hers.release()  # CANCEL
    assert await his.ended(5) is not None
    hers = await alice.dial("1001")
    his = await bob.ringing()
    await his.reject()
    with pytest.raises(CallEnded):
        await hers.answered(10)


@pytest.mark.parametrize(("number", "code"), [("9201", "486"), ("9202", "404"), ("7777", "404")])
async def test_refusals(agent: Agents, number: str, code: str) -> None:
    alice = await agent("1000")
    with pytest.raises(CallEnded) as ended:
        await alice.call(number)
    assert ended.value.code == code


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_without_websocket(asterisk: Asterisk, agent: Agents) -> None:
    """The same over what the transports before WebSocket carry: calls both ways, hold from both sides, a hang-up."""
    alice, bob = await agent("1000"), await agent("1001")
    hers, his = await connect(alice, bob)
    await hers.hold()
    await bob.ear.hears_nothing()
    await hers.retrieve()
    await alice.ear.hears(440)
    await bob.ear.hears(440)
    await his.release()
    await hers.ended(5)
    call = await alice.call("9199")
    await call.send_digits("17*")
    await alice.ear.hears(440)
    await call.release()
    await asterisk.cli("channel originate PJSIP/1000 extension 9204@agents")
    await (await alice.pick_up()).ended(10)
    await alice.agent.logout()
    assert await asterisk.contacts("1000") == []
