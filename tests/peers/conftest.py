"""Foreign servers for our stories: Asterisk and Kamailio in folders of their own, on loopback, on free ports.

`tools/peers` gets the programs; where one cannot be had, the stories that need it skip and say why. Each server is
started once, and ended by its process id. The summary of the test run names the versions.
"""

from __future__ import annotations

import asyncio
import datetime
import fcntl
import ipaddress
import re
import socket
import struct
import subprocess
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from offhook import Agent, Call, Phone
from offhook.media.audio import level_dbov, tone_power
from offhook.media.engine import FrameSink
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.tracing import read_trace
from offhook.testing.desk import until

if TYPE_CHECKING:
    from offhook.media.audio import Samples

HERE = Path(__file__).parent
PASSWORD = "1234"  # of the agents in tests/peers/config, on loopback
RATE = 16000
READY_SECONDS = 20.0
HALF_A_SECOND = 25  # frames

_versions: dict[str, str] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "peers" in item.path.parts:
            item.add_marker(pytest.mark.scenario)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for name, version in _versions.items():
        terminalreporter.write_line(f"peer {name}: {version}")


# Programs


@dataclass(frozen=True, slots=True)
class Program:
    """A foreign program as `tools/peers` has unpacked it."""

    command: str
    root: Path
    machine: str


def find(name: str) -> Program:
    """That program; skips the test, with the reason, where it cannot be had."""
    found = subprocess.run([HERE.parents[1] / "tools" / "peers", name], capture_output=True, text=True, check=False)
    if found.returncode == 77:
        reason = found.stderr.strip().splitlines()[-1]
        _versions[name] = f"not here ({reason})"
        pytest.skip(reason)
    assert found.returncode == 0, found.stderr
    _, command, version = found.stdout.strip().split(" ", 2)
    _versions[name] = version
    root = Path(command).parents[1] / name
    return Program(command, root, next(root.glob("usr/lib/*-linux-gnu*")).name)


@pytest.fixture(scope="session")
def find_peer() -> Callable[[str], Program]:
    """`find`, for the stories in folders below."""
    return find


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def render(template: Path, target: Path, values: dict[str, str]) -> None:
    """Write a configuration with its @NAMES@ filled in."""
    target.write_text(re.sub(r"@([A-Z_]+)@", lambda found: values.get(found[1], found[0]), template.read_text()))


def addresses() -> list[str]:
    """The IPv4 addresses of this machine's interfaces."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
            except OSError:
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Certificate and key for 127.0.0.1, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


class Daemon:
    """A server process and its log; ended with `end`."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_for(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            assert self.process.poll() is None, f"it ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"not ready within {READY_SECONDS} s:\n{self.tail()}"
            time.sleep(0.05)  # a foreign process does not tell when it is ready: it is asked again

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# Servers


@dataclass(frozen=True, slots=True)
class Ports:
    """Chosen before the servers start: each is told where the other is."""

    ws: int
    wss: int
    asterisk: int
    kamailio: int
    kamailio_ws: int


@pytest.fixture(scope="session")
def ports() -> Ports:
    datagram = socket.SOCK_DGRAM
    return Ports(free_port(), free_port(), free_port(datagram), free_port(datagram), free_port())


class Asterisk:
    """A running Asterisk."""

    def __init__(self, program: Program, folder: Path, ports: Ports) -> None:
        self.ws = f"ws://127.0.0.1:{ports.ws}/ws"
        self.wss = f"wss://127.0.0.1:{ports.wss}/ws"
        tcp, tls = free_port(), free_port()
        self.servers = {
            "ws": self.ws,
            "wss": self.wss,
            "udp": f"udp:127.0.0.1:{ports.asterisk}",
            "tcp": f"tcp:127.0.0.1:{tcp}",
            "tls": f"tls:127.0.0.1:{tls}",
        }
        self._command = program.command
        etc, var = folder / "etc", folder / "var"
        etc.mkdir()
        var.mkdir()
        self.certificate, key = self_signed(folder)
        first = free_port(socket.SOCK_DGRAM) // 2 * 2 % 40000 + 20000
        candidates = [f"{address} => 127.0.0.1" for address in addresses() if address != "127.0.0.1"]
        values = {
            "ETC": str(etc),
            "VAR": str(var),
            "ROOT": str(program.root),
            "MACHINE": program.machine,
            "WS": str(ports.ws),
            "WSS": str(ports.wss),
            "UDP": str(ports.asterisk),
            "TCP": str(tcp),
            "TLS": str(tls),
            "KAMAILIO": str(ports.kamailio),
            "CERTIFICATE": str(self.certificate),
            "KEY": str(key),
            "RTP_FIRST": str(first),
            "RTP_LAST": str(first + 400),
            "HOST_CANDIDATES": "\n".join(candidates),
        }
        for template in (HERE / "config" / "asterisk").iterdir():
            render(template, etc / template.name, values)
        self._conf = str(etc / "asterisk.conf")
        self._control = var / "asterisk.ctl"
        self.daemon = Daemon([program.command, "-C", self._conf, "-f"], folder)
        self.log = var / "full"
        self.daemon.wait_for(lambda: self._control.exists() and "booted" in self._ask("core waitfullybooted"))

    def _ask(self, line: str) -> str:
        command = [self._command, "-C", self._conf, "-rx", line]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    async def cli(self, line: str) -> str:
        """What a command of its console says."""
        return await asyncio.to_thread(self._ask, line)

    async def channels(self) -> int:
        found = re.search(r"(\d+) active channel", await self.cli("core show channels count"))
        assert found is not None
        return int(found[1])

    async def contacts(self, user: str) -> list[str]:
        """Where that user is registered."""
        return re.findall(rf"Contact:\s+{user}/(\S+)", await self.cli("pjsip show contacts"))

    async def digits(self, user: str) -> str | None:
        """The digits that this caller keyed in at 9199."""
        found = re.search(rf"/digits/{user}\s*: (\S+)", await self.cli("database show digits"))
        return found[1] if found else None


