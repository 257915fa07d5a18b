"""Stories through Kamailio 5.6: it registers WebSocket phones and lets them call each other and Asterisk, with
Record-Route; or it stands as the edge before Asterisk, with Path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from offhook import Phone
from offhook.errors import CallEnded, LoginRefused
from offhook.testing.desk import until

if TYPE_CHECKING:
    from tests.peers.conftest import Asterisk, Desk, Kamailio

    Agents = Callable[..., Awaitable[Desk]]

REGISTRAR, EDGE = "kamailio.test", "asterisk.test"


@pytest.fixture
def agent(kamailio: Kamailio, open_desk: Agents) -> Agents:
    """Logs an agent in at Kamailio, or through it."""

    async def open_one(user: str, domain: str = REGISTRAR, **options: Any) -> Desk:
        return await open_desk(kamailio.ws, user, domain=domain, **options)

    return open_one


async def test_a_wrong_password_is_refused(kamailio: Kamailio) -> None:
    async with Phone(kamailio.ws, domain=REGISTRAR) as phone:
        with pytest.raises(LoginRefused) as refused:
            await phone.login("1000", "4321")
    assert refused.value.code == "credentials-refused"


async def connect(alice: Desk, bob: Desk, number: str = "1001") -> tuple[Any, Any]:
    """Alice calls Bob, who answers; both hear the other."""
    hers = await alice.dial(number)
    his = await bob.pick_up()
    await hers.answered(10)
    await alice.ear.hears(440)
    await bob.ear.hears(440)
    return hers, his


async def hold_both_ways(alice: Desk, bob: Desk, hers: Any, his: Any) -> None:
    for holder, call, held in ((alice, hers, bob), (bob, his, alice)):
        await call.hold()
        await held.ear.hears_nothing()
        await call.retrieve()
        await holder.ear.hears(440)
        await held.ear.hears(440)


async def test_two_agents_of_kamailio(agent: Agents) -> None:
    alice, bob = await agent("1000"), await agent("1001")
    hers, his = await connect(alice, bob)
    assert bob.requests("INVITE", sent=False)[0].record_routes
    await hold_both_ways(alice, bob, hers, his)
    for desk in (alice, bob):
        within = desk.requests("INVITE", sent=True)[-1]
        assert len(within.routes) == len(bob.requests("INVITE", sent=False)[0].record_routes)
        assert all("lr" in route.uri.parameters for route in within.routes)
    await his.release()
    await hers.ended(5)
    hers, his = await connect(alice, bob)
    await hers.release()
    await his.ended(5)


async def test_digits_between_two_agents(agent: Agents) -> None:
    alice, bob = await agent("1000"), await agent("1001")
    hers, _ = await connect(alice, bob)
    await hers.send_digits("5*")
    assert len(bob.requests("INFO", sent=False)) == 2
    await hers.release()


async def test_not_taken(agent: Agents) -> None:
    alice, bob = await agent("1000"), await agent("1001")
    hers = await alice.dial("1001")
    his = await bob.ringing()
    await hers.release()  # CANCEL
    await his.ended(5)
    hers = await alice.dial("1001")
    his = await bob.ringing()
    await his.reject()
    with pytest.raises(CallEnded) as ended:
        await hers.answered(10)
    assert ended.value.code == "603"
    with pytest.raises(CallEnded) as ended:
        await alice.call("1099")
    assert ended.value.code == "404"


async def test_fork_one_answers_the_other_stops_ringing(agent: Agents) -> None:
    alice, here, there = await agent("1000"), await agent("1001"), await agent("1001")
    hers = await alice.dial("1001")
    ignored = await here.ringing()
    his = await there.pick_up()
    await hers.answered(10)
    await alice.ear.hears(440)
    await there.ear.hears(440)
    await ignored.ended(5)
    tags = {
        said.message.to.tag
        for said in alice.messages()
        if not said.sent and said.message.cseq.method == "INVITE" and said.message.to.tag
    }
    assert len(tags) >= 2, "two early dialogs"
    await hers.hold()
    await hers.retrieve()
    await hers.release()
    await his.ended(5)


@pytest.mark.parametrize("domain", [REGISTRAR, EDGE])
async def test_asterisk_behind_it(asterisk: Asterisk, agent: Agents, domain: str) -> None:
    """Echo with hold, digits, and an UPDATE from Asterisk, over Kamailio's Record-Route."""
    desk = await agent("1000", domain)
    await asterisk.cli("database deltree digits")
    call = await desk.call("9196")
    await desk.ear.hears(440)
    await call.hold()
    await desk.ear.hears_nothing()
    await call.retrieve()
    await desk.ear.hears(440)
    await call.release()
    call = await desk.call("9199")
    await call.send_digits("17*")
    await desk.ear.hears(440)
    assert await asterisk.digits("1000") == "17*"
    await call.release()
    call = await desk.call("9200")

    async def updated() -> bool:
        return len(desk.requests("UPDATE", sent=False)) == 1

    await until(updated, "an UPDATE from Asterisk")
    await desk.ear.hears(440)
    await call.release()


@pytest.mark.parametrize("domain", [REGISTRAR, EDGE])
async def test_asterisk_hangs_up(asterisk: Asterisk, agent: Agents, domain: str) -> None:
    desk = await agent("1000", domain)
    call = await desk.call("9204")
    await desk.ear.hears(440)
    await call.ended(5)


@pytest.mark.parametrize(("domain", "where"), [(REGISTRAR, "PJSIP/1000@kamailio"), (EDGE, "PJSIP/1000")])
async def test_asterisk_calls(asterisk: Asterisk, agent: Agents, domain: str, where: str) -> None:
    """By Kamailio's location table, or along the Path that Asterisk was given."""
    desk = await agent("1000", domain)
    await asterisk.cli(f"channel originate {where} extension 9196@agents")
    call = await desk.pick_up()
    await desk.ear.hears(440)
    await call.hold()
    await desk.ear.hears_nothing()
    await call.retrieve()
    await desk.ear.hears(440)
    await call.release()


async def test_two_agents_of_asterisk_behind_it(asterisk: Asterisk, agent: Agents) -> None:
    alice, bob = await agent("1000", EDGE), await agent("1001", EDGE)
    hers, his = await connect(alice, bob)
    await hold_both_ways(alice, bob, hers, his)
    assert len(bob.requests("INVITE", sent=False)) > 1, "re-INVITEs from Asterisk"
    await his.release()
    await hers.ended(5)
