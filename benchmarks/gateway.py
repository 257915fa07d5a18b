"""What an agent costs one gateway process whose agents have their audio in pages: processor time and memory.

    python benchmarks/gateway.py [--agents 200 1000] [--seconds 30] [--peers FOLDER] [--json FILE]

Three processes: a development switch without media, the gateway (`offhook serve --media browser`), and this one, which
plays the pages: each logs in, says that it has the audio, and gives descriptions as Chromium's. The gateway alone is
measured, by /proc. Beside it, in the same run and on the same switch, SIP.js in one Node process: as many user agents,
with the same descriptions. It has no desks, no events and no rules of a call centre, so it does less; it is what one
would begin with who wants many agents' signalling in one server process. Left out, with the reason, where it cannot be
had.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp

HERE = Path(__file__).resolve().parent
SETTLE_SECONDS = 5.0
READY_SECONDS = 30.0
AT_ONCE = 10
ECHO = "9196"
OFFER = """\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=msid-semantic: WMS 7f0f
m=audio 40000 UDP/TLS/RTP/SAVPF 111 0 8 110
c=IN IP4 127.0.0.1
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1467250027 1 udp 2122260223 127.0.0.1 40000 typ host generation 0 network-id 1
a=ice-ufrag:4ZcD
a=ice-pwd:2/1muCWoOi3uLifh0NuRHlZQ
a=fingerprint:sha-256 1B:0E:23:B6:F1:EC:2B:01:46:16:36:A5:2F:B5:D4:9F:EA:A8:B4:D6:60:E1:02:F0:11:44:0D:C5:62:AC:D0:E9
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:110 telephone-event/48000
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6
""".replace("\n", "\r\n")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one agent, or one call, costs a process. Memory in KiB, processor time in milliseconds."""

    login_cpu_ms: float
    idle_kib: float
    idle_cpu_ms_a_minute: float
    call_cpu_ms: float
    """To set it up."""
    in_call_kib: float
    in_call_cpu_ms_a_minute: float
    release_cpu_ms: float
    base_mib: float
    """The process before the first agent."""


WORDS = {
    "login_cpu_ms": "log in: ms of processor",
    "idle_kib": "logged in, idle: KiB",
    "idle_cpu_ms_a_minute": "logged in, idle: ms of processor a minute",
    "call_cpu_ms": "set up a call: ms of processor",
    "in_call_kib": "in a call: KiB",
    "in_call_cpu_ms_a_minute": "in a call: ms of processor a minute",
    "release_cpu_ms": "end a call: ms of processor",
    "base_mib": "the process before the first agent: MiB",
}


class Meter:
    """Processor time and memory of a process, as the kernel counts them (proc(5))."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu_ms(self) -> float:
        """Since its start, user and system."""
        after_name = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")

    def kib(self) -> float:
        """Its own share of what is resident (Pss)."""
        for line in (self._folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1])
        raise OSError("smaps_rollup has no Pss")


class Party(Protocol):
    """Who has agents in a process."""

    pid: int

    async def log_in(self, count: int) -> None: ...

    async def call(self) -> None: ...

    async def release(self) -> None: ...

    async def rest(self) -> None: ...


class Page:
    """A page of one agent at the gateway: has its audio, and gives descriptions when it is asked."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, extension: str) -> None:
        self._socket = socket
        self._extension = extension
        self._results: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._holds = asyncio.Event()
        self._states: asyncio.Queue[str] = asyncio.Queue()
        self._dialog = ""
        self._reader = asyncio.create_task(self._read())

    async def log_in(self) -> None:
        await self._do("login", extension=self._extension, password="1234")
        await self._socket.send_json({"media": {"hello": {"audio": True}}})
        await self._holds.wait()

    async def call(self) -> None:
        await self._do("makeCall", calledNumber=ECHO, Destination_Number=ECHO, callType="audio")
        await self._until("ACTIVE")

    async def release(self) -> None:
        await self._do("releaseCall", dialogId=self._dialog)
        await self._until("DROPPED")

    async def close(self) -> None:
        await self._socket.close()
        await self._reader

    async def _do(self, action: str, **parameter: str) -> None:
        name = f"{action}{len(self._results)}"
        self._results[name] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"action": action, "parameter": parameter, "id": name})
        result = await asyncio.wait_for(self._results[name], READY_SECONDS)
        if result["status"] != "done":
            raise RuntimeError(f"{action}: {result['error']}")

    async def _until(self, state: str) -> None:
        async with asyncio.timeout(READY_SECONDS):
            while await self._states.get() != state:
                pass

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "media" in said:
                await self._asked(said["media"])
            elif said["event"] == "commandResult":
                self._results[said["id"]].set_result(said)
            elif dialog := (said.get("response") or {}).get("dialog"):
                self._dialog = dialog["id"]
                self._states.put_nowait(dialog["state"])

    async def _asked(self, asked: dict[str, Any]) -> None:
        if "hello" in asked:
            self._holds.set()
        outcome: dict[str, Any] | None = {
            "createOffer": {"event": "offerCreated", "sdp": OFFER},
            "createAnswer": {"event": "answerCreated", "sdp": OFFER.replace("actpass", "active")},
            "applyAnswer": {"event": "answerApplied"},
        }.get(asked.get("request", ""))
        if outcome is not None:
            about = {"id": asked["id"], "media": asked["media"]}
            await self._socket.send_json({"media": {**outcome, **about}})
            if asked["request"] != "createOffer":
                await self._socket.send_json({"media": {"event": "connected", "media": asked["media"]}})


