"""A gateway on real sockets, with and without a server behind it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest

from offhook.clock import Ids, Now, Timers
from offhook.config import Config
from offhook.cti import events
from offhook.cti.agent import AgentSettings, Finished, Publish, Reply
from offhook.cti.codec import CommandRefused
from offhook.cti.commands import Command, Login
from offhook.cti.events import CommandResult, agent_info, no_dialog
from offhook.gateway import logins
from offhook.gateway.app import Gateway, running
from offhook.gateway.interface import (
    CloseConnection,
    ConnectionOpened,
    ConnectionReceived,
    HubOutput,
    HubSettings,
    Limits,
    Tell,
)
from offhook.gateway.sessions import Hub
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.clock import SeededIds, VirtualClock

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


SETTINGS = AgentSettings(servers=("ws://127.0.0.1:5066",), domain="127.0.0.1")


class ScriptedSession:
    """An agent session that does what the test says and notes what it was told."""

    made: list[ScriptedSession] = []

    def __init__(
        self,
        settings: AgentSettings,
        extension: str,
        password: str,
        *,
        timers: Timers,
        ids: Ids,
        ready: set[str],
        journal: bool = False,
        owner: str = "",
    ) -> None:
        self.extension = extension
        self.owner = owner if journal else ""
        self.available = True
        self.verified = False
        self.over = False
        self.dialogs: tuple[object, ...] = ()
        self.told: list[tuple[str, Any]] = []
        self._password = password
        self._ready = ready
        self._out: list[Any] = []
        self.made.append(self)

    @classmethod
    def restore(
        cls, record: Any, settings: AgentSettings, password: str | None, *, now: Now, tail: Any, **given: Any
    ) -> ScriptedSession:
        session = cls(settings, record.extension, password or "1234", **given)
        session.verified = True
        session.told += [("restored", held.event.name) for held in tail]
        return session

    def supersede(self) -> None:
        self.put(Finished(self.extension, "superseded"))

    def put(self, *outputs: Any) -> None:
        self._out += outputs
        self._ready.add(self.extension)

    def finish(self) -> None:
        self.over = True
        self.put(Publish(agent_info(self.extension, "LOGOUT")), Finished(self.extension, "logged out"))

    def log_in(self) -> None:
        self.verified = True
        self.put(Publish(agent_info(self.extension, "LOGIN")))

    def command(self, command: Command, origin: str | None, now: Now) -> None:
        self.told.append((command.action, origin))
        if isinstance(command, Login) and self.verified:
            self.put(Reply(origin, no_dialog(self.extension)))

    def refuse(self, refused: CommandRefused, origin: str | None, now: Now) -> None:
        self.told.append((f"refused {refused.failure.code}", origin))

    def failed(self, now: Now) -> None:
        self.told.append(("failed", None))

    def receive(self, given: Any, now: Now) -> None:
        self.told.append((type(given).__name__, getattr(given, "flow", getattr(given, "media", None))))

    def dialog_of(self, media: str) -> str | None:
        return f"dialog of {media}"

    def renew(self, media: frozenset[str], now: Now) -> None:
        self.told.append(("renew", ",".join(sorted(media))))

    def outputs(self) -> list[Any]:
        drained, self._out = self._out, []
        return drained

    def check_password(self, password: str) -> bool:
        return password == self._password

    def park(self, now: Now) -> None:
        self.told.append(("park", None))

    def unpark(self, now: Now) -> None:
        self.told.append(("unpark", None))

    def set_available(self, available: bool) -> None:
        self.available = available

    def media_of(self, dialog: str) -> str | None:
        return "m1" if dialog == "d1" else None


class Bench:
    """A hub, virtual time, and what came out."""

    def __init__(self, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.hub = Hub(HubSettings(agent=SETTINGS, **settings), ids=SeededIds(1))
        self.out: list[HubOutput] = []
        self.made = ScriptedSession.made

    def give(self, given: Any) -> list[HubOutput]:
        self.hub.receive(given, self.clock.now())
        return self.drain()

    def drain(self) -> list[HubOutput]:
        out = self.hub.outputs()
        self.out += out
        return out

    def run(self, seconds: float) -> list[HubOutput]:
        before = len(self.out)
        self.clock.run(self.hub.timers, self.clock.now().monotonic + seconds, self.drain)
        return self.out[before:]

    def say(self, connection: str, action: str, /, id: str | None = None, **parameter: Any) -> list[HubOutput]:
        command = {"action": action, "parameter": parameter} | ({"id": id} if id else {})
        return self.give(ConnectionReceived(connection, json.dumps(command)))

    def login(self, connection: str, extension: str = "1000", password: str = "1234") -> ScriptedSession:
        """Open a connection and log in; the session, registered."""
        self.give(ConnectionOpened(connection))
        self.say(connection, "login", extension=extension, password=password)
        session = next(made for made in reversed(ScriptedSession.made) if made.extension == extension)
        if not session.verified:
            session.log_in()
        self.drain()
        return session

    def told(self, out: list[HubOutput], connection: str) -> list[str]:
        """What a connection was told, in words."""
        words = []
        for output in out:
            if isinstance(output, Tell) and connection in output.connections:
                message = output.message
                if isinstance(message, CommandResult):
                    words.append(f"result {message.id} {message.error.code if message.error else message.status}")
                elif isinstance(message, events.Error):
                    words.append(f"error {message.response.code}")
                elif isinstance(message, events.AgentInfo):
                    words.append(message.response.state)
                else:
                    words.append(message.name)
        return words

    def closed(self, out: list[HubOutput]) -> list[tuple[str, int]]:
        return [(output.connection, output.code) for output in out if isinstance(output, CloseConnection)]


@pytest.fixture
def make_bench(monkeypatch: pytest.MonkeyPatch) -> type[Bench]:
    """Makes hubs whose agent sessions are scripted."""
    ScriptedSession.made = []
    monkeypatch.setattr(logins, "AgentSession", ScriptedSession)
    return Bench
