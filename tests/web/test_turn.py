"""A call by TURN alone: coturn as relay, passwords that the gateway makes; what is told where the relay will not."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from offhook.gateway import ice

ROOT = Path(__file__).parents[2]
SECRET = "made for this test"
READY_SECONDS = 20.0


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def turnserver() -> str:
    """The command, as tools/peers has unpacked it."""
    found = subprocess.run([ROOT / "tools" / "peers", "turnserver"], capture_output=True, text=True, check=False)
    if found.returncode == 77:
        pytest.skip(found.stderr.strip().splitlines()[-1])
    assert found.returncode == 0, found.stderr
    return found.stdout.split(" ", 2)[1]


class Relay:
    """coturn on loopback; ended by its process id. `port` stays when it is started again."""

    def __init__(self, command: str, folder: Path) -> None:
        self.port = free_port()
        self._command = [
            *(command, "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-multicast-peers", "--allow-loopback-peers"),
            *("--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={self.port}"),
            *("--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=offhook.test", "--fingerprint"),
            *("--log-file=stdout", "--simple-log", "--verbose"),
            *(f"--userdb={folder}/turndb", f"--pidfile={folder}/pid"),
        ]
        self._log = folder / "turn.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        async with asyncio.timeout(READY_SECONDS):
            while True:
                assert self._process.poll() is None, self.log()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)  # a foreign process does not tell when it is ready: it is asked again
                else:
                    writer.close()
                    await writer.wait_closed()
                    return

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()  # as a power cut would: allocations are not given back
            self._process.wait(10)
            self._process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")


@pytest.fixture
async def relay(turnserver: str, tmp_path: Path) -> AsyncIterator[Relay]:
    relay = Relay(turnserver, tmp_path)
    try:
        await relay.start()
        yield relay
    finally:
        relay.end()


@pytest.fixture
def gateway_options(relay: Relay, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Of every gateway of this file: all audio goes by the relay, but where a test says otherwise."""
    given = {"ice_server": (f"turn:127.0.0.1:{relay.port}",), "turn_secret": SECRET, "ice_policy": "relay"}
    return given | getattr(request.node.get_closest_marker("gateway"), "kwargs", {})


async def test_a_call_by_the_relay_alone(call: tuple[Any, Any], relay: Relay) -> None:
    """The tones of `call` have come through already, both ways."""
    alice, bob = call
    for seat in call:
        await seat.until("agent.media.stats(call)?.path === 'relay'")
        sdp = await seat.run("return agent.media.peer(call).connection.localDescription.sdp")
        candidates = [line for line in sdp.splitlines() if line.startswith("a=candidate:")]
        assert candidates and all(" typ relay " in line for line in candidates)
    await alice.run("await agent.hold(call); await agent.retrieve(call)")
    await asyncio.gather(alice.hears(1000.0), bob.hears(600.0))
    assert relay.log().count("ALLOCATE processed, success") >= 2
    assert SECRET not in str(await bob.page.evaluate("heard"))


REFUSED = "The audio relay turn:127.0.0.1:{port}"
WHY = "its turn_secret is not the relay's, or a clock is wrong"


async def refused(seat: Any, relay: Relay) -> None:
    """Who calls is told, and who is called; neither command hangs."""
    alice = await seat("1000", 600.0)
    failed = await alice.run("return agent.dial('9196').catch(({ code, detail }) => [code, detail])")
    assert failed[0] == "media-no-relay"
    assert failed[1].startswith(REFUSED.format(port=relay.port)) and WHY in failed[1] and "401" in failed[1]
    await alice.until("heard.some(({ event, response }) => event === 'Error' && response.code === 'media-no-relay')")
    (told,) = [detail for name, detail in await alice.page.evaluate("told") if name == "relay"]
    assert told["problem"] == failed[1]
    await alice.until("agent.calls.size === 0")


@pytest.mark.gateway(turn_secret="of another relay")
async def test_a_wrong_secret_is_told(seat: Any, relay: Relay) -> None:
    await refused(seat, relay)


async def test_a_password_that_has_ended_is_told(seat: Any, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the clock of the gateway is late."""
    monkeypatch.setattr(ice, "TURN_SECONDS", -60)
    await refused(seat, relay)


@pytest.mark.gateway(turn_secret="of another relay", ice_policy="all")
async def test_a_relay_that_refuses_is_told_though_there_is_another_way(seat: Any, relay: Relay) -> None:
    alice = await seat("1000", 600.0)
    await alice.run("await agent.dial('9196')")
    await alice.hears(600.0)
    await alice.until("told.some(([name, detail]) => name === 'relay' && detail.dialogId === call)")
    await alice.until("agent.media.stats(call)?.path === 'host'")


async def test_a_relay_that_is_not_there_is_told(seat: Any, relay: Relay) -> None:
    relay.end()
    alice = await seat("1000", 600.0)
    failed = await alice.run("return agent.dial('9196').catch(({ code, detail }) => [code, detail])")
    assert failed[0] == "media-no-relay" and failed[1].startswith("No audio relay (TURN server) answers")


@pytest.mark.lengthy
async def test_a_relay_that_is_started_anew_is_found_again(call: tuple[Any, Any], relay: Relay) -> None:
    """What the relay knew is gone; the path fails, is told, and is made anew in the same call (ICE restart)."""
    alice, bob = call
    before = await alice.run("window.kept = agent.media.peer(call); return kept.connection.localDescription.sdp")
    relay.end()
    await relay.start()
    await asyncio.gather(*(seat.until("!hears(remote, given[0])", hz) for seat, hz in ((alice, 1000), (bob, 600))))
    for seat, hz in ((alice, 1000.0), (bob, 600.0)):
        await seat.until("hears(remote, given[0])", hz, timeout=90)
    after = await alice.run("return kept.connection.localDescription.sdp")
    assert await alice.run("return agent.media.peer(call) === kept"), "the same connection, by another path"
    assert fragment(after) != fragment(before)


def fragment(sdp: str) -> str:
    return next(line for line in sdp.splitlines() if line.startswith("a=ice-ufrag:"))
