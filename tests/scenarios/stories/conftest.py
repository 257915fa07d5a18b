"""The stories of the contract: each agent at a gateway and a desk of its own, with a tone of its own and ears.

Servers: the development switch, a real FreeSWITCH with conf/freeswitch (OFFHOOK_FREESWITCH), Asterisk where tools/peers
has it, and our own imitation of the vendor's server with dialect `efcx`. What a server cannot is in cannot.toml, with
the reason; all else must pass.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from offhook.config import Config
from offhook.errors import ParseError
from offhook.gateway.app import Gateway
from offhook.media.engine import FrameSink, Tone
from offhook.media.local import LocalEngine
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.tracing import read_trace
from offhook.testing.desk import Desk, Event, until
from offhook.testing.ears import RATE, Ears

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.peers.conftest import Asterisk

HERE = Path(__file__).parent
PASSWORD = "1234"
TONES = {"1000": 850.0, "1001": 1150.0, "1002": 1450.0, "1003": 1750.0, "1009": 2050.0, "1004": 2350.0, "1005": 2650.0}
SERVERS = ["switch", pytest.param("freeswitch", marks=pytest.mark.freeswitch), "asterisk", "efcx"]
CANNOT = {
    (story, row["server"]): row["reason"]
    for row in tomllib.loads((HERE / "cannot.toml").read_text())["cannot"]
    for story in row["stories"]
}


class AsteriskServer:
    """Asterisk, as tests/peers starts it."""

    name = "asterisk"
    dialect = "freeswitch"

    def __init__(self, asterisk: Asterisk) -> None:
        self._asterisk = asterisk
        self.ws = asterisk.ws
        self.domain = "127.0.0.1"

    async def version(self) -> str:
        return (await self._asterisk.cli("core show version")).partition(" built by")[0].strip()

    async def channels(self) -> int:
        return await self._asterisk.channels()

    async def digits(self) -> list[str]:
        found = await self._asterisk.digits("1000")
        return [] if found is None else [found]

    async def originate(self, user: str, headers: dict[str, str]) -> None:
        given = "&".join(f"{name}={value}" for name, value in headers.items())
        await self._asterisk.cli(f"dialplan set global ORIGINATED {given}")
        await self._asterisk.cli(f"channel originate Local/{user}@originate/n extension 9196@services")

    async def hang_up(self, user: str) -> None:
        await self._asterisk.cli("channel request hangup all")


@pytest.fixture(scope="session")
def asterisk_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Started by what tests/peers has for it."""
    place = HERE.parents[1] / "peers" / "conftest.py"
    spec = importlib.util.spec_from_file_location("offhook_peers", place)
    assert spec is not None and spec.loader is not None
    peers = sys.modules["offhook_peers"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    datagram = peers.socket.SOCK_DGRAM
    ports = peers.Ports(*(peers.free_port(*kind) for kind in ((), (), (datagram,), (datagram,), ())))
    asterisk = peers.Asterisk(peers.find("asterisk"), tmp_path_factory.mktemp("asterisk"), ports)
    yield asterisk
    asterisk.daemon.end()


@pytest.fixture(params=SERVERS)
async def server(
    request: pytest.FixtureRequest, open_server: Callable[[str], AbstractAsyncContextManager[Any]]
) -> AsyncIterator[Any]:
    """The server of the story; skips what it cannot do."""
    story = request.node.get_closest_marker("story").args[0]
    if (story, request.param) in CANNOT:
        pytest.skip(f"cannot: {CANNOT[story, request.param]}")
    if request.param != "asterisk":
        async with open_server(request.param) as found:
            yield found
        return
    asterisk = AsteriskServer(request.getfixturevalue("asterisk_process"))
    request.node.user_properties.append(("version", await asterisk.version()))
    yield asterisk

    async def nothing_left() -> bool:
        return await asterisk.channels() == 0

    await until(nothing_left, "no channel left at Asterisk")


class Seat(Desk):
    """An agent's place: a desk at a gateway that is its own, a tone, and ears."""

    def __init__(self, gateway: Gateway, extension: str, ears: Ears, folder: Path) -> None:
        super().__init__(gateway.url)
        self.gateway = gateway
        self.extension = extension
        self.hz = TONES[extension]
        self.ears = ears
        self.folder = folder
        self.pictures = 0

    async def dial(self, number: str, **parameter: str) -> str:
        """Call; gives the dialog's id."""
        given = {"calledNumber": number, "Destination_Number": number, "callType": "audio"} | parameter
        await self.send("makeCall", **given)
        return str((await self.told("outboundDialing", state="INITIATING"))["id"])

    async def told(self, name: str, /, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """The dialog of the next event like that."""
        dialog: dict[str, Any] = (await self.expect(name, timeout, **fields))["response"]["dialog"]
        return dialog

    async def answer(self, event: str = "newInboundCall") -> dict[str, Any]:
        """Take the next call; gives its dialog, as it was told ringing."""
        ringing = await self.told(event, state="ALERTING", timeout=20)
        await self.do("answerCall", dialogId=ringing["id"])
        return ringing

    async def hears(self, *others: Seat, seconds: float = 15.0) -> None:
        """Wait until exactly these are heard."""
        try:
            await self.ears.hear(*(other.hz for other in others), seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{self.extension}: {error}; tones {TONES}") from None

    def seen(self, medium: str, picture: object) -> None:
        """A picture came in."""
        self.pictures += 1

    def messages(self) -> list[tuple[bool, Request | Response]]:
        """All SIP so far: whether we sent it, and what."""
        trace = read_trace((self.folder / f"{self.extension}.txt").read_text())
        found = []
        for message in trace:
            with contextlib.suppress(ParseError):  # the last one may not be written to its end
                found.append((message.sent, parse_message(message.data)))
        return found

    def requests(self, method: str, *, sent: bool) -> list[Request]:
        """The requests of that method that were sent, or that came in."""
        return [m for mine, m in self.messages() if mine == sent and isinstance(m, Request) and m.method == method]

    def audited(self) -> list[dict[str, Any]]:
        """The audit records so far."""
        lines = (self.folder / f"{self.extension}.audit").read_text().splitlines()
        return [json.loads(line) for line in lines]


def events_of(desk: Desk, dialog: str) -> list[tuple[str, str]]:
    """What was told of one dialog, as (event, state), in order."""
    found: list[tuple[str, str]] = []
    for event in desk.heard:
        about: Event = (event.get("response") or {}).get("dialog") or {}
        if about.get("id") == dialog:
            found.append((str(event["event"]), str(about["state"])))
    return found


Seats = Callable[..., Awaitable[Seat]]


@pytest.fixture
async def sit(server: Any, tmp_path: Path) -> AsyncIterator[Seats]:
    """Gives agents their places, and takes these away at the end."""

    @asynccontextmanager
    async def place(extension: str, **options: Any) -> AsyncIterator[Seat]:
        ears = Ears(TONES.values())
        seats: list[Seat] = []
        engine = LocalEngine(
            address="127.0.0.1",
            default_source=Tone(TONES[extension]),
            default_sink=FrameSink(ears.take, RATE),
            video_sink=lambda medium, picture: seats[0].seen(medium, picture),
        )
        given = {"supervisor": ("1009",), "dialect": server.dialect} | options
        gateway = Gateway(
            Config(
                listen="127.0.0.1:0",
                sip=(server.ws,),
                domain=server.domain,
                sip_trace=str(tmp_path / f"{extension}.txt"),
                audit_log=str(tmp_path / f"{extension}.audit"),
                **given,
            ),
            engine=engine,
        )
        await gateway.start()
        try:
            seats.append(Seat(gateway, extension, ears, tmp_path))
            async with seats[0]:
                yield seats[0]
        finally:
            await gateway.stop()

    async with AsyncExitStack() as stack:

        async def one(extension: str, log_in: bool = True, **options: Any) -> Seat:
            seat = await stack.enter_async_context(place(extension, **options))
            if log_in:
                await seat.login(extension, PASSWORD)
                await seat.expect("dialogState", dialog=None)
            return seat

        yield one


@pytest.fixture
async def alice(sit: Seats) -> Seat:
    """Agent 1000."""
    return await sit("1000")


@pytest.fixture
async def bob(sit: Seats) -> Seat:
    """Agent 1001, who is in the queue `support` too."""
    return await sit("1001")


@pytest.fixture
async def carol(sit: Seats) -> Seat:
    """The customer: 1002."""
    return await sit("1002")


@pytest.fixture
async def boss(sit: Seats) -> Seat:
    """The supervisor: 1009."""
    return await sit("1009")


Connect = Callable[[Seat, Seat], Awaitable[tuple[str, str]]]


@pytest.fixture
def connect() -> Connect:
    """One calls the other, who answers; both hear that. Gives their dialogs."""

    async def connected(caller: Seat, called: Seat) -> tuple[str, str]:
        hers = await caller.dial(called.extension)
        his = str((await called.answer())["id"])
        await called.told("dialogState", state="ACTIVE", id=his)
        await caller.told("dialogState", state="ACTIVE", id=hers)
        await caller.hears(called)
        await called.hears(caller)
        return hers, his

    return connected


@pytest.fixture
def slow() -> None:
    """Skips where nobody has the minutes."""
    if os.environ.get("OFFHOOK_SLOW") != "1":
        pytest.skip("runs for minutes: set OFFHOOK_SLOW=1")


@pytest.fixture
def history() -> Callable[[Desk, str], list[tuple[str, str]]]:
    """`events_of`."""
    return events_of
