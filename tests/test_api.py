"""The Python API against the development switch: agents, calls, audio from callables, and the contract as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import offhook
from offhook import Agent, Call, Phone
from offhook.api import Feed, as_sink, as_source
from offhook.config import Config
from offhook.cti.events import DialogMessage
from offhook.errors import CallEnded, CommandFailed, ConfigError, LoginRefused, StateError
from offhook.gateway.app import Station
from offhook.media.engine import Echo, Frames, FrameSink, NoSink, Tone, WavFile, WavSink
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.desk import until

Samples = npt.NDArray[np.int16]


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    yield switch
    await switch.stop()


@pytest.fixture
async def phone(switch: Switch) -> AsyncIterator[Phone]:
    async with Phone(switch.ws_url, media="null") as phone:
        yield phone


@pytest.fixture
async def alice(phone: Phone) -> Agent:
    return await phone.login("1000", "1234")


@pytest.fixture
async def bob(phone: Phone) -> Agent:
    return await phone.login("1001", "1234")


async def connected(alice: Agent, bob: Agent) -> tuple[Call, Call]:
    incoming = bob.incoming()
    hers = await alice.dial("1001")
    his = await anext(incoming)
    await his.answer()
    await hers.answered(timeout=5)
    return hers, his


# Agents


async def test_login_and_logout(phone: Phone, switch: Switch) -> None:
    agent = await phone.login("1000", "1234")
    assert agent.registered and switch.registered("1000")
    events = agent.events()
    await agent.logout()
    assert not agent.registered and not switch.registered("1000")
    assert [event.name async for event in events] == ["agentInfo"]
    await phone.login("1000", "1234")


async def test_wrong_password(phone: Phone) -> None:
    with pytest.raises(LoginRefused) as refused:
        await phone.login("1000", "wrong")
    assert refused.value.code == "credentials-refused"
    assert refused.value.detail
    await phone.login("1000", "1234")


async def test_no_server() -> None:
    async with Phone("ws://127.0.0.1:9", media="null") as phone:
        with pytest.raises(LoginRefused) as refused:
            await phone.login("1000", "1234")
        assert refused.value.code in ("unreachable", "timeout")


async def test_a_phone_that_is_not_started() -> None:
    phone = Phone(media="null")
    with pytest.raises(StateError, match="async with"):
        await phone.login("1000", "1234")
    await phone.close()
    with pytest.raises(ConfigError):
        Phone("http://127.0.0.1")


async def test_a_phone_is_started_once(phone: Phone) -> None:
    with pytest.raises(StateError, match="already"):
        await phone.start()


async def test_nothing_waits_for_ever_after_the_end(switch: Switch) -> None:
    async with Phone(switch.ws_url, media="null") as phone:
        alice, bob = await phone.login("1000", "1234"), await phone.login("1001", "1234")
        call = await alice.dial("9196")
        page = phone.page()
        await alice.logout()
        await alice.logout()
        with pytest.raises(StateError, match="logged out"):
            await alice.dial("9196")
        with pytest.raises(StateError, match="logged out"):
            await call.hold()
    with pytest.raises(StateError, match="stopped"):
        await bob.dial("9196")
    with pytest.raises(StateError, match="closed"):
        page.post(command("getState"))


async def test_who_waits_for_a_call_when_all_is_cut_is_told(switch: Switch) -> None:
    phone = Phone(switch.ws_url, media="null")
    await phone.start()
    agent = await phone.login("1000", "1234")
    call = await agent.dial("9180")
    waiting = [asyncio.ensure_future(call.answered()), asyncio.ensure_future(call.ended())]
    await asyncio.sleep(0)
    agent.close(1001, "the gateway is stopped")
    for one in waiting:
        with pytest.raises(CallEnded, match="the gateway is stopped"):
            await one
    await phone.close()


async def test_a_login_that_is_given_up_leaves_no_agent(phone: Phone, switch: Switch) -> None:
    for steps in (1, 3, 10):
        login = asyncio.ensure_future(phone.login("1005", "1234"))
        for _ in range(steps):
            await asyncio.sleep(0)
        login.cancel()
        with pytest.raises(asyncio.CancelledError):
            await login

    async def gone() -> bool:
        return phone._running().hub.connections == 0 and not switch.registered("1005")

    await until(gone, "no connection left")


async def test_an_error_says_which_parameter(phone: Phone) -> None:
    with pytest.raises(LoginRefused, match="extension may only have letters, digits"):
        await phone.login("10 00", "1234")
    with pytest.raises(LoginRefused, match=r"Give extension, password\."):
        await phone.login("", "")


def test_a_configuration_that_is_refused_leaves_nothing_open(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(ConfigError, match="ca_file"):
        Station(Config(ca_file="/no/such/file", sip_trace=str(tmp_path / "trace"), media="null"))
    assert not (tmp_path / "trace").exists()


# Calls


async def test_a_call(alice: Agent, bob: Agent) -> None:
    events = alice.events()
    hers, his = await connected(alice, bob)
    assert (hers.direction, hers.number, hers.state) == ("out", "1001", "ACTIVE")
    assert (his.direction, his.number) == ("in", "1000")
    assert alice.calls == {hers.id: hers}
    await hers.hold()
    assert hers.state == "HELD"
    await hers.retrieve()
    await hers.mute()
    assert hers.muted
    await hers.unmute()
    assert not hers.muted
    assert (await hers.stats()).codec is None or isinstance((await hers.stats()).codec, str)
    await hers.release()
    assert await his.ended(timeout=5) == "NORMAL_CLEARING"
    assert hers.state == "DROPPED"
    await hers.release()  # no error
    await asyncio.sleep(0)
    assert alice.calls == {}
    states = []
    while len(states) < 8:
        event = await anext(events)
        if isinstance(event, DialogMessage) and event.response.dialog is not None:
            states.append(event.response.dialog.state)
    assert states == ["INITIATING", "INITIATED", "ACTIVE", "HELD", "ACTIVE", "ACTIVE", "ACTIVE", "DROPPED"]


async def test_digits_reach_the_menu(alice: Agent, switch: Switch) -> None:
    call = await alice.dial("5000")
    await call.answered(timeout=5)

    async def asked() -> bool:
        await call.send_digits("42#")  # heard only once the menu has begun to ask
        return any(entry.digits == "42" for entry in switch.ivr_digits)

    await until(asked, "42 in the menu")
    with pytest.raises(CommandFailed) as refused:
        await call.send_digits("no digits")
    assert refused.value.code == "invalid-parameter"


async def test_a_refused_call(alice: Agent) -> None:
    call = await alice.dial("9486")
    with pytest.raises(CallEnded) as ended:
        await call.answered(timeout=5)
    assert ended.value.code == "USER_BUSY"
    assert "Busy" in ended.value.detail or ended.value.detail


async def test_a_rejected_call(alice: Agent, bob: Agent) -> None:
    hers = await alice.dial("1001")
    his = await anext(bob.incoming())  # also one that rings already
    assert his.state == "ALERTING"
    await his.reject()
    with pytest.raises(CallEnded) as ended:
        await hers.answered(timeout=5)
    assert ended.value.code == "CALL_REJECTED"


async def test_an_impossible_number(alice: Agent) -> None:
    with pytest.raises(CommandFailed) as refused:
        await alice.dial("1001@evil.example")
    assert refused.value.code == "invalid-number"
    assert "1001@evil.example" not in repr(alice)
    call = await alice.dial("9196")
    await call.answered(timeout=5)


async def test_answered_has_a_timeout(alice: Agent, bob: Agent) -> None:
    call = await alice.dial("1001")
    with pytest.raises(TimeoutError):
        await call.answered(timeout=0.01)
    await call.release()


async def test_two_dials_at_once_get_their_own_call(alice: Agent) -> None:
    one, two = await asyncio.gather(alice.dial("9196"), alice.dial("9180"))
    assert (one.number, two.number) == ("9196", "9180")


async def test_a_dial_that_is_given_up_leaves_no_call(alice: Agent, switch: Switch) -> None:
    dialling = asyncio.ensure_future(alice.dial("9196"))
    await asyncio.sleep(0)
    dialling.cancel()
    events = alice.events()
    async for event in events:
        if isinstance(event, DialogMessage) and event.response.dialog and event.response.dialog.state == "DROPPED":
            break

    async def no_call() -> bool:
        return switch.channels() == () and not alice.calls

    await until(no_call, "no call")


async def test_closing_the_phone_ends_it_all(switch: Switch) -> None:
    async with Phone(switch.ws_url, media="null") as phone:
        agent = await phone.login("1000", "1234")
        await (await agent.dial("9196")).answered(timeout=5)
        incoming = agent.incoming()
    assert switch.channels() == () and not switch.registered("1000")
    assert [call async for call in incoming] == []


# Audio


def test_what_audio_may_be() -> None:
    def give(number: int) -> None:
        return None

    assert as_source("tone:440") == Tone(440.0)
    assert as_source(Echo()) == Echo()
    assert as_source(give) == Frames(give)
    assert as_sink("a.wav") == WavSink("a.wav")
    assert as_sink(NoSink()) == NoSink()
    assert isinstance(as_sink(lambda frame: None), FrameSink)


@pytest.mark.parametrize("given", [5, b"tone:440", [0, 1], object()])
def test_what_audio_may_not_be(given: Any) -> None:
    async def frames() -> AsyncIterator[Samples]:
        yield np.zeros(320, dtype=np.int16)

    async def take(frame: Samples) -> None: ...

    with pytest.raises(ConfigError, match="is no source"):
        as_source(given)
    with pytest.raises(ConfigError, match="Call it"):
        as_source(frames)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no sink"):
        as_sink(given)
    with pytest.raises(ConfigError, match="coroutine"):
        as_sink(take)  # type: ignore[arg-type]
    for path in ("", "/no/such/folder/a.wav", "/"):
        with pytest.raises(ConfigError, match="cannot be written"):
            as_sink(path)
    assert as_source(WavFile("x.wav")) == WavFile("x.wav")


async def test_audio_from_and_to_callables() -> None:
    heard: list[Samples] = []
    step = 2 * np.pi * 1000.0 / 16000.0

    def sing(number: int) -> Samples:
        """20 ms of a 1 kHz tone."""
        phase = (np.arange(320) + 320 * number) * step
        samples: Samples = (8000 * np.sin(phase)).astype(np.int16)
        return samples

    def loudness(frame: Samples) -> float:
        return float(np.sqrt(np.mean(frame.astype(np.float64) ** 2)))

    switch = Switch(SwitchConfig(ws_port=0, media="local"))
    await switch.start()
    try:
        async with Phone(switch.ws_url) as phone:
            agent = await phone.login("1000", "1234")
            call = await agent.dial("9196", source=sing, sink=heard.append)
            await call.answered(timeout=5)

            async def echoed() -> bool:
                return any(loudness(frame) > 2000 for frame in heard)

            await until(echoed, "the tone back from the echo")
            call.use(source="silence", sink=NoSink())
            stats = await call.stats()
            assert stats.codec == "opus" and (stats.packets_received or 0) > 0
            await call.release()
    finally:
        await switch.stop()


# The contract as it is


class Heard:
    """Callbacks that note what they get."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Event()

    def named(self, name: str) -> Any:
        def note(event: dict[str, Any]) -> None:
            self.events.append((name, event))
            self._news.set()

        return note

    async def until(self, name: str, event: str, **fields: Any) -> dict[str, Any]:
        """The first event of that name at that callback with those values; waits for it."""
        async with asyncio.timeout(5):
            while True:
                for to, found in self.events:
                    inner = found.get("response", found)
                    dialog = inner.get("dialog") or inner
                    if (to, found["event"]) == (name, event) and all(dialog.get(k) == v for k, v in fields.items()):
                        return found
                self._news.clear()
                await self._news.wait()

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
    order: list[str] = []
    done = asyncio.Event()

    async def slowly(event: dict[str, Any]) -> None:
        order.append(f"begin {event['event']}")
        await asyncio.sleep(0)
        order.append(f"end {event['event']}")
        if event["event"] == "agentInfo":
            done.set()
            raise ValueError("a callback's own mistake keeps nobody from the next event")

    phone.post(command("login", slowly, extension="1000", password="1234"))
    async with asyncio.timeout(5):
        await done.wait()
        while len(order) < 6:
            await asyncio.sleep(0)
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


# Feeds and names


async def test_a_feed_that_is_not_read_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offhook.api, "MAX_FEED", 3)
    feed: Feed[int] = Feed()
    for number in range(4):
        feed.put(number)
    with pytest.raises(StateError, match="iterate faster"):
        await anext(feed)


async def test_a_feed_gives_what_came_before_its_end() -> None:
    feed: Feed[int] = Feed()
    feed.put(1)
    feed.end()
    assert [item async for item in feed] == [1]


def test_the_names_of_the_package() -> None:
    assert offhook.__all__ == ["Agent", "Call", "OffhookError", "Phone", "__version__"]