class Offhook:
    """The gateway process and the pages of its agents."""

    def __init__(self, pid: int, url: str, session: aiohttp.ClientSession) -> None:
        self.pid = pid
        self._url = url
        self._session = session
        self._pages: list[Page] = []

    async def log_in(self, count: int) -> None:
        async def one(number: int) -> None:
            socket = await self._session.ws_connect(self._url, max_msg_size=1 << 20)
            page = Page(socket, str(number))
            self._pages.append(page)
            await page.log_in()

        await in_tens(partial(one, number) for number in range(10000, 10000 + count))

    async def call(self) -> None:
        await in_tens(page.call for page in self._pages)

    async def release(self) -> None:
        await in_tens(page.release for page in self._pages)

    async def rest(self) -> None:
        """Nothing: Python gives back what it can by itself."""

    async def close(self) -> None:
        await in_tens(page.close for page in self._pages)


class SipJs:
    """Node with SIP.js, ordered by lines (gateway_peers/agents.mjs)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    async def log_in(self, count: int) -> None:
        await self._order({"do": "login", "count": count})

    async def call(self) -> None:
        await self._order({"do": "call"})

    async def release(self) -> None:
        await self._order({"do": "release"})

    async def rest(self) -> None:
        """Garbage is collected before memory is read, which is to Node's favour."""
        await self._order({"do": "rest"})

    async def _order(self, order: dict[str, Any]) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(order).encode() + b"\n")
        answer = json.loads(await asyncio.wait_for(stdout.readline(), 10 * READY_SECONDS) or b'{"failed": "it ended"}')
        if "failed" in answer:
            raise RuntimeError(f"SIP.js: {order['do']}: {answer['failed']}")


