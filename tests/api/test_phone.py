"""Logging in, logging out, and what is left of it all, against the development switch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import offhook
from offhook import Phone
from offhook.config import Config
from offhook.errors import ConfigError, LoginRefused, StateError
from offhook.gateway.app import Station
from offhook.switch.server import Switch
from offhook.testing.desk import until


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
        page.post({"action": "getState", "parameter": {}})


async def test_a_login_that_is_given_up_leaves_no_agent(phone: Phone, switch: Switch) -> None:
    for steps in (1, 3, 10):
        login = asyncio.ensure_future(phone.login("1005", "1234"))
        for _ in range(steps):
            await asyncio.sleep(0)  # so many turns of the loop: at other places each time
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


async def test_closing_the_phone_ends_it_all(switch: Switch) -> None:
    async with Phone(switch.ws_url, media="null") as phone:
        agent = await phone.login("1000", "1234")
        await (await agent.dial("9196")).answered(timeout=5)
        incoming = agent.incoming()
    assert switch.channels() == () and not switch.registered("1000")
    assert [call async for call in incoming] == []


def test_the_names_of_the_package() -> None:
    assert offhook.__all__ == ["Agent", "Call", "OffhookError", "Phone", "__version__"]