class Kamailio:
    """A running Kamailio."""

    def __init__(self, program: Program, folder: Path, ports: Ports) -> None:
        self.ws = f"ws://127.0.0.1:{ports.kamailio_ws}"
        values = {
            "ROOT": str(program.root),
            "MACHINE": program.machine,
            "UDP": str(ports.kamailio),
            "WS": str(ports.kamailio_ws),
            "ASTERISK": str(ports.asterisk),
        }
        config = folder / "kamailio.cfg"
        render(HERE / "config" / "kamailio.cfg", config, values)
        shm, private = "32", "4"  # MB
        options = ["-f", str(config), "-w", str(folder), "-Y", str(folder), "-m", shm, "-M", private, "-DD", "-E"]
        self.daemon = Daemon([program.command, *options], folder)
        self.daemon.wait_for(lambda: answers(ports.kamailio_ws))


@pytest.fixture(scope="session")
def asterisk_process(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    asterisk = Asterisk(find("asterisk"), tmp_path_factory.mktemp("asterisk"), ports)
    yield asterisk
    asterisk.daemon.end()


@pytest.fixture
async def asterisk(asterisk_process: Asterisk) -> AsyncIterator[Asterisk]:
    """Asterisk; after each story it must have no channel left."""
    yield asterisk_process

    async def nothing_left() -> bool:
        return await asterisk_process.channels() == 0

    await until(nothing_left, "no channel left at Asterisk")


@pytest.fixture(scope="session")
def kamailio(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    kamailio = Kamailio(find("kamailio"), tmp_path_factory.mktemp("kamailio"), ports)
    yield kamailio
    kamailio.daemon.end()


# Our side


class Ear:
    """A sink that tells what is heard now."""

    def __init__(self) -> None:
        self.sink = FrameSink(self._take, RATE)
        self._frames: deque[tuple[float, Samples]] = deque(maxlen=HALF_A_SECOND)

    def _take(self, frame: Samples) -> None:
        self._frames.append((asyncio.get_running_loop().time(), frame))

    def forget(self) -> None:
        """What was heard so far belongs to another call."""
        self._frames.clear()

    def _recent(self) -> list[Samples]:
        since = asyncio.get_running_loop().time() - 0.6
        return [frame for at, frame in self._frames if at >= since]

    def power(self, hz: float) -> float:
        """The share of a tone in the last half second; 0.0 where less came in."""
        frames = self._recent()
        return tone_power(np.concatenate(frames), RATE, hz) if len(frames) == HALF_A_SECOND else 0.0

    async def hears(self, hz: float = 440.0) -> None:
        """Wait until half a second is that tone."""

        async def heard() -> bool:
            return self.power(hz) > 0.9

        await until(heard, f"a tone of {hz:g} Hz")

    async def hears_nothing(self) -> None:
        """Wait until there was silence, or nothing, for half a second."""

        async def quiet() -> bool:
            frames = self._recent()
            return not frames or level_dbov(np.concatenate(frames)) < -60.0

        await until(quiet, "silence")


@dataclass(frozen=True, slots=True)
class Said:
    """A SIP message, and whether we sent it."""

    sent: bool
    message: Request | Response


@dataclass
class Desk:
    """An agent, with its ear and the calls that come in."""

    agent: Agent
    trace: Path
    ear: Ear

    async def dial(self, number: str) -> Call:
        self.ear.forget()
        return await self.agent.dial(number, source="tone:440", sink=self.ear.sink)

    async def call(self, number: str) -> Call:
        """Dial and wait for the answer."""
        return await (await self.dial(number)).answered(10)

    async def ringing(self) -> Call:
        """The next call that comes in."""
        async with asyncio.timeout(10):
            return await anext(self.agent.incoming())

    async def pick_up(self) -> Call:
        call = await self.ringing()
        self.ear.forget()
        await call.answer(source="tone:440", sink=self.ear.sink)
        return await call.answered(10)

    def messages(self) -> list[Said]:
        """All SIP messages so far."""
        return [Said(message.sent, parse_message(message.data)) for message in read_trace(self.trace.read_text())]

    def requests(self, method: str, *, sent: bool) -> list[Request]:
        """The requests of that method so far that came in, or went out."""
        return [
            said.message
            for said in self.messages()
            if said.sent == sent and isinstance(said.message, Request) and said.message.method == method
        ]


OpenDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[OpenDesk]:
    """Logs agents in, each with a phone of its own; afterwards they log out."""
    async with AsyncExitStack() as stack:
        count = 0

        async def open_one(server: str, user: str, **options: Any) -> Desk:
            nonlocal count
            count += 1
            trace = tmp_path / f"{count}-{user}.txt"
            phone = await stack.enter_async_context(
                Phone(server, media_address="127.0.0.1", sip_trace=str(trace), **options)
            )
            agent = await phone.login(user, PASSWORD)
            return Desk(agent, trace, Ear())

        yield open_one
