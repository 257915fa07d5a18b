"""A phone without audio on a development switch, and two agents that are logged in on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from offhook import Agent, Phone
from offhook.switch.server import Switch, SwitchConfig


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    yield switch
    await switch.stop()


@pytest.fixture
async def phone(switch: Switch) -> AsyncIterator[Phone]:
    async with Phone(switch.ws_url, media="null", supervisor=["1009"]) as phone:
        yield phone


@pytest.fixture
async def alice(phone: Phone) -> Agent:
    return await phone.login("1000", "1234")


@pytest.fixture
async def bob(phone: Phone) -> Agent:
    return await phone.login("1001", "1234")
