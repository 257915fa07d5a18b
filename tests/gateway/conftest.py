"""A gateway on real sockets, with and without a server behind it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jwt
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


SECRET = b"0123456789abcdef0123456789abcdef"
SignToken = Callable[..., str]


@pytest.fixture
def token_options(tmp_path: Path) -> dict[str, Any]:
    """Options of a gateway that takes tokens of `sign`."""
    path = tmp_path / "token.key"
    path.write_bytes(SECRET)
    return {"token_key": (f"desk=HS256:{path}",), "token_issuer": "crm"}


@pytest.fixture
def sign() -> SignToken:
    """Makes tokens: `sign("1000")`, `sign(role="service", seconds=5)`."""

    def sign(extension: str = "", role: str = "agent", seconds: float = 600.0, **claims: Any) -> str:
        said = {"iss": "crm", "aud": "offhook", "exp": time.time() + seconds, "extension": extension, "role": role}
        return jwt.encode(said | claims, SECRET, algorithm="HS256", headers={"kid": "desk"})

    return sign
