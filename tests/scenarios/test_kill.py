"""`kill -9` of `offhook serve --journal`, and another process on the same journal: calls go on, no event is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from offhook.testing.desk import Desk, DeskError, until

PASSWORD = "1234"
KILLS = int(os.environ.get("OFFHOOK_KILLS", "10"))
SEED = int(os.environ.get("OFFHOOK_SEED", "6"))
Start = Callable[..., Awaitable[Any]]


def numbered(desk: Desk) -> list[tuple[str, int]]:
    """Stream and number of each event of the agent that a desk heard."""
    return [(event["stream"], event["seq"]) for event in desk.heard if "seq" in event]


async def come_back(desk: Desk, extension: str, before: Desk) -> None:
    """Resume where another desk of the agent was; afterwards nothing is missing between the two, and nothing double."""
    stream, seq = numbered(before)[-1]
    await desk.do("resume", extension=extension, password=PASSWORD, stream=stream, seq=seq)
    snapshots = [event["response"] for event in desk.heard if event["event"] == "snapshot"]
    assert not snapshots, f"events {seq} to {snapshots[0]['seq']} of {stream} were not kept"


def assert_gapless(*desks: Desk) -> None:
    """Together, one after the other, they heard one stream without a gap."""
    numbers = [number for desk in desks for number in numbered(desk)]
    assert len({stream for stream, _ in numbers}) == 1
    heard = [seq for _, seq in numbers]
    assert heard == list(range(heard[0], heard[0] + len(heard)))


async def audio(desk: Desk, dialog: str) -> dict[str, Any]:
    result = await desk.attempt("getStats", dialogId=dialog)
    found: dict[str, Any] = {} if result["status"] != "done" else result["result"]["audio"]
    return found


async def loud_again(desk: Desk, dialog: str, packets: int, since: float) -> float:
    """Seconds from `since` until more than so many packets came in, and a tone."""

    async def heard() -> bool:
        stats = await audio(desk, dialog)
        return (stats.get("packetsReceived") or 0) > packets and (stats.get("levelInDb") or -99.0) > -40

    await until(heard, "sound after the kill", 15)
    return time.monotonic() - since


async def test_a_call_outlives_kill_9(server: Any, start_gateway: Start, bob: Desk, tmp_path: Path) -> None:
    flags = ("--source", "tone:440", "--journal", str(tmp_path / "journal"))
    first = await start_gateway(*flags)
    before = first.desk()
    await before.open()
    await before.login("1000", PASSWORD)
    await before.do("makeCall", calledNumber="1001", Destination_Number="1001", callType="audio")
    far = (await bob.expect("newInboundCall", state="ALERTING"))["response"]["dialog"]["id"]
    await bob.do("answerCall", dialogId=far)
    near = (await before.expect("dialogState", state="ACTIVE"))["response"]["dialog"]["id"]
    await before.hearing(near)
    await bob.hearing(far)
    first.process.kill()
    await first.process.wait()
    await before.closed()
    await before.close()
    deaf = (await audio(bob, far))["packetsReceived"]
    begun = time.monotonic()
    second = await start_gateway(*flags)
    listening = time.monotonic() - begun
    async with second.desk() as after:
        await come_back(after, "1000", before)
        back = time.monotonic() - begun
        inwards, outwards = await asyncio.gather(
            loud_again(after, near, 0, begun), loud_again(bob, far, deaf + 5, begun)
        )
        print(
            f"\n{server.name}: from the start of the new process: listening {listening:.2f} s, the desk is back "
            f"{back:.2f} s, the agent hears {inwards:.2f} s, the other side hears {outwards:.2f} s"
        )
        state = (await after.do("getState"))["result"]
        assert [(dialog["id"], dialog["state"]) for dialog in state["dialogs"]] == [(near, "ACTIVE")]
        await after.do("holdCall", dialogId=near)
        await after.do("retrieveCall", dialogId=near)
        await bob.do("releaseCall", dialogId=far)
        await after.expect("dialogState", id=near, state="DROPPED", callEndReason="NORMAL_CLEARING")
        await after.do("logout")
        assert_gapless(before, after)


class Course:
    """Two agents that call each other, again and again, by commands that a seed chose; each at a desk of its own."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.desks: dict[str, Desk] = {}
        self.last: dict[str, Desk] = {}
        """The desk before, of each."""
        self.had: dict[str, dict[str, str]] = {"1000": {}, "1001": {}}
        """The calls of each when it last was asked, with their states."""
        self.quiet = False
        """No request of ours is under way. (FreeSWITCH ends a leg whose socket dies while it answers a re-INVITE.)"""

    async def open(self, gateway: Any) -> None:
        """Log in at the first gateway, come back at each later one."""
        for extension in ("1000", "1001"):
            desk = gateway.desk(timeout=20.0)
            await desk.open()
            if extension in self.desks:
                self.last[extension] = self.desks[extension]
                await come_back(desk, extension, self.last[extension])
            else:
                await desk.login(extension, PASSWORD)
            self.desks[extension] = desk

    async def close(self) -> None:
        for desk in self.desks.values():
            await desk.closed()
            await desk.close()

    def live(self, extension: str) -> dict[str, str]:
        """The calls of an agent that are not over, with their states, as desks were told."""
        calls = dict(self.had[extension])
        for desk in (self.last.get(extension), self.desks[extension]):
            for event in () if desk is None else desk.heard:
                dialog = (event.get("response") or {}).get("dialog")
                if dialog and "seq" in event:
                    calls[dialog["id"]] = dialog["state"]
        return {name: state for name, state in calls.items() if state != "DROPPED"}

    async def settled(self, extension: str) -> None:
        """Wait until each call that lived is there again, or its end was told."""
        desk = self.desks[extension]
        there: dict[str, str] = {}

        async def known() -> bool:
            there.clear()
            there.update((each["id"], each["state"]) for each in (await desk.do("getState"))["result"]["dialogs"])
            return there == self.live(extension) and calls_up(there)

        try:
            await until(known, "an agent whose calls are up or over", 20)
        except AssertionError:
            raise AssertionError(f"agent {extension} has {there}, and its desk knows {self.live(extension)}") from None
        assert_gapless(self.last[extension], desk)
        self.had[extension] = there

    async def run(self) -> None:
        """Until it is cancelled. A call that does not come about is followed by another: what was under way when the
        process was killed may be in its way."""
        while True:
            self.quiet = False
            for extension, desk in self.desks.items():
                for name in self.live(extension):
                    await desk.attempt("releaseCall", dialogId=name)
            with contextlib.suppress(DeskError):
                await self._call(*self.chance.sample(sorted(self.desks), 2))

    async def _call(self, caller: str, called: str) -> None:
        one, other = self.desks[caller], self.desks[called]
        made = await one.do("makeCall", calledNumber=called, Destination_Number=called, callType="audio")
        ringing = await other.expect("newInboundCall", state="ALERTING")
        far = ringing["response"]["dialog"]["id"]
        await other.do("answerCall", dialogId=far)
        near = made["dialogId"]
        await one.expect("dialogState", state="ACTIVE", id=near)
        for _ in range(self.chance.randint(0, 6)):
            desk, name = self.chance.choice([(one, near), (other, far)])
            self.quiet = False
            action = self.chance.choice(["holdCall", "retrieveCall", "mute_call", "unmute_call"])
            await desk.attempt(action, dialogId=name)
            self.quiet = True
            await desk.attempt("getDialog", dialogId=name)