async def in_tens(work: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """All of it, ten at a time."""
    waiting = iter(list(work))

    async def run() -> None:
        for each in waiting:
            await each()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(run())


async def measure(party: Party, count: int, seconds: float) -> Cost:
    """What `count` agents cost, by what the process has used before and after each step."""
    meter = Meter(party.pid)

    async def of(step: Awaitable[None]) -> float:
        before = meter.cpu_ms()
        await step
        return (meter.cpu_ms() - before) / count

    async def quiet() -> float:
        await asyncio.sleep(SETTLE_SECONDS)
        await party.rest()
        return await of(asyncio.sleep(seconds)) * 60 / seconds

    await asyncio.sleep(SETTLE_SECONDS)
    await party.rest()
    base = meter.kib()
    login = await of(party.log_in(count))
    idle_cpu = await quiet()
    idle = meter.kib()
    call = await of(party.call())
    in_call_cpu = await quiet()
    in_call = meter.kib()
    release = await of(party.release())
    return Cost(
        login, (idle - base) / count, idle_cpu, call, (in_call - base) / count, in_call_cpu, release, base / 1024
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def started(command: list[str], port: int, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server process, from when its port answers."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"{command[:4]} ended: {log.read_text()[-2000:]}")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    await writer.wait_closed()
                    break
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def switch(folder: Path, count: int) -> AsyncIterator[str]:
    """The URL of a development switch with so many users and no media."""
    users = folder / "users.toml"
    users.write_text("\n".join(f'[users.{number}]\npassword = "1234"' for number in range(10000, 10000 + count)))
    port = free_port()
    command = [sys.executable, "-m", "offhook", "switch", "--listen", f"127.0.0.1:{port}", "--media", "null"]
    async with started([*command, "--users", str(users), "--log-level", "error"], port, folder / "switch.log"):
        yield f"ws://127.0.0.1:{port}"


async def of_offhook(folder: Path, count: int, seconds: float) -> Cost:
    port = free_port()
    async with switch(folder, count) as sip:
        command = [sys.executable, "-m", "offhook", "serve", "--listen", f"127.0.0.1:{port}", "--sip", sip]
        given = [*command, "--domain", "127.0.0.1", "--media", "browser", "--log-level", "error"]
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            started(given, port, folder / "gateway.log") as process,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            party = Offhook(process.pid, f"ws://127.0.0.1:{port}/cti", session)
            cost = await measure(party, count, seconds)
            await party.close()
            return cost


async def of_sip_js(folder: Path, count: int, seconds: float, peers: Path) -> Cost:
    async with switch(folder, count) as sip:
        command = ["node", "--expose-gc", "agents.mjs", sip, "127.0.0.1", OFFER]
        with (folder / "sipjs.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=peers, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        try:
            return await measure(SipJs(process), count, seconds)
        finally:
            process.terminate()
            await process.wait()


def install(folder: Path) -> str | None:
    """Bring SIP.js into the folder, unless it is there. Why not, where it cannot be had."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            return f"no {tool} here"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (HERE / "gateway_peers").iterdir():
        shutil.copy(path, folder / path.name)
    if not all((folder / "node_modules" / name).is_dir() for name in ("sip.js", "ws")):
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        with (folder / "install.log").open("w") as log:
            done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False, timeout=600)
        if done.returncode != 0:
            return f"npm install failed, see {folder / 'install.log'}"
    return None


def show(count: int, ours: Cost, theirs: Cost | None) -> None:
    """The table of one size."""
    print(f"\n{count} agents, each: {'Offhook':>37} {'SIP.js':>10}   SIP.js / Offhook")
    for name, words in WORDS.items():
        mine, other = asdict(ours)[name], None if theirs is None else asdict(theirs)[name]
        line = f"{words:<44} {mine:>10,.1f}"
        if other is not None:
            ratio = f"{other / mine:.1f}x" if min(mine, other) > 0 else "-"
            line += f" {other:>10,.1f}   {ratio}"
        print(line, flush=True)


def commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "no commit"


async def run(sizes: list[int], seconds: float, peers: Path) -> dict[str, dict[str, Cost]]:
    missing = install(peers)
    if missing:
        print(f"SIP.js is left out: {missing}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, commit {commit()}")
    costs: dict[str, dict[str, Cost]] = {}
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            ours = await of_offhook(Path(folder), count, seconds)
            theirs = None if missing else await of_sip_js(Path(folder), count, seconds, peers)
        show(count, ours, theirs)
        costs[str(count)] = {"Offhook": ours} | ({} if theirs is None else {"SIP.js": theirs})
    return costs


def main() -> int:
    options = argparse.ArgumentParser(description="Measure what an agent costs the gateway process.")
    options.add_argument("--agents", type=int, nargs="+", default=[200, 1000], help="how many (default: 200 1000)")
    options.add_argument(
        "--seconds", type=float, default=30.0, help="of quiet that are measured (default: %(default)s)"
    )
    options.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "offhook-gateway-peers")
    options.add_argument("--json", type=Path, help="write the figures to this file too")
    given = options.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a socket or two for each agent; children have it too
    costs = asyncio.run(run(given.agents, given.seconds, given.peers))
    if given.json:
        figures = {count: {name: asdict(cost) for name, cost in row.items()} for count, row in costs.items()}
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
