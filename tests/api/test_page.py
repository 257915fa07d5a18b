"""The contract as it is: which callback gets what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from offhook import Agent, Phone
from offhook.switch.server import Switch
from offhook.testing.desk import until
from offhook.testing.record import Record


class Heard:
    """Callbacks that note what they get."""

    def __init__(self) -> None:
        self.events: Record[tuple[str, dict[str, Any]]] = Record()

    def named(self, name: str) -> Any:
        return lambda event: self.events.append((name, event))

    async def until(self, name: str, event: str, **fields: Any) -> dict[str, Any]:
        """The first event of that name at that callback with those values; waits for it."""

        def wanted(heard: tuple[str, dict[str, Any]]) -> bool:
            to, found = heard
            inner = found.get("response", found)
            dialog = inner.get("dialog") or inner
            return (to, found["event"]) == (name, event) and all(dialog.get(k) == v for k, v in fields.items())

        return (await self.events.first(wanted, f"{event} for {name}", seconds=5))[1]

    def of(self, name: str) -> list[str]:
        return [event["event"] for to, event in self.events if to == name]


def command(action: str, callback: Any = None, /, **parameter: Any) -> dict[str, Any]:
    if callback is not None:
        parameter["clientCallbackFunction"] = callback
    return {"action": action, "parameter": parameter}


async def test_callbacks_get_what_is_theirs(phone: Phone) -> None:
    heard = Heard()
    login, call, hold = (heard.named(name) for name in ("login", "call", "hold"))
    phone.post(command("login", login, extension="1000", password="1234"))
    await heard.until("login", "agentInfo", state="LOGIN")
    phone.post(command("makeCall", call, calledNumber="9196", Destination_Number="9196", callType="audio"))
    active = await heard.until("call", "dialogState", state="ACTIVE")
    dialog = active["response"]["dialog"]["id"]
    phone.post(command("holdCall", hold, dialogId=dialog))
    await heard.until("hold", "dialogState", state="HELD")
    phone.post(command("retrieveCall", dialogId=dialog))  # none of its own: the call's
    await heard.until("call", "dialogState", state="ACTIVE", isCallAlreadyActive=True)
    phone.post(command("SendDtmf", hold, dialogId=dialog, message="1"))
    await heard.until("hold", "DTMF")
    phone.post(command("releaseCall", dialogId=dialog))
    await heard.until("call", "dialogState", state="DROPPED")
    phone.post(command("logout", hold))
    await heard.until("hold", "agentInfo", state="LOGOUT")
    assert heard.of("login") == ["xmppEvent", "agentInfo", "dialogState"]
    assert "commandResult" not in [event["event"] for _, event in heard.events]


async def test_inbound_goes_to_the_login(phone: Phone, alice: Agent) -> None:
    heard = Heard()
    phone.post(command("login", heard.named("login"), extension="1001", password="1234"))
    await heard.until("login", "agentInfo", state="LOGIN")
    call = await alice.dial("1001")
    ringing = await heard.until("login", "newInboundCall", state="ALERTING")
    phone.post(command("answerCall", heard.named("answer"), dialogId=ringing["response"]["dialog"]["id"]))
    await heard.until("login", "dialogState", state="ACTIVE")
    await call.release()
    await heard.until("login", "dialogState", state="DROPPED")
    assert heard.of("answer") == []


async def test_errors_go_to_the_command_that_caused_them(phone: Phone) -> None:
    heard = Heard()
    phone.post(command("login", heard.named("login"), extension="1000", password="1234"))
    await heard.until("login", "agentInfo", state="LOGIN")
    phone.post(command("holdCall", heard.named("hold"), dialogId="nobody's"))
    await heard.until("hold", "Error", type="invalidState")
    phone.post(command("makeCall", heard.named("call")))
    await heard.until("call", "Error", code="missing-parameter")
    phone.post(command("releaseCall", heard.named("release"), dialogId="nobody's"))
    await heard.until("login", "Error", type="invalidState")
    assert heard.of("release") == []
    phone.post(command("getState", heard.named("state")))
    await heard.until("state", "agentState")


async def test_a_result_for_who_asks_for_one(phone: Phone) -> None:
    heard = Heard()
    login = command("login", heard.named("login"), extension="1000", password="1234")
    phone.post({**login, "id": "mine"})
    assert (await heard.until("login", "commandResult"))["id"] == "mine"


async def test_a_coroutine_function_is_awaited_in_order(phone: Phone) -> None:
    order: Record[str] = Record()

    async def slowly(event: dict[str, Any]) -> None:
        order.append(f"begin {event['event']}")
        await asyncio.sleep(0)  # others have their turn
        order.append(f"end {event['event']}")
        if event["event"] == "agentInfo":
            raise ValueError("a callback's own mistake keeps nobody from the next event")

    phone.post(command("login", slowly, extension="1000", password="1234"))
    await order.reach(6)
    assert order[:4] == ["begin xmppEvent", "end xmppEvent", "begin agentInfo", "end agentInfo"]


async def test_no_callback_and_no_function(phone: Phone, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TypeError):
        phone.post(command("login", "not a function", extension="1000", password="1234"))
    phone.post(command("holdCall", dialogId="x"))

    async def logged() -> bool:
        return "no callback for a Error" in caplog.text

    await until(logged, "a line in the log")


@pytest.mark.parametrize("parameter", [[1], "text", 5, None])
async def test_a_page_passes_on_what_is_no_parameter(phone: Phone, parameter: Any) -> None:
    """It is the contract that answers: an Error, no exception."""
    heard = Heard()
    phone.post(command("login", heard.named("login"), extension="1000", password="1234"))
    phone.post({"action": "holdCall", "parameter": parameter})
    await heard.until("login", "Error", type="generalError")
    with pytest.raises(TypeError, match="a command is a dict"):
        phone.post(["holdCall"])  # type: ignore[arg-type]


async def test_two_pages_two_agents(phone: Phone) -> None:
    heard = Heard()
    one, two = phone.page(), phone.page()
    one.post(command("login", heard.named("one"), extension="1000", password="1234"))
    two.post(command("login", heard.named("two"), extension="1001", password="1234"))
    await heard.until("one", "agentInfo", extension="1000")
    await heard.until("two", "agentInfo", extension="1001")


async def test_the_last_events_of_a_page_still_come(switch: Switch) -> None:
    heard = Heard()
    async with Phone(switch.ws_url, media="null") as phone:
        phone.post(command("login", heard.named("login"), extension="1000", password="1234"))
        await heard.until("login", "agentInfo", state="LOGIN")
    assert heard.events[-1][1]["response"]["state"] == "LOGOUT"
