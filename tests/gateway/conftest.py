"""A gateway on real sockets, with and without a server behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from offhook.config import Config
from offhook.gateway.app import Gateway, running
from offhook.gateway.interface import Limits
from offhook.switch.server import Switch, SwitchConfig

StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start_gateway() -> AsyncIterator[StartGateway]:
    """Starts gateways without audio, by default with no server to reach; they are stopped afterwards."""
    async with AsyncExitStack() as stack:

        async def start(limits: Limits | None = None, **options: Any) -> Gateway:
            given = {"listen": "127.0.0.1:0", "sip": ("ws://127.0.0.1:9",), "media": "null"} | options
            return await stack.enter_async_context(running(Gateway(Config(**given), limits)))

        yield start


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    """A switch without audio."""
    switch = Switch(SwitchConfig(ws_port=0, media="null"))
    await switch.start()
    yield switch
    await switch.stop()