async def test_kills_at_random_moments(server: Any, start_gateway: Start, tmp_path: Path) -> None:
    print(f"\nOFFHOOK_SEED={SEED} OFFHOOK_KILLS={KILLS}")
    chance = random.Random(SEED)
    flags = ("--media", "null", "--journal", str(tmp_path / "journal"))
    course = Course(SEED)
    gateway = await start_gateway(*flags)
    await course.open(gateway)
    for kill in range(KILLS):
        running = asyncio.create_task(course.run())
        await asyncio.wait([running], timeout=chance.uniform(0.05, 1.2))
        assert not running.done(), running.exception()
        gateway.process.kill()
        await gateway.process.wait()
        running.cancel()
        await asyncio.wait([running])
        await course.close()
        up = {extension: course.live(extension) for extension in course.desks}
        talking = all(len(calls) == 1 and calls_up(calls) for calls in up.values()) and course.quiet
        gateway = await start_gateway(*flags)
        await course.open(gateway)
        for extension in course.desks:
            await course.settled(extension)
            there = course.had[extension]
            print(f"kill {kill}: agent {extension} had {list(up[extension].values())}, has {list(there.values())}")
            assert not talking or there.keys() == up[extension].keys(), "a call that was up was ended"
    for desk in course.desks.values():
        await desk.do("logout")
        await desk.close()

    async def nothing_left() -> bool:
        return bool(await server.channels() == 0)

    # A call that was being dialled cannot be taken over. FreeSWITCH ends what it has of it when its ring time is over,
    # or, where its dialplan sets none, after rtp-timeout-sec, 300 s.
    await until(nothing_left, "no channel left on the server", 330)


def calls_up(calls: dict[str, str]) -> bool:
    return all(state in ("ACTIVE", "HELD") for state in calls.values())
