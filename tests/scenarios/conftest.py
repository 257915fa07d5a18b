"""What every story needs: a server to run on, a gateway in its own process, desks.

Each story runs on the development switch, and, where OFFHOOK_FREESWITCH names one (ws://HOST:PORT), on a real
FreeSWITCH with the configuration of shared/freeswitch/test-config.py. After each story nothing may be left behind.

What came of each test with a mark `story` is kept in build/stories/, one file a server; docs/stories.py makes a table.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import aiohttp
import pytest

from offhook import __version__
from offhook.switch.server import Switch, SwitchConfig
from offhook.testing.desk import Desk, until

PASSWORD = "1234"  # the development switch's and test-config.py's, on loopback


class Server(Protocol):
    """A telephone server that a story runs on."""

    name: str
    ws: str
    wss: str
    udp: str
    tcp: str
    domain: str
    dialect: str

    def webrtc_for_all(self) -> AbstractAsyncContextManager[None]: ...
    async def version(self) -> str: ...
    async def channels(self) -> int: ...
    async def digits(self) -> list[str]: ...
    async def hold_seen(self, user: str, held: bool) -> None: ...
    async def hang_up(self, user: str) -> None: ...
    async def originate(self, user: str, headers: dict[str, str]) -> None: ...


class SwitchServer:
    """The development switch, in this process, with media."""

    domain = "127.0.0.1"

    def __init__(self, switch: Switch, dialect: str) -> None:
        self._switch = switch
        self.dialect = dialect
        self.name = "switch" if dialect == "freeswitch" else dialect
        self.ws = switch.ws_url
        assert switch.wss_url is not None
        self.wss = switch.wss_url
        assert switch.udp_url is not None and switch.tcp_url is not None
        self.udp, self.tcp = switch.udp_url, switch.tcp_url

    def webrtc_for_all(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def version(self) -> str:
        return f"Offhook {__version__}"

    async def channels(self) -> int:
        return len(self._switch.channels())

    async def digits(self) -> list[str]:
        return [entry.digits for entry in self._switch.ivr_digits]

    async def hold_seen(self, user: str, held: bool) -> None:
        assert held == any(channel.held for channel in self._switch.channels() if channel.user == user)

    async def hang_up(self, user: str) -> None:
        self._switch.hang_up(user)

    async def originate(self, user: str, headers: dict[str, str]) -> None:
        self._switch.originate(user, headers)


class Esl:
    """FreeSWITCH's event socket, as far as the stories need it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies: asyncio.Queue[str] = asyncio.Queue()
        self.digits: list[str] = []
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, address: str, password: str) -> Esl:
        host, _, port = address.rpartition(":")
        esl = cls(*await asyncio.open_connection(host, int(port)))
        await esl._ask(f"auth {password}")
        await esl._ask("event plain CUSTOM test::ivr")
        return esl

    async def _read(self) -> None:
        while True:
            try:
                head = (await self._reader.readuntil(b"\n\n")).decode()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            length = re.search(r"Content-Length: (\d+)", head)
            body = (await self._reader.readexactly(int(length[1]))).decode() if length else ""
            if "text/event-plain" in head:
                found = re.search(r"^digits: (.*)$", body, re.MULTILINE)
                self.digits.append(found[1] if found else "")
            elif "api/response" in head:
                self._replies.put_nowait(body)
            elif "command/reply" in head:
                self._replies.put_nowait(head)

    async def _ask(self, line: str) -> str:
        self._writer.write(f"{line}\n\n".encode())
        await self._writer.drain()
        return await asyncio.wait_for(self._replies.get(), 10)

    async def api(self, line: str) -> str:
        return await self._ask(f"api {line}")

    async def close(self) -> None:
        self._task.cancel()
        self._writer.close()
        await asyncio.wait([self._task])


