"""A desk for tests: a client of the gateway's socket that sends commands and waits for events.

    async with Desk(url) as desk:
        await desk.login("1000", "1234")
        await desk.do("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
        active = await desk.expect("dialogState", state="ACTIVE")

Every wait has a deadline and fails with all that was heard until then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ClassVar

import aiohttp

Event = dict[str, Any]


class DeskError(AssertionError):
    """What was expected did not come; the text lists what came instead."""


def summary(event: Event) -> str:
    """One line for an event: name, state and what else tells it from others."""
    response = event.get("response") or {}
    dialog = response.get("dialog") or {}
    parts = [str(event.get("event"))]
    for source, names in (
        (event, ("action", "status", "error")),
        (response, ("state", "type", "code", "description")),
        (dialog, ("state", "callType", "callEndReason", "id")),
    ):
        parts += [f"{name}={source[name]}" for name in names if source.get(name) is not None]
    return " ".join(parts)


class Desk:
    """One connection to a gateway.

    `heard` holds every event in order. `expect` looks only at those after the last one it returned, so that a chain of
    expectations states an order.
    """

    observers: ClassVar[list[Callable[[Desk, Event], None]]] = []
    """Called with each message that any desk receives."""
    senders: ClassVar[list[Callable[[Desk, str], None]]] = []
    """Called with each text that any desk sends."""

    def __init__(self, url: str, *, timeout: float = 10.0, origin: str | None = None) -> None:
        self.url = url
        self.timeout = timeout
        self.heard: list[Event] = []
        self.closed_with: int | None = None
        self._origin = origin
        self._position = 0
        self._ids = 0
        self._news = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Desk:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect. Raises aiohttp.ClientError where the gateway refuses."""
        self._session = aiohttp.ClientSession()
        headers = {"Origin": self._origin} if self._origin else {}
        try:
            self._socket = await self._session.ws_connect(self.url, headers=headers, max_msg_size=1 << 20)
        except BaseException:
            await self._session.close()
            raise
        self._reader = asyncio.create_task(self._read(self._socket))

    async def close(self) -> None:
        """Close the connection; the events heard stay."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.wait([self._reader])
        if self._session is not None:
            await self._session.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                event: Event = json.loads(message.data)
                self.heard.append(event)
                self._news.set()
                for observe in self.observers:
                    observe(self, event)
        self.closed_with = socket.close_code
        self._news.set()

    async def send(self, action: str, /, id: str | None = None, **parameter: Any) -> None:
        """Send a command; with `id` it is answered by a commandResult."""
        command: dict[str, Any] = {"action": action, "parameter": parameter}
        if id is not None:
            command["id"] = id
        await self.send_text(json.dumps(command))

    async def send_text(self, text: str) -> None:
        """Send any text."""
        assert self._socket is not None, "open() first"
        for observe in self.senders:
            observe(self, text)
        await self._socket.send_str(text)

    async def do(self, action: str, /, **parameter: Any) -> Event:
        """Send a command and wait for its commandResult, which must be `done`; returns it."""
        result = await self.attempt(action, **parameter)
        if result["status"] != "done":
            raise DeskError(f"{action} failed: {result['error']}{self._so_far()}")
        return result

    async def attempt(self, action: str, /, **parameter: Any) -> Event:
        """Send a command and wait for its commandResult, whatever it says. Does not move `expect`."""
        self._ids += 1
        name = f"{action}-{self._ids}"
        await self.send(action, id=name, **parameter)
        return await self._find(
            lambda event: event.get("event") == "commandResult" and event.get("id") == name,
            f"the commandResult of {action}",
            timeout=45.0,
            move=False,
        )

    async def login(self, extension: str, password: str) -> None:
        """Log in and wait until the agent is registered."""
        await self.do("login", extension=extension, password=password)

    async def hearing(self, dialog: str, above: float = -40.0) -> None:
        """Wait until a call brings sound of at least that level, in dBov."""

        async def loud() -> bool:
            level = (await self.do("getStats", dialogId=dialog))["result"]["audio"]["levelInDb"]
            return level is not None and level > above

        await until(loud, "sound on the call", self.timeout)

    async def talking(self, dialog: str) -> None:
        """Wait until audio comes in on a call. (FreeSWITCH says ORIGINATOR_CANCEL to a BYE before it has bridged.)"""

        async def heard() -> bool:
            stats = (await self.do("getStats", dialogId=dialog))["result"]["audio"]
            return (stats["packetsReceived"] or 0) > 10

        await until(heard, "audio on the call", self.timeout)

    async def expect(self, name: str, /, timeout: float | None = None, **fields: Any) -> Event:
        """The next event of that name whose dialog (or else response) has these values."""

        def fits(event: Event) -> bool:
            if event.get("event") != name:
                return False
            response = event.get("response") or {}
            dialog = response.get("dialog") or event.get("dialog") or {}
            return all(dialog.get(key, response.get(key)) == value for key, value in fields.items())

        return await self._find(fits, f"{name} with {fields}", timeout=timeout or self.timeout, move=True)

    async def quiet(self, name: str, **fields: Any) -> None:
        """Fail if such an event has been heard since the last expectation."""
        try:
            found = await self.expect(name, timeout=0.001, **fields)
        except DeskError:
            return
        raise DeskError(f"heard what should not be: {summary(found)}{self._so_far()}")

    async def closed(self) -> int | None:
        """Wait until the gateway has closed the connection; returns the close code."""
        assert self._reader is not None
        await asyncio.wait_for(asyncio.shield(self._reader), self.timeout)
        return self.closed_with

    async def _find(self, fits: Callable[[Event], bool], what: str, *, timeout: float, move: bool) -> Event:
        position = self._position
        try:
            async with asyncio.timeout(timeout):
                while True:
                    while position < len(self.heard):
                        event = self.heard[position]
                        position += 1
                        if fits(event):
                            if move:
                                self._position = position
                            return event
                    if self._reader is not None and self._reader.done():
                        raise DeskError(f"the connection closed ({self.closed_with}) before {what}{self._so_far()}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise DeskError(f"no {what} within {timeout} s{self._so_far()}") from None

    def _so_far(self) -> str:
        lines = [
            ("  > " if index >= self._position else "    ") + summary(event) for index, event in enumerate(self.heard)
        ]
        return "; heard so far (after > nothing was taken yet):\n" + "\n".join(lines or ["    nothing"])


def dialogs(events: list[Event]) -> list[tuple[str, str]]:
    """The dialog events of a list as (event name, state), in order."""
    found = []
    for event in events:
        dialog = (event.get("response") or {}).get("dialog")
        if dialog:
            found.append((str(event["event"]), str(dialog["state"])))
    return found


async def until(holds: Callable[[], Awaitable[bool]], what: str, timeout: float = 10.0) -> None:
    """Ask again and again until it holds: for what only a foreign process knows and does not tell by itself."""
    deadline = asyncio.get_running_loop().time() + timeout
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline, f"not within {timeout} s: {what}"
        await asyncio.sleep(0.05)
