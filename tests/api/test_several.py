"""Calls that have to do with each other: transfer, consultation, conference, listening in; against the switch."""

from __future__ import annotations

import asyncio

import pytest

from offhook import Agent, Call, Phone
from offhook.errors import CommandFailed
from offhook.switch.server import Switch
from offhook.testing.desk import until


async def connect(caller: Agent, called: Agent) -> tuple[Call, Call]:
    incoming = called.incoming()
    out = await caller.dial(called.extension)
    into = await anext(incoming)
    await into.answer()
    await out.answered(timeout=5)
    await until(lambda: _is(into, "ACTIVE"), "both are up")
    return out, into


async def _is(call: Call, state: str) -> bool:
    return call.state == state


async def consulted(customer: Call, agent: Agent) -> tuple[Call, Call]:
    """The customer's call is held, and `agent` is asked: both ends of the consult."""
    incoming = agent.incoming()
    consult = await customer.consult(agent.extension)
    asked = await anext(incoming)
    await asked.answer()
    await consult.answered(timeout=5)
    return consult, asked


@pytest.fixture
async def carol(phone: Phone) -> Agent:
    return await phone.login("1002", "1234")


async def test_a_blind_transfer_is_confirmed(alice: Agent, bob: Agent, carol: Agent) -> None:
    _, his = await connect(alice, bob)
    incoming = carol.incoming()
    transferring = asyncio.ensure_future(his.transfer("1002"))
    hers = await anext(incoming)
    await hers.answer()
    assert await transferring is True
    assert await his.ended(timeout=5) == "direct-transfered"


async def test_a_transfer_that_is_refused_leaves_the_call(alice: Agent, bob: Agent) -> None:
    _, his = await connect(alice, bob)
    with pytest.raises(CommandFailed) as failed:
        await his.transfer("9486")
    assert failed.value.code
    assert his.state == "ACTIVE"


async def test_who_was_consulted_goes_on_with_the_customer(alice: Agent, bob: Agent, carol: Agent) -> None:
    _, his = await connect(alice, bob)
    consult, asked = await consulted(his, carol)
    first_id = asked.id
    assert his.state == "HELD"
    await consult.complete_transfer()
    assert await his.ended(timeout=5) == "ATTENDED_TRANSFER"
    assert await consult.ended(timeout=5) == "ATTENDED_TRANSFER"
    await until(lambda: _has(carol, asked, first_id), "the same call, under the customer's id")
    assert (asked.dialog.callType, asked.number, asked.state) == ("CONSULT_TRANSFER", "1000", "ACTIVE")
    await asked.release()
    assert carol.calls == {} or asked.state == "DROPPED"


async def _has(agent: Agent, call: Call, former: str) -> bool:
    return call.id != former and agent.calls == {call.id: call}


async def test_a_conference_and_who_is_in_it(alice: Agent, bob: Agent, carol: Agent) -> None:
    _, his = await connect(alice, bob)
    consult, asked = await consulted(his, carol)
    await consult.conference()
    assert [each.mediaAddress for each in his.dialog.participants][0] == "1001"
    assert {each.mediaAddress for each in his.dialog.participants} == {"1000", "1001", "1002"}
    await until(lambda: _confers(asked), "the consulted agent is in")
    await his.drop_participant("1002")
    await asked.ended(timeout=5)
    await his.release()


async def _confers(call: Call) -> bool:
    return call.dialog.callType == "CONFERENCE"


async def test_listening_whispering_and_joining(phone: Phone, alice: Agent, bob: Agent, switch: Switch) -> None:
    await connect(alice, bob)
    supervisor = await phone.login("1009", "1234")
    call = await supervisor.monitor("1001")
    await call.answered(timeout=5)
    assert (call.dialog.callType, call.muted) == ("MONITORING", True)
    await call.whisper()
    await call.whisper()
    await call.barge_in()
    assert call.dialog.callType == "CONFERENCE"
    assert list(supervisor.calls.values()) == [call]
    await call.release()


async def test_who_is_no_supervisor_may_not_listen(alice: Agent, bob: Agent) -> None:
    with pytest.raises(CommandFailed) as failed:
        await alice.monitor("1001")
    assert failed.value.code == "not-allowed"


async def test_call_variables(alice: Agent, bob: Agent) -> None:
    _, his = await connect(alice, bob)
    await his.set_variables({"callVariable3": "gold"})
    told = {each.name: each.value for each in his.dialog.callVariables.CallVariable}
    assert told["callVariable3"] == "gold"


async def test_an_engine_without_video_says_so(alice: Agent, bob: Agent) -> None:
    hers, _ = await connect(alice, bob)
    with pytest.raises(CommandFailed) as failed:
        await hers.video(True)
    assert failed.value.code == "media-unsupported"