class FreeSwitchServer:
    """A real FreeSWITCH with the test configuration."""

    name = dialect = "freeswitch"
    domain = "127.0.0.1"

    def __init__(self, ws: str, wss: str, esl: Esl) -> None:
        self.ws, self.wss, self._esl = ws, wss, esl
        self.udp = os.environ.get("OFFHOOK_FREESWITCH_UDP", "udp:127.0.0.1:5060")
        self.tcp = os.environ.get("OFFHOOK_FREESWITCH_TCP", "tcp:127.0.0.1:5060")

    @asynccontextmanager
    async def webrtc_for_all(self) -> AsyncIterator[None]:
        """By itself it offers plain RTP to who has registered over UDP or TCP (docs/how-to/freeswitch.md)."""
        await self._esl.api("global_setvar media_webrtc=true")
        try:
            yield
        finally:
            await self._esl.api("global_setvar media_webrtc=")

    async def version(self) -> str:
        return (await self._esl.api("version")).split("(")[0].strip()

    async def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(await self._esl.api("show channels as json")).get("rows", [])
        return rows

    async def channels(self) -> int:
        """Those of the stories' agents: somebody else may be on the same server."""
        return sum(re.search(r"/100[0-3]@", row["name"]) is not None for row in await self._rows())

    async def digits(self) -> list[str]:
        return self._esl.digits

    async def _uuids(self, user: str) -> list[str]:
        return [row["uuid"] for row in await self._rows() if f"/{user}@" in row["name"]]

    async def hold_seen(self, user: str, held: bool) -> None:
        async def seen() -> bool:
            return held == any(row["callstate"] == "HELD" for row in await self._rows() if f"/{user}@" in row["name"])

        await until(seen, f"{user} {'held' if held else 'not held'} at FreeSWITCH")

    async def hang_up(self, user: str) -> None:
        async def shown() -> bool:
            return bool(await self._uuids(user))

        await until(shown, f"a channel of {user}")  # FreeSWITCH's list of channels lags behind
        for uuid in await self._uuids(user):
            await self._esl.api(f"uuid_kill {uuid}")

    async def originate(self, user: str, headers: dict[str, str]) -> None:
        variables = ",".join(f"sip_h_{name}={value}" for name, value in headers.items())
        await self._esl.api(f"bgapi originate {{{variables}}}user/{user}@127.0.0.1 9196")


@asynccontextmanager
async def _freeswitch() -> AsyncIterator[Server]:
    ws = os.environ["OFFHOOK_FREESWITCH"]
    wss = os.environ.get("OFFHOOK_FREESWITCH_WSS", "wss://127.0.0.1:7443")
    esl = await Esl.connect(
        os.environ.get("OFFHOOK_FREESWITCH_ESL", "127.0.0.1:8021"),
        os.environ.get("OFFHOOK_FREESWITCH_ESL_PASSWORD", "ClueCon"),  # FreeSWITCH's documented default
    )
    try:
        yield FreeSwitchServer(ws, wss, esl)
    finally:
        await esl.close()


@asynccontextmanager
async def _switch(imitate: Literal["freeswitch", "efcx"] = "freeswitch") -> AsyncIterator[Server]:
    switch = Switch(SwitchConfig(ws_port=0, wss_port=0, udp_port=0, tcp_port=0, media="local", imitate=imitate))
    await switch.start()
    try:
        yield SwitchServer(switch, imitate)
    finally:
        await switch.stop()


OpenServer = Callable[[str], AbstractAsyncContextManager[Server]]


@pytest.fixture
def open_server(request: pytest.FixtureRequest) -> OpenServer:
    """A server by its name, for a story; afterwards it must have no channel left."""

    @asynccontextmanager
    async def opened(name: str) -> AsyncIterator[Server]:
        if name == "freeswitch" and "OFFHOOK_FREESWITCH" not in os.environ:
            pytest.skip("needs a real FreeSWITCH: set OFFHOOK_FREESWITCH=ws://HOST:PORT (tests/scenarios/README.md)")
        opening = _freeswitch() if name == "freeswitch" else _switch("efcx" if name == "efcx" else "freeswitch")
        async with opening as found:
            request.node.user_properties.append(("version", await found.version()))
            yield found

            async def nothing_left() -> bool:
                return await found.channels() == 0

            await until(nothing_left, "no channel left on the server")

    return opened


@pytest.fixture(params=["switch", pytest.param("freeswitch", marks=pytest.mark.freeswitch)])
async def server(request: pytest.FixtureRequest, open_server: OpenServer) -> AsyncIterator[Server]:
    """The server of a story."""
    async with open_server(request.param) as found:
        yield found


@dataclass
class Gateway:
    """`offhook serve` in its own process."""

    url: str
    process: asyncio.subprocess.Process
    trace: Path

    async def health(self) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            async with session.get(self.url.replace("ws:", "http:").replace("/cti", "/healthz")) as answer:
                health: dict[str, Any] = await answer.json()
                return health

    def desk(self, **options: Any) -> Desk:
        return Desk(self.url, **options)


StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start_gateway(server: Server, tmp_path: Path) -> AsyncIterator[StartGateway]:
    """Starts `offhook serve` against the server; afterwards each ends by itself on SIGTERM with status 0."""
    started: list[Gateway] = []

    async def start(*flags: str, sip: str | None = None) -> Gateway:
        trace = tmp_path / f"trace-{len(started)}.txt"
        command = [sys.executable, "-m", "offhook", "serve", "--listen", "127.0.0.1:0", "--sip", sip or server.ws]
        command += ["--domain", server.domain, "--media-address", "127.0.0.1", "--sip-trace", str(trace), *flags]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while line := (await process.stdout.readline()).decode():
                if found := re.search(r"ws://[^\s]+/cti", line):
                    gateway = Gateway(found[0], process, trace)
                    started.append(gateway)
                    return gateway
        raise AssertionError("offhook serve ended before it listened")

    yield start
    for gateway in started:
        if gateway.process.returncode is None:
            gateway.process.terminate()
    for gateway in started:
        assert await asyncio.wait_for(gateway.process.wait(), 15) in (0, -9)


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Gateway:
    """A gateway with a 440 Hz tone as microphone."""
    return await start_gateway("--source", "tone:440")


@pytest.fixture
async def desks(gateway: Gateway) -> AsyncIterator[Callable[[], Awaitable[Desk]]]:
    """Opens desks at the gateway and closes them afterwards."""
    async with AsyncExitStack() as stack:

        async def open_desk() -> Desk:
            return await stack.enter_async_context(gateway.desk())

        yield open_desk


OpenDesk = Callable[[], Awaitable[Desk]]


@pytest.fixture
async def alice(desks: OpenDesk) -> AsyncIterator[Desk]:
    """Agent 1000, logged in."""
    desk = await desks()
    await desk.login("1000", PASSWORD)
    await desk.expect("dialogState", dialog=None)
    yield desk
    await desk.attempt("logout")


@pytest.fixture
async def bob(desks: OpenDesk) -> AsyncIterator[Desk]:
    """Agent 1001, logged in."""
    desk = await desks()
    await desk.login("1001", PASSWORD)
    await desk.expect("dialogState", dialog=None)
    yield desk
    await desk.attempt("logout")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "scenarios" not in item.path.parts:
            continue
        item.add_marker(pytest.mark.scenario)
        story, call = item.get_closest_marker("story"), getattr(item, "callspec", None)
        if story is not None and call is not None and "server" in call.params:
            item.user_properties += [("story", story.args[0]), ("server", call.params["server"])]


# Results, for docs/stories.py. The process that writes them is the one that hears the workers' reports.

ROOT = Path(__file__).resolve().parents[2]
_results: dict[str, dict[str, Any]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    said = dict(report.user_properties)
    if "story" not in said:
        return
    row = _results.setdefault(report.nodeid, {"outcome": "passed", "reason": ""})
    row |= {key: str(said[key]) for key in ("story", "server", "version") if key in said}
    if report.failed:
        lines = str(report.longrepr).strip().splitlines()
        why = next((line for line in lines if line.startswith("E ")), lines[-1] if lines else "")
        row |= {"outcome": "failed", "reason": why.removeprefix("E").strip()[:200]}
    elif report.skipped and row["outcome"] != "failed":
        row |= {"outcome": "skipped", "reason": report.longrepr[-1] if isinstance(report.longrepr, tuple) else ""}


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _results or hasattr(session.config, "workerinput"):
        return
    folder = ROOT / "build" / "stories"
    folder.mkdir(parents=True, exist_ok=True)
    commit, day = commit_of(ROOT), datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    for server in {row["server"] for row in _results.values()}:
        path = folder / f"{server}.json"
        rows = {name: row for name, row in _results.items() if row["server"] == server}
        known = json.loads(path.read_text()) if path.exists() else {}
        versions = [row["version"] for row in rows.values() if "version" in row]
        if known.get("date") == day:  # a part of it was run again
            rows = known["results"] | rows
            versions = versions or [known["version"]]
        if versions:  # else all was skipped
            kept = {"server": server, "version": versions[0], "offhook": __version__, "commit": commit, "date": day}
            path.write_text(json.dumps(kept | {"results": rows}, indent=1, sort_keys=True) + "\n")


def commit_of(root: Path) -> str:
    """The commit that the tree began from."""
    head = root / ".git" / "HEAD"
    if not head.exists():
        return "unknown"
    name = head.read_text().strip().removeprefix("ref: ")
    loose, packed = root / ".git" / name, root / ".git" / "packed-refs"
    if loose.exists():
        name = loose.read_text().strip()
    elif packed.exists():
        name = next((line.split()[0] for line in packed.read_text().splitlines() if line.endswith(f" {name}")), name)
    return name[:12]
